"""Text as users wrote it, with the place it was written at: what every error and every origin points to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from engine.errors import Problem

CELL = "cell"
"""Style of text that a cell of a CSV file gave: its value need not stand in the file as it is."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was read: its name as printed, and its lines without their ends."""

    name: str
    lines: tuple[str, ...]

    def line(self, number: int) -> str:
        """Return line `number` (from 1) with tabs as one blank each, "" beyond the end: carets stay aligned."""
        return self.lines[number - 1].replace("\t", " ") if 0 < number <= len(self.lines) else ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file: line and column from 1, length in characters on that line.

    `style` is YAML's for a scalar ("" plain, `'`, `"`, `|` or `>`), or `CELL`.
    """

    source: SourceFile
    line: int
    column: int
    length: int
    style: str = ""

    def problem(self, message: str, *, help: str = "", severity: str = "error") -> Problem:
        """Return a finding that points here."""
        return Problem(
            file=self.source.name,
            line=self.line,
            column=self.column,
            message=message,
            length=max(1, self.length),
            help=help,
            source=self.source.line(self.line),
            severity=severity,
        )

    def inside(self, offset: int, length: int) -> Mark:
        """Return the place of `length` characters at `offset` of the scalar's value.

        The whole scalar is returned where the value cannot be laid over its source: folded or many-line scalars,
        values that an insertion filled.
        """
        if self.style == "|":
            return self._inside_block(offset, length) or self
        raw = self.source.line(self.line)[self.column - 1 : self.column - 1 + self.length]
        places = _places(raw, self.style)
        if places is None or offset > len(places) or not places:
            return self
        if offset == len(places):  # what is missing at the end: just after the last character
            return Mark(self.source, self.line, self.column + places[-1] + 1, 1, self.style)
        end = min(offset + max(1, length), len(places)) - 1
        begin = places[offset]
        return Mark(self.source, self.line, self.column + begin, places[end] - begin + 1, self.style)

    def _inside_block(self, offset: int, length: int) -> Mark | None:
        below = self.source.lines[self.line :]
        first = next((line for line in below if line.strip()), "")
        indent = len(first) - len(first.lstrip(" "))
        for number, line in enumerate(below, self.line + 1):
            content = line[indent:]
            if offset <= len(content):
                rest = max(1, min(length, len(content) - offset))
                return Mark(self.source, number, indent + offset + 1, rest)
            offset -= len(content) + 1
        return None


def _places(raw: str, style: str) -> list[int] | None:
    """Return for each character of the value its offset in `raw`, None where that is not one to one."""
    if not style:
        return list(range(len(raw)))
    if style not in ("'", '"') or len(raw) < 2 or raw[-1] != style:
        return None  # folded, a cell, or over several lines
    if style == '"':
        return None if "\\" in raw else list(range(1, len(raw) - 1))
    places: list[int] = []
    at = 1
    while at < len(raw) - 1:
        places.append(at)
        at += 2 if raw[at] == "'" else 1
    return places


@dataclass(frozen=True, slots=True)
class Filling:
    """What became of a scalar with insertions: `written` as in the file, `public` with only `${env:}` filled.

    `failed` says that one could not be filled, which was told: nothing more is to be said about the value.
    """

    written: str
    public: str
    failed: bool = False


class Text(str):
    """A scalar as text; `mark` says where it stands, `filling` what `${...}` in it stood for."""

    __slots__ = ("filling", "mark")

    mark: Mark | None
    filling: Filling | None

    def __new__(cls, value: str, mark: Mark | None = None, filling: Filling | None = None) -> Self:
        self = super().__new__(cls, value)
        self.mark = mark
        self.filling = filling
        return self

    @classmethod
    def retell(cls, text: str) -> Self:
        """Return `text` as this class, at the same place and with the same filling."""
        return cls(text, text.mark, text.filling) if isinstance(text, Text) else cls(text)


def shown(value: str) -> str:
    """Return how `value` may be printed: as it stands in the file, so that nothing inserted is disclosed."""
    return value.filling.written if isinstance(value, Text) and value.filling else str(value)


def mark_of(value: object) -> Mark | None:
    """Return where `value` was written, None for what no file holds."""
    return value.mark if isinstance(value, Text) else None
