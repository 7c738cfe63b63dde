"""The loss report for people and programs: what became of each leaf of a document, and never a value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click

from engine.cli.desk import Desk
from engine.cli.terminal import View

_PLACE: Final = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(\[\d+\])?-(?P<field>\d+)(\[\d+\])?(\.(?P<part>\d+))?"
)
_COLOURS: Final = {"mapped": "green", "complement": "yellow", "dropped": "red"}


@dataclass(frozen=True, slots=True)
class Loss:
    """What became of one leaf: `state` is mapped, complement or dropped; `why` is "" where nothing is to be said."""

    path: str
    name: str
    state: str
    why: str


def losses(report: Mapping[str, Any], version: str = "2.5.1") -> Sequence[Loss]:
    """Return the leaves of a report as `as_json` gives it: those that are lost first, each as its rule says."""
    warnings = dict(report["warnings"])
    return [
        *(Loss(path, name_of(path, version), "dropped", why) for path, why in report["dropped"]),
        *(_leaf(path, "complement", warnings, version) for path in report["opaque"]),
        *(_leaf(path, "mapped", warnings, version) for path in report["mapped"]),
    ]


def _leaf(path: str, state: str, warnings: Mapping[str, str], version: str) -> Loss:
    return Loss(path, name_of(path, version), state, warnings.get(path, ""))


def name_of(path: str, version: str = "2.5.1") -> str:
    """Return what the standard calls a place of HL7 v2, "" where nobody knows or it is of another format."""
    found = _PLACE.match(path)
    if found is None:
        return ""
    from engine.codecs.hl7v2.names import component_name, field_name, field_type

    place = found["segment"], int(found["field"])
    said = field_name(*place, version)
    part = component_name(field_type(*place, version), int(found["part"]), version) if found["part"] else ""
    return f"{said}, {part}" if said and part else said or part


def shares(found: Sequence[Loss]) -> Mapping[str, float]:
    """Return how many of the leaves each state has, as a share of 1."""
    total = len(found) or 1
    return {state: sum(each.state == state for each in found) / total for state in _COLOURS}


def view(found: Sequence[Loss]) -> View:
    """Return the report for programs."""
    return {
        "leaves": len(found),
        "shares": {state: round(share, 4) for state, share in shares(found).items()},
        "losses": [
            {"path": each.path, "name": each.name, "state": each.state, "why": each.why or None}
            for each in found
        ],
    }


def print_losses(desk: Desk, found: Sequence[Loss], *, only_lost: bool = False, margin: str = "") -> None:
    """Print the report as a table in the order of `losses`, without what is mapped if so asked, and the shares."""
    for line in _lines(desk, [each for each in found if each.state != "mapped" or not only_lost]):
        desk.terminal.line(margin + line)
    part = shares(found)
    desk.terminal.line(
        margin
        + desk.say(
            "{count} leaves: {mapped} mapped, {complement} in the complement, {dropped} dropped",
            count=len(found),
            **{state: f"{share:.0%}" for state, share in part.items()},
        )
    )


def _lines(desk: Desk, found: Sequence[Loss]) -> Iterator[str]:
    widths = [max((len(text) for text in column), default=0) for column in _columns(found)]
    for each in found:
        state = each.state.ljust(widths[2])
        if desk.terminal.colourful:
            state = click.style(state, fg=_COLOURS[each.state])
        yield f"{each.path.ljust(widths[0])}  {each.name.ljust(widths[1])}  {state}  {each.why}".rstrip()


def _columns(found: Sequence[Loss]) -> Sequence[Sequence[str]]:
    return [[each.path for each in found], [each.name for each in found], [each.state for each in found]]
