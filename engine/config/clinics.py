"""Makes many partners of one template and a CSV file: `partners: {csv: clinics.csv, template: clinic}`.

`{column}` in a text of the template stands for the cell of that column. A key whose text needs an empty cell is left
out, and with its address an endpoint is left out whole.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.config.compose import read_text
from engine.config.gather import printed
from engine.config.insert import Inserter
from engine.config.nodes import ListNode, MapNode, Node
from engine.config.suggest import hint
from engine.config.text import CELL, Mark, SourceFile, Text
from engine.errors import Problem

MAX_BYTES = 32 * 2**20
"""Largest CSV file."""

_COLUMN = re.compile(r"(?<!\$)\{([^{}]*)\}")


def expand_directory(
    config: MapNode,
    *,
    root: Path,
    inserter: Inserter,
    channel_names: Sequence[str],
    problems: list[Problem],
) -> Path | None:
    """Put the partners of a directory in its place; returns the CSV file, None where there is no directory.

    Columns are filled before insertions, so `"${file:certs/{name}.whsec}"` is a secret for each.
    """
    templates = config.pop("templates", None)
    partners = config.get("partners")
    if not isinstance(partners, MapNode) or not isinstance(file := partners.get("csv"), Text):
        return None
    name = partners.get("template")
    template = templates.get(name) if isinstance(templates, MapNode) and isinstance(name, Text) else None
    del partners["csv"]
    partners.pop("template", None)
    if not isinstance(template, MapNode):
        at = name.mark if isinstance(name, Text) and name.mark else partners.keys_at["csv"]
        known = list(templates) if isinstance(templates, MapNode) else []
        told = f'there is no template "{name or ""}" under `templates:`'
        problems.append(at.problem(told, help=hint(str(name or ""), known)))
        return None
    path = root / file
    if not path.is_file() and file.mark:
        problems.append(file.mark.problem(f'there is no file "{file}"'))
        return None
    for row in _rows(path, template, problems):
        filled = row.fill(template)
        node = inserter.fill(filled) if filled is not None else None
        if not isinstance(node, MapNode):
            continue
        if row.name in partners:
            problems.append(row.mark.problem(f'the partner "{row.name}" is given twice'))
            continue
        _drop_endpoints_without_address(node, template, channel_names)
        partners.put(row.name, row.mark, node)
    return path


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the CSV file."""

    name: str
    cells: Mapping[str, Text]
    mark: Mark

    def fill(self, node: Node) -> Node | None:
        """Return a copy of `node` with its columns filled; None where a cell that it needs is empty."""
        if isinstance(node, MapNode):
            copy = MapNode(node.mark, flow=node.flow)
            for key, child in node.items():
                filled = self.fill(child)
                if filled is not None:
                    copy.put(key, node.keys_at[key], filled)
            return copy
        if isinstance(node, ListNode):
            items = ListNode(node.mark, flow=node.flow)
            items.extend(filled for child in node if (filled := self.fill(child)) is not None)
            return items
        return self._fill_text(node) if "{" in node else node

    def _fill_text(self, text: Text) -> Text | None:
        columns = _COLUMN.findall(text)
        cells = [self.cells[column] for column in columns if column in self.cells]
        if not all(cells):
            return None
        filled = _COLUMN.sub(lambda found: self.cells.get(found[1], Text(found[0])), text)
        return Text(filled, cells[0].mark if cells else text.mark)


def _rows(path: Path, template: MapNode, problems: list[Problem]) -> Iterator[_Row]:
    content = read_text(path, printed(path), problems, limit=MAX_BYTES)
    if content is None:
        return
    content = content.removeprefix("\ufeff")
    source = SourceFile(printed(path), tuple(content.splitlines()))
    semicolons = ";" in source.line(1) and "," not in source.line(1)
    reader = csv.reader(content.splitlines(keepends=True), delimiter=";" if semicolons else ",", strict=True)
    header = [column.strip() for column in next(reader, [])]
    if not _check_header(header, source, template, problems):
        return
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Mark(source, line, 1, 1).problem(f"not CSV: {error}"))
            return
        if not values:
            continue
        mark = Mark(source, line, 1, len(source.line(line)))
        if len(values) != len(header):
            problems.append(mark.problem(f"{len(values)} cells under {len(header)} columns"))
            continue
        cells = _cells(header, values, mark)
        if not cells["name"]:
            problems.append(mark.problem('the column "name" is empty'))
        else:
            yield _Row(str(cells["name"]), cells, mark)


def _check_header(header: list[str], source: SourceFile, template: MapNode, problems: list[Problem]) -> bool:
    """Tell whether the header has a name and every column that the template asks for."""
    if "name" not in header:
        problems.append(Problem(source.name, 1, 1, 'there is no column "name"', source=source.line(1)))
        return False
    unknown = [(text, column) for text, column in _asked(template) if column not in header]
    for text, column in unknown:
        if text.mark:
            place = text.mark.inside(text.index("{" + column), len(column) + 2)
            problems.append(place.problem(f'there is no column "{column}"', help=hint(column, header)))
    return not unknown


def _asked(node: Node) -> Iterator[tuple[Text, str]]:
    if isinstance(node, Text):
        yield from ((node, column) for column in _COLUMN.findall(node))
    else:
        for child in node.values() if isinstance(node, MapNode) else node:
            yield from _asked(child)


def _cells(header: list[str], values: list[str], row: Mark) -> dict[str, Text]:
    """Return the cells with their places; a quoted cell is placed where its text begins."""
    cells: dict[str, Text] = {}
    line, at = row.source.line(row.line), 0
    for column, value in zip(header, values, strict=True):
        text = value.strip()
        found = line.find(text, at)
        at = found + len(text) if found >= 0 else at
        cells[column] = Text(text, Mark(row.source, row.line, max(found, 0) + 1, len(text), CELL))
    return cells


def _drop_endpoints_without_address(
    partner: MapNode, template: MapNode, channel_names: Sequence[str]
) -> None:
    endpoints, given = partner.get("endpoints"), template.get("endpoints")
    if not isinstance(endpoints, MapNode) or not isinstance(given, MapNode):
        return
    for name in list(endpoints):
        before, after = given[name], endpoints[name]
        if isinstance(before, MapNode) and isinstance(after, MapNode):
            needed = [key for key in before if key in channel_names]
            if any(key not in after for key in needed):
                del endpoints[name]
