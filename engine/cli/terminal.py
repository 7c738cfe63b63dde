"""What a verb prints: rich tables on a terminal, aligned plain lines elsewhere, JSON where asked; notes on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, Literal

from engine.cli.words import Language

STYLES = {
    "dead": "bold red", "refused": "red", "open": "red", "expired": "yellow", "retrying": "yellow",
    "parked": "yellow", "held": "yellow", "half_open": "yellow", "awaiting": "cyan", "in_flight": "cyan",
    "pending": "cyan", "delivered": "green", "delivered_by_fallback": "green", "accepted": "green",
    "rejected": "red", "permanent": "red", "transient": "yellow", "unknown": "yellow", "bug": "bold red",
    "filtered": "", "superseded": "", "recalled": "", "duplicate": "yellow", "collision": "yellow",
    "closed": "", "starting": "cyan", "running": "green", "restarting": "red", "stopped": "", "no": "red", "yes": "",
}  # fmt: skip
"""Words of state with their colours."""

View = dict[str, Any]
Advance = Callable[[], None]
"""Called after each step of a long work."""


class Word(str):
    """A word of state in a cell: it is translated and coloured, as no other text is."""

    __slots__ = ()


class Terminal:
    """One verb's output. `as_json` prints the API's own answer and nothing else on standard output."""

    def __init__(self, *, as_json: bool, language: Language) -> None:
        self.as_json = as_json
        self.say = language
        self.colourful = sys.stdout.isatty() and not as_json

    def answer(self, view: View) -> None:
        """Print an answer of the API as JSON: indented for a person, one line for a program."""
        indent = 2 if sys.stdout.isatty() else None
        print(json.dumps(view, ensure_ascii=False, indent=indent))

    def line(self, text: str = "") -> None:
        """Print one line of result."""
        print(text)

    def note(self, text: str) -> None:
        """Tell a person something beside the result."""
        if not self.as_json:
            print(text, file=sys.stderr)

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print rows under translated columns; words of state are translated and coloured."""
        cells = [[self._cell(value) for value in row] for row in rows]
        heads = [self.say(column) for column in columns]
        if self.colourful:
            self._rich(self.say(title), heads, cells)
        else:
            self._plain(heads, [[text for text, _ in row] for row in cells])

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Advance]:
        """Draw a bar on a terminal's standard error; elsewhere the block's own lines must do."""
        if not (self.colourful and sys.stderr.isatty()):
            yield lambda: None
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            work = bar.add_task(title, total=total)
            yield lambda: bar.advance(work)

    @contextmanager
    def counting(self, title: str) -> Iterator[Callable[[int], None]]:
        """Draw how many there are so far, where nobody knows how many there will be."""
        if not (self.colourful and sys.stderr.isatty()):
            yield lambda count: None
            return
        from rich.console import Console
        from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            work = bar.add_task(title, total=None)
            yield lambda count: bar.advance(work, count)

    def _cell(self, value: object) -> tuple[str, str]:
        """Return a value as text with its style."""
        if value is None or value == "":
            return "-" if not self.colourful else "", ""
        if isinstance(value, bool):
            return self.say.word("yes" if value else "no"), "" if value else STYLES["no"]
        if isinstance(value, float):
            return f"{value:g}", ""
        if isinstance(value, list | tuple):
            return " ".join(str(each) for each in value), ""
        if isinstance(value, Word):
            return self.say.word(value), STYLES.get(value, "")
        return str(value), ""

    def _plain(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        for row in (heads, *rows):
            print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())

    def _rich(self, title: str, heads: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]]) -> None:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = Console()
        table = Table(
            title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False
        )  # fmt: skip
        shown = _shown_columns(heads, rows, console.width)
        folding = _folding_columns(heads, rows, shown, console.width)
        for at in shown:
            number = all(row[at][0].replace(".", "").isdecimal() for row in rows if row[at][0])
            justify: Literal["left", "right"] = "right" if number else "left"
            table.add_column(heads[at], justify=justify, overflow="fold", no_wrap=at not in folding)
        for row in rows:
            table.add_row(*(Text(*row[at]) for at in shown))
        console.print(table)
        console.print()


Cells = Sequence[Sequence[tuple[str, str]]]
_GAP = 3
_NARROWEST = 12


def _width(heads: Sequence[str], rows: Cells, at: int) -> int:
    return max(len(heads[at]), *(len(row[at][0]) for row in rows)) + _GAP


def _shown_columns(heads: Sequence[str], rows: Cells, width: int) -> Sequence[int]:
    """Return the columns to draw: without empty ones and, where the terminal is narrow, without those of zeros."""
    filled = [at for at in range(len(heads)) if any(row[at][0] for row in rows)]
    if sum(_width(heads, rows, at) for at in filled) <= width:
        return filled
    return [at for at in filled if any(row[at][0] not in ("", "0") for row in rows)]


def _folding_columns(heads: Sequence[str], rows: Cells, shown: Sequence[int], width: int) -> Sequence[int]:
    """Return the columns that may fold: the widest, so that ids stay whole; all, where that is not enough."""
    widths = {at: _width(heads, rows, at) for at in shown}
    widest = max(widths, key=lambda at: widths[at])
    left = width - (sum(widths.values()) - widths[widest])
    return (widest,) if left >= _NARROWEST else shown


def local(moment: str | None) -> str:
    """Return an RFC 3339 time as the reader's clock shows it: the time of today, with the date on another day."""
    if not moment:
        return ""
    at = datetime.fromisoformat(moment).astimezone()
    today = date.today()  # noqa: DTZ011  the reader's own day; the Clock would load asyncio into every verb
    return f"{at:%H:%M:%S}" if at.date() == today else f"{at:%Y-%m-%d %H:%M:%S}"


def lasting(seconds: float | None) -> str:
    """Return a duration in its two largest units: `3 d 4 h`, `5 min 2 s`, `1.4 s`, `12 ms`."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, below, smaller in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {below}"
    return f"{whole} s"


def octets(count: int) -> str:
    """Return a number of bytes in the largest unit that leaves a whole number before the point."""
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.1f} {unit}" if unit != "B" else f"{count} B"
