"""Makes mistakes in a YAML file by machine: one per key and kind, each with the place that must be reported.

The text is changed where the mistake is and nowhere else, so that the file stays as people wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file with one mistake; a problem must be reported between `begin` and `end` (line, column, from 1)."""

    kind: str
    path: Path
    text: str
    begin: tuple[int, int]
    end: tuple[int, int]

    def holds(self, line: int, column: int) -> bool:
        """Tell whether a place is that of the mistake."""
        return self.begin <= (line, column) < self.end


def mutants(text: str) -> Iterator[Mutant]:
    """Give every mutant of a valid file: for each key a rename, a typo, a duplicate and a value of a wrong kind."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    yield from _of_node(text, root, ())


def _of_node(text: str, node: yaml.Node, path: Path) -> Iterator[Mutant]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            yield _rename(text, key, inner, "rename", "zzz_unknown")
            yield _rename(text, key, inner, "typo", _misspelt(str(key.value)))
            yield _duplicate(text, key, inner, in_flow=bool(node.flow_style))
            yield _wrong_kind(text, value, inner)
            yield from _of_node(text, value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _of_node(text, item, (*path, "*"))


def _misspelt(word: str) -> str:
    """Return `word` with its second letter doubled: `rettry`, `ffile` where it is short."""
    return word[:2] + word[1:] if len(word) > 1 else word + word


def _rename(text: str, key: yaml.Node, path: Path, kind: str, name: str) -> Mutant:
    start, end = _marks(key)
    begin = (start.line + 1, start.column + 1)
    return Mutant(
        kind, path, text[: start.index] + name + text[end.index :], begin, (begin[0], begin[1] + len(name))
    )


def _duplicate(text: str, key: yaml.Node, path: Path, *, in_flow: bool) -> Mutant:
    """Put the key once more before itself, so that the one that was there is the second."""
    start, end = _marks(key)
    written = text[start.index : end.index]
    if in_flow:
        added = f"{written}: x, "
        begin = (start.line + 1, start.column + 1 + len(added))
    else:
        added = f"{written}: x\n" + " " * start.column
        begin = (start.line + 2, start.column + 1)
    return Mutant(
        "duplicate",
        path,
        text[: start.index] + added + text[start.index :],
        begin,
        (begin[0], begin[1] + len(written)),
    )


def _wrong_kind(text: str, value: yaml.Node, path: Path) -> Mutant:
    """Write text where a mapping stands, and a mapping where text or a list stands."""
    start, end = _marks(value)
    wrong = "wrong kind" if isinstance(value, yaml.MappingNode) else "{wrong: kind}"
    begin, after = (start.line + 1, start.column + 1), text[end.index :]
    if isinstance(value, yaml.CollectionNode) and not value.flow_style:
        after = "\n" + " " * end.column + after  # a block ends where the next line's text begins
    mutated = text[: start.index] + wrong + after
    return Mutant("kind", path, mutated, begin, (begin[0], begin[1] + len(wrong)))


def _marks(node: yaml.Node) -> tuple[yaml.Mark, yaml.Mark]:
    assert node.start_mark is not None and node.end_mark is not None
    return node.start_mark, node.end_mark
