"""Reads one YAML file into nodes: every scalar stays text, and what makes YAML surprising is refused.

Refused are tags, anchors and aliases, merge keys, duplicate keys, keys that are not text, several documents, and
files that are too large or too deep.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from engine.config import traps
from engine.config.nodes import ListNode, MapNode, Node
from engine.config.text import Mark, SourceFile, Text
from engine.errors import Problem

MAX_BYTES = 2**20
"""Largest YAML file."""
MAX_DEPTH = 32
"""Deepest nesting of mappings and lists."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's parser where PyYAML was built with it: ten times faster, same events."""


def compose_file(path: Path, name: str, problems: list[Problem]) -> Node | None:
    """Read the file at `path`, shown as `name`; what is wrong goes to `problems`, None where nothing was read."""
    text = read_text(path, name, problems, limit=MAX_BYTES)
    return None if text is None else compose(text, name, problems)


def compose(text: str, name: str, problems: list[Problem]) -> Node | None:
    """Read YAML text, shown as file `name`; see `compose_file`."""
    source = SourceFile(name, tuple(text.removeprefix("\ufeff").splitlines()))
    composer = _Composer(source, problems)
    try:
        return composer.document(_LOADER(text.removeprefix("\ufeff")))
    except yaml.YAMLError as error:
        told = traps.explain(error, source)
        problems[:] = [known for known in problems if (known.file, known.line) != (told.file, told.line)]
        problems.append(told)  # the parser saw more of this line than the composer did
        return None
    except _TooDeep as error:
        problems.append(error.mark.problem(f"nested deeper than {MAX_DEPTH} levels"))
        return None


def read_text(path: Path, name: str, problems: list[Problem], *, limit: int) -> str | None:
    """Read a UTF-8 file of at most `limit` bytes; None with a problem added where that is not possible."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        problems.append(Problem(name, 1, 1, f"cannot be read: {error.strerror}"))
        return None
    if len(data) > limit:
        problems.append(Problem(name, 1, 1, f"larger than {limit} bytes"))
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        problems.append(Problem(name, line, column, "not UTF-8 here", help="save the file as UTF-8"))
        return None


class _TooDeep(Exception):
    def __init__(self, mark: Mark) -> None:
        super().__init__("too deep")
        self.mark = mark


class _Composer:
    """Builds the tree of one document from the parser's events."""

    def __init__(self, source: SourceFile, problems: list[Problem]) -> None:
        self._source = source
        self._problems = problems
        self._next: Any = None

    def document(self, loader: Any) -> Node | None:
        try:
            self._next = loader.get_event
            self._next()  # the start of the stream
            start = self._next()
            if isinstance(start, yaml.StreamEndEvent):
                self._problems.append(Problem(self._source.name, 1, 1, "the file is empty"))
                return None
            if start.tags:
                self._refuse(start, "tags are refused")
            root = self._node(self._next(), 0)
            self._next()  # the end of the document
            further = self._next()
            if not isinstance(further, yaml.StreamEndEvent):
                self._refuse(further, "a second document begins here", "write one document per file")
            return root
        finally:
            loader.dispose()

    def _node(self, event: Any, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise _TooDeep(self._mark(event))
        if isinstance(event, yaml.AliasEvent):
            self._refuse(
                event,
                "aliases are refused",
                "text that begins with * is quoted; reuse is `profiles:` and `use:`",
            )
            return Text("", self._mark(event))
        if event.anchor:
            self._refuse(
                event,
                "anchors are refused",
                "text that begins with & is quoted; reuse is `profiles:` and `use:`",
            )
        if event.tag is not None:
            self._refuse(event, "tags are refused", "text that begins with ! is quoted")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, depth)
        return Text(event.value, self._mark(event))

    def _mapping(self, start: Any, depth: int) -> Node:
        node = MapNode(self._mark(start), flow=bool(start.flow_style))
        parts: list[traps.Part] = []
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            at = key.mark or self._mark(event)
            value = self._node(self._next(), depth + 1)
            if not isinstance(key, Text):
                self._problems.append(
                    at.problem("a key must be text", help="quote text that begins with { or [")
                )
                continue
            if self._takes(str(key), at, node):
                node.put(str(key), at, value)
                parts.append(traps.Part(key, value))
        if node.flow:
            return traps.mend_mapping(node, parts, self._end(event), self._problems)
        return node

    def _takes(self, key: str, at: Mark, node: MapNode) -> bool:
        """Tell whether `key` may stand in `node`; a problem is added where it may not."""
        if key in node:
            first = node.keys_at[key].line
            self._problems.append(
                at.problem(f'duplicate key "{key}"', help=f"it is first given on line {first}")
            )
        elif key == "<<" and not at.style:
            self._problems.append(
                at.problem("merge keys are refused", help="reuse is `profiles:` and `use:`")
            )
        elif "${" in key:
            self._problems.append(at.problem("nothing can be inserted into a key", help="write the key out"))
        else:
            return True
        return False

    def _sequence(self, start: Any, depth: int) -> Node:
        node = ListNode(self._mark(start), flow=bool(start.flow_style))
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            node.append(self._node(event, depth + 1))
        if node.flow:
            traps.mend_list(node, self._problems)
        return node

    def _mark(self, event: Any) -> Mark:
        start, end = event.start_mark, event.end_mark
        line, column = start.line + 1, start.column
        last = end.column if end.line + 1 == line else len(self._source.line(line))
        style = getattr(event, "style", None) or ""
        return Mark(self._source, line, column + 1, last - column if last > column else 0, style)

    def _end(self, event: Any) -> tuple[int, int]:
        return event.end_mark.line + 1, event.end_mark.column

    def _refuse(self, event: Any, message: str, help: str = "") -> None:
        self._problems.append(self._mark(event).problem(message, help=help))
