"""`passerelle map coverage MAPPER FILES|FOLDER...`: how much of real messages a mapper carries, and what it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.exits import Exit
from engine.cli.map.documents import Given, given
from engine.cli.map.finding import named
from engine.cli.terminal import View
from engine.errors import Rejected

if TYPE_CHECKING:
    from engine.cli.map.measuring import Coverage

_PATHS: Any = click.Path(exists=True, path_type=Path)
_MESSAGES = (".hl7", ".er7", ".txt", ".json")


@click.command()
@click.argument("mapper")
@click.argument("files", nargs=-1, required=True, type=_PATHS)
@click.option(
    "--top", type=click.IntRange(0), default=20, show_default=True, help="How many unmapped paths to list."
)
@click.option("--zone", default="UTC", show_default=True, help="Where times without an offset belong.")
@desk_options("config", "json", "lang")
def coverage(desk: Desk, mapper: str, files: tuple[Path, ...], top: int, zone: str) -> int:
    """Measure the share of leaves that MAPPER's event carries, that FHIR carries of those, that stay in the complement
    and that are dropped, by message type, and list the paths that are left most often.

    A folder stands for the messages below it. Messages of types that the mapper does not take are passed over; ends
    with 3 when none is left. What the mapper only writes (`compute:`) and what it drops by name is listed.
    """
    found = named(desk, mapper)
    paths = list(_files(files))
    kinds: dict[str, Coverage] = {}
    passed_over = 0
    with desk.terminal.progress("coverage", len(paths)) as advance:
        for path in paths:
            for each in _documents(path):
                kind = _kind(each)
                if each.side == "event" or (each.side == "v2" and kind not in found.messages):
                    passed_over += 1
                else:
                    _count(kinds, kind, found, each, zone)
            advance()
    if desk.as_json:
        views = {kind: _view(each, top) for kind, each in sorted(kinds.items())}
        one_way = [one._asdict() for one in found.definition.one_way()]
        told = {"mapper": found.name, "types": views, "passed_over": passed_over, "one_way": one_way}
        desk.terminal.answer(told)
    else:
        _print(desk, kinds, top)
        desk.table("One way", ("side", "path", "why"), list(found.definition.one_way()))
        if passed_over:
            desk.terminal.note(
                desk.say("{count} passed over: the mapper does not take them", count=passed_over)
            )
    return Exit.OK if kinds else Exit.NOTHING


def _files(given_paths: Sequence[Path]) -> Iterator[Path]:
    for path in given_paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.suffix.lower() in _MESSAGES)
        else:
            yield path


def _documents(path: Path) -> Sequence[Given]:
    try:
        return given(path, None)
    except Rejected:
        return ()  # what no codec reads is passed over like a message of another type


def _kind(document: Given) -> str:
    if document.side != "v2":
        return str(document.root.get("resourceType", "")) if isinstance(document.root, dict) else ""
    from engine.codecs.hl7v2.document import Hl7Document
    from engine.runtime.routing.accept import kind_of

    return kind_of(Hl7Document(document.root))


def _count(kinds: dict[str, Coverage], kind: str, mapper: Any, document: Given, zone: str) -> None:
    from engine.cli.map.measuring import Coverage, measure

    total = kinds.setdefault(kind, Coverage())
    try:
        total.add(measure(mapper, document.side, document.root, zone=zone))
    except Rejected:
        total.refused += 1


def _view(found: Coverage, top: int) -> View:
    return {
        "messages": found.messages,
        "refused": found.refused,
        "leaves": found.leaves,
        "event": round(found.share(found.event), 4),
        "fhir_of_event": round(found.share(found.fhir, found.event), 4),
        "complement": round(found.share(found.complement), 4),
        "dropped": round(found.share(found.dropped), 4),
        "byte_exact": found.whole,
        "byte_exact_over_fhir": found.across,
        "unmapped": [{"path": path, "count": count} for path, count in found.unmapped.most_common(top)],
    }


def _print(desk: Desk, kinds: dict[str, Coverage], top: int) -> None:
    from engine.cli.map.losses import name_of
    from engine.cli.map.measuring import Coverage

    total = Coverage()
    for each in kinds.values():
        total.add(each)
    rows = [*sorted(kinds.items()), *([("*", total)] if len(kinds) > 1 else [])]
    desk.table(
        "Coverage",
        (
            "message",
            "count",
            "leaves",
            "by the event",
            "of those by FHIR",
            "complement",
            "dropped",
            "byte-exact",
        ),
        [
            (
                kind,
                each.messages,
                each.leaves,
                f"{each.share(each.event):.1%}",
                f"{each.share(each.fhir, each.event):.1%}",
                f"{each.share(each.complement):.1%}",
                f"{each.share(each.dropped):.1%}",
                each.whole,
            )
            for kind, each in rows
        ],
    )
    desk.table(
        "Most often left",
        ("path", "name", "count"),
        [(path, name_of(path), count) for path, count in total.unmapped.most_common(top)],
    )
