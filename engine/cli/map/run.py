"""`passerelle map run MAPPER FILE`: what a mapper makes of a file, or what it loses on the way."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.exits import Exit
from engine.cli.hl7.files import PATH
from engine.cli.map.documents import SIDES, Given, given, scope_of, shown, written
from engine.cli.map.finding import named
from engine.cli.terminal import View

if TYPE_CHECKING:
    from engine.mapping.two_way import TwoWayMapper

_SIDE = click.Choice(SIDES)
_OUT: Any = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("mapper")
@click.argument("file", type=PATH)
@click.option("--from", "source", type=_SIDE, help="Side of FILE; by default what its content looks like.")
@click.option(
    "--to", "target", type=_SIDE, help="Side to make; by default the event, from an event the other."
)
@click.option(
    "--complement", type=PATH, help="What an earlier run kept with --keep: the side comes back whole."
)
@click.option(
    "--scope",
    type=PATH,
    help="JSON with meta, sender and partner: what computed values read beside the event.",
)
@click.option("--keep", type=_OUT, metavar="FILE", help="Write what the event does not carry into a file.")
@click.option("--report", is_flag=True, help="Print what became of each leaf instead of the document.")
@click.option("--zone", default="UTC", show_default=True, help="Where times without an offset belong.")
@click.option("--charset", default="", help="Character set of HL7, where MSH-18 does not say it or lies.")
@desk_options("config", "json", "lang")
def run(
    desk: Desk,
    mapper: str,
    file: Path,
    source: str | None,
    target: str | None,
    complement: Path | None,
    scope: Path | None,
    keep: Path | None,
    report: bool,
    zone: str,
    charset: str,
) -> int:
    """Print what MAPPER makes of FILE: an event's data, a FHIR document or an HL7 message.

    MAPPER is a name or a file. With --report, the path and name of each leaf that FILE has, whether the event carries
    it, the complement keeps it or it is dropped, and why; values are not shown there. HL7 goes to another program as
    it travels, to a terminal with a segment a line.
    """
    found = named(desk, mapper)
    documents = given(file, source, charset)
    if (complement or keep) and len(documents) != 1:
        raise click.UsageError("a complement belongs to one document, and this file has several")
    target = target or _other(found, documents[0].side)
    kept = None if complement is None else _read_complement(complement)
    views: list[View] = []
    for each in documents:
        work = _Work(found, each, target, zone, scope)
        views.append(work.report_view(desk) if report else work.document_view(desk, kept, keep))
    if desk.as_json:
        _print_json({"documents": views})
    return Exit.OK


def _other(mapper: TwoWayMapper, source: str) -> str:
    """Return the side that is meant where nobody says it."""
    if source != "event":
        return "event"
    others = sorted(mapper.sides - {"event"})
    if len(others) != 1:
        raise click.UsageError(f"{mapper.name} leads to {' and '.join(others)}: say --to")
    return others[0]


class _Work:
    """One document on its way."""

    def __init__(
        self, mapper: TwoWayMapper, document: Given, target: str, zone: str, scope: Path | None
    ) -> None:
        for side in (document.side, target):
            if side not in mapper.sides:
                told = ", ".join(sorted(mapper.sides))
                raise click.UsageError(f"{mapper.name} has no side {side}: its sides are {told}")
        self._mapper = mapper
        self._document = document
        self._target = target
        self._zone = zone
        self._scope = scope

    def document_view(self, desk: Desk, kept: dict[str, Any] | None, keep: Path | None) -> View:
        """Print what is made, and write the complement where it is asked for."""
        data, complement = self._data()
        if keep is not None:
            _write_complement(keep, complement)
        root: Any = data
        if self._target != "event":
            from engine.clock import SystemClock
            from engine.ids import IdSource

            new_id = IdSource(SystemClock()).next
            kind = self._mapper.event_type(data)
            scope = scope_of(self._scope, self._document.envelope, new_id(), kind)
            root = self._mapper.put(self._target, data, kept, zone=self._zone, new_id=new_id, scope=scope)
        made = written(self._target, root)
        if not desk.as_json:
            _print_document(self._target, made)
        return {
            "file": self._document.place,
            "from": self._document.side,
            "to": self._target,
            "type": self._mapper.event_type(data) or None,
            "document": made.decode("utf-8", "replace") if self._target == "v2" else root,
        }

    def report_view(self, desk: Desk) -> View:
        """Print what became of each leaf."""
        from engine.cli.map.losses import losses, print_losses, view

        side = self._document.side
        if side == "event":
            raise click.UsageError("an event is what a mapper carries: --report reads HL7 or FHIR")
        decoded = self._mapper.get(side, self._document.root, zone=self._zone)
        found = losses(decoded.report.as_json())
        if not desk.as_json:
            print_losses(desk, found)
        return {"file": self._document.place, "from": side, **view(found)}

    def _data(self) -> tuple[dict[str, Any], Any]:
        """Return the event's data, and what they do not say."""
        root = self._document.root
        if self._document.side == "event":
            if not isinstance(root, dict):
                raise click.UsageError(f"{self._document.place}: an event's data is a JSON object")
            return root, None
        decoded = self._mapper.get(self._document.side, root, zone=self._zone)
        return decoded.data, decoded.complement


def _read_complement(path: Path) -> dict[str, Any]:
    from engine.codecs.json.reading import read_json

    found = read_json(path.read_bytes())
    if not isinstance(found, dict) or "mapper" not in found:
        raise click.UsageError(f"{path} holds no complement: make one with --keep")
    return found


def _write_complement(path: Path, complement: Any) -> None:
    from engine.codecs.json.writing import write_json

    if complement is None:
        raise click.UsageError("an event has no complement: --keep reads HL7 or FHIR")
    path.write_bytes(write_json(complement) + b"\n")


def _print_document(side: str, made: bytes) -> None:
    if side == "v2" and not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write(made)
        sys.stdout.buffer.flush()
        return
    print(shown(side, made))


def _print_json(view: View) -> None:
    """Print with numbers as they are spelled, which the standard library would round."""
    from engine.codecs.json.writing import write_json

    print(write_json(view).decode())
