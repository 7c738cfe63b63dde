"""`passerelle hl7 diff A B`: what differs between two messages, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.exits import Exit
from engine.cli.hl7.files import PATH, Stored, stored_in
from engine.cli.terminal import View

if TYPE_CHECKING:
    from engine.cli.hl7.tree import Branch, Leaf


@dataclass(frozen=True, slots=True)
class Difference:
    """One leaf that differs; None on the side that lacks it."""

    path: str
    name: str
    left: Leaf | None
    right: Leaf | None


@click.command()
@click.argument("left", type=PATH)
@click.argument("right", type=PATH)
@click.option(
    "--ignore", multiple=True, metavar="PATH", help="Field that may differ, such as MSH-7; repeatable."
)
@click.option("--clear", is_flag=True, help="Show values as they are; without it they are masked.")
@click.option("--charset", default="", help="Character set, where MSH-18 does not say it or lies.")
@desk_options("json", "lang")
def diff(desk: Desk, left: Path, right: Path, ignore: tuple[str, ...], clear: bool, charset: str) -> int:
    """Compare two messages by field; ends with 1 when they differ.

    Delimiters, line ends and character sets may differ: what counts is what the fields say. Segments are matched
    first, so that one that was added does not make all that follow it different. Of batches, messages are compared in
    order.
    """
    ours, theirs = stored_in(left), stored_in(right)
    found: list[tuple[str, Difference]] = []
    for first, second in zip(ours, theirs, strict=False):
        place = "" if len(ours) == 1 else f"{first.number}: "
        found += [
            (place, each) for each in differences(first, second, charset) if not _ignored(each.path, ignore)
        ]
    views = [_view(place, each, clear=clear) for place, each in found]
    same = not found and len(ours) == len(theirs)
    if desk.as_json:
        desk.terminal.answer({"same": same, "messages": [len(ours), len(theirs)], "differences": views})
        return Exit.OK if same else Exit.FAILED
    if len(ours) != len(theirs):
        desk.terminal.line(f"{len(ours)} messages, {len(theirs)} messages")
    for view in views:
        _print(desk, view)
    if same:
        desk.terminal.note(desk.say("no difference"))
    return Exit.OK if same else Exit.FAILED


def differences(left: Stored, right: Stored, charset: str = "") -> Sequence[Difference]:
    """Return what differs between two messages, in the order of their segments."""
    one, other = _branches(left, charset), _branches(right, charset)
    matcher = SequenceMatcher(None, _keys(one), _keys(other), autojunk=False)
    found: list[Difference] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            for first, second in _paired(one[a:b], other[c:d]):
                found += _of_pair(first, second)
    return found


def _branches(stored: Stored, charset: str) -> Sequence[Branch]:
    from engine.cli.hl7.tree import branches
    from engine.codecs.hl7v2.header import header
    from engine.codecs.hl7v2.reading import parse

    return branches(parse(stored.data, charset), header(stored.data, charset).version or "2.5.1")


def _keys(found: Sequence[Branch]) -> list[tuple[object, ...]]:
    """Return what makes two segments the same: their leaves, whatever the delimiters and the place."""
    return [
        (branch.name, *((leaf.path.removeprefix(branch.path), leaf.value) for leaf in branch.leaves))
        for branch in found
    ]


def _paired(one: Sequence[Branch], other: Sequence[Branch]) -> Iterator[tuple[Branch | None, Branch | None]]:
    """Yield the segments of one name in pairs, and those that have no partner alone."""
    left = list(one)
    for second in other:
        first = next((each for each in left if each.name == second.name), None)
        if first is not None:
            before = left[: left.index(first)]
            yield from ((each, None) for each in before)
            del left[: len(before) + 1]
        yield first, second
    yield from ((each, None) for each in left)


def _of_pair(first: Branch | None, second: Branch | None) -> Iterator[Difference]:
    ours = {} if first is None else {leaf.path.removeprefix(first.path): leaf for leaf in first.leaves}
    theirs = {} if second is None else {leaf.path.removeprefix(second.path): leaf for leaf in second.leaves}
    if first is not None and second is not None and first.name in ("MSH", "FHS", "BHS"):
        for number in ("-1", "-2"):  # delimiters may differ: the fields say the same
            ours.pop(number, None)
            theirs.pop(number, None)
    for place in [*ours, *(place for place in theirs if place not in ours)]:
        left, right = ours.get(place), theirs.get(place)
        if left is None or right is None or left.value != right.value:
            known = left or right
            assert known is not None
            yield Difference(known.path, known.name, left, right)


def _ignored(path: str, ignore: Sequence[str]) -> bool:
    """Say whether a path is one of those to ignore or stands below it; `OBX-14` means that of every OBX."""
    segment, _, rest = path.partition("-")
    every = f"{segment.partition('[')[0]}-{rest}"
    return any(
        each == text or each.startswith((f"{text}.", f"{text}[", f"{text}-"))
        for text in ignore
        for each in (path, every)
    )


def _view(place: str, found: Difference, *, clear: bool) -> View:
    return {
        "path": f"{place}{found.path}",
        "name": found.name,
        "left": None if found.left is None else found.left.shown(clear=clear),
        "right": None if found.right is None else found.right.shown(clear=clear),
    }


def _print(desk: Desk, view: View) -> None:
    from engine.cli.hl7.tree import shortened

    name = f"  {view['name']}" if view["name"] else ""
    desk.terminal.line(f"{view['path']}{name}")
    for sign, side, colour in (("-", "left", "red"), ("+", "right", "green")):
        if view[side] is not None:
            text = f"  {sign} {shortened(view[side])}"
            desk.terminal.line(click.style(text, fg=colour) if desk.terminal.colourful else text)
