"""`passerelle explain ROUTE FILE`: what a route would make of a message, step by step; no engine is needed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from engine.cli.changes import Change, Picture
from engine.cli.desk import Desk, desk_options
from engine.cli.exits import Exit
from engine.cli.explaining import Explained, Rehearsal
from engine.cli.hl7.files import PATH, stored_in
from engine.cli.terminal import View
from engine.cli.watching import Asked, Note, Served, Stepped
from engine.clock import SystemClock
from engine.config.formats import HL7
from engine.config.load import load_configuration
from engine.model import Fault


@click.command()
@click.argument("route")
@click.argument("file", type=PATH)
@click.option("--listener", help="The route's door that it comes through; its first one by default.")
@desk_options("config", "env", "json", "lang")
def explain(desk: Desk, route: str, file: Path, listener: str | None) -> int:
    """Show what ROUTE makes of the message in FILE: the document and what each step changes in it, which destinations
    are served and why, and what is lost on the way.

    Nothing is stored and nothing is sent; the project's files are enough. Values are shown as they are. Ends with 1
    when the route refuses the message, with 3 when it does not take such messages.
    """
    loaded = load_configuration(desk.where.config, env=desk.where.env, environ=os.environ)
    rehearsal = Rehearsal(loaded, SystemClock())
    door = rehearsal.door(route, listener)
    reader = rehearsal.reader(door, file)
    contents = [each.data for each in stored_in(file)] if reader == HL7 else [_content(file)]
    found = [rehearsal.explain(route, door, content, reader, file.name) for content in contents]
    if desk.as_json:
        views = [_view(each) for each in found]
        desk.terminal.answer({"route": route, "listener": door.listener, "messages": views})
    else:
        for each in found:
            _print(desk, f"{route} < {door.listener} {door.selector}".rstrip(), each)
    if any(each.refused and each.taken for each in found):
        return Exit.FAILED
    if all(each.taken for each in found):
        return Exit.OK
    return Exit.NOTHING if all(each.received for each in found) else Exit.FAILED


def _content(file: Path) -> bytes:
    return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()


# --------------------------------------------------------------------------- for programs


def _view(found: Explained) -> View:
    return {
        "kind": found.kind,
        "codec": found.codec,
        "taken": found.taken,
        "received": _text(found.received),
        "order_by": [key for key in (found.lane, *found.also) if key],
        "keys": [{"name": name, "value": value} for name, value in found.keys],
        "refused": [_fault(each) for each in found.refused],
        "steps": [_step_view(each) for each in found.notes if isinstance(each, Stepped)],
        "destinations": [
            {"destination": each.name, "at": each.place, "taken": each.taken, "when": each.when or None}
            for each in found.notes
            if isinstance(each, Asked)
        ],
        "deliveries": _deliveries(found),
    }


def _step_view(step: Stepped) -> View:
    return {
        "step": step.name,
        "at": step.place,
        "within": step.within or None,
        "documents": step.made,
        "told": dict(step.told),
        "changes": [{"path": each.path, "before": each.before, "after": each.after} for each in step.changes],
        "document": _text(step.picture),
        "losses": [dict(each) for each in step.losses],
        "faults": [_fault(each) for each in step.faults],
    }


def _deliveries(found: Explained) -> list[View]:
    left_out = {
        id(each.delivery): each.left_out for each in found.notes if isinstance(each, Served) and each.left_out
    }
    sizes = {each.role: each.body.size for each in found.routed.renderings} if found.routed else {}
    return [
        {
            "route": each.route,
            "destination": each.destination,
            "state": each.state.word,
            "reason": each.reason or None,
            "endpoints": [hop.endpoint for hop in each.chain],
            "content": each.chain[0].rendering,
            "bytes": sizes.get(each.chain[0].rendering),
            "expires": _moment(each.expire_ms),
            "version": each.version,
            "recalls": each.recalls,
            "left_out": [{"endpoint": name, "why": why} for name, why in left_out.get(id(each), ())],
        }
        for each in (found.routed.deliveries if found.routed else ())
    ]


def _moment(moment_ms: int | None) -> str | None:
    if moment_ms is None:
        return None
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat().replace("+00:00", "Z")


def _fault(fault: Fault) -> View:
    return {"path": fault.path, "text": fault.text, "code": fault.code}


def _text(picture: Picture | None) -> str | None:
    return None if picture is None else "\n".join(picture.lines())


# --------------------------------------------------------------------------- for people


def _print(desk: Desk, title: str, found: Explained) -> None:
    kind = found.kind or found.codec
    _line(desk, f"{title}  {kind}", bold=True)
    _document(desk, found.received)
    keys = [key for key in (found.lane, *found.also) if key]
    if keys:
        desk.terminal.line(desk.say("ordered by {keys}", keys=", ".join(keys)))
    for note in found.notes:
        _note(desk, note)
    _end(desk, found)
    desk.terminal.line()


def _note(desk: Desk, note: Note) -> None:
    if isinstance(note, Stepped):
        inside = f"{note.within}: " if note.within else ""
        _line(desk, f"{note.place}  {inside}{note.name}  {_verdict(desk, note)}", fg="cyan")
        for name, text in note.told.items():
            desk.terminal.line(f"    {name} = {text}")
        _changes(desk, note.changes)
        _document(desk, note.picture)
        for report in note.losses:
            _losses(desk, report)
        _faults(desk, note.faults)
    elif isinstance(note, Asked):
        taken = desk.say("taken") if note.taken else desk.say("not taken")
        why = f": {note.when}" if note.when else ""
        _line(desk, f"{note.place}  -> {note.name}  {taken}{why}", fg="green" if note.taken else "yellow")
    else:
        for name, why in note.left_out:
            desk.terminal.line("    " + desk.say("not {endpoint}: {why}", endpoint=name, why=why))


def _verdict(desk: Desk, step: Stepped) -> str:
    if step.faults:
        return desk.say("refuses it")
    if step.made == 0:
        return desk.say("filtered out")
    if step.made > 1:
        return desk.say("{count} documents", count=step.made)
    if step.picture is not None:
        return desk.say("a new document")
    return desk.say("{count} changes", count=len(step.changes)) if step.changes else desk.say("unchanged")


def _changes(desk: Desk, changes: Sequence[Change]) -> None:
    for change in changes:
        desk.terminal.line(f"    {change.path}")
        for sign, text, colour in (("-", change.before, "red"), ("+", change.after, "green")):
            for line in (text or "").split("\n") if text is not None else ():
                _line(desk, f"      {sign} {line}", fg=colour)


def _document(desk: Desk, picture: Picture | None) -> None:
    for line in picture.lines() if picture else ():
        desk.terminal.line(f"    {line}")


def _losses(desk: Desk, report: Mapping[str, Any]) -> None:
    """Tell what a two-way mapper could not carry; what it carried is in the document above."""
    from engine.cli.map.losses import losses, print_losses

    if remark := report.get("remark"):
        desk.terminal.line(f"    {remark}")
    if "mapped" in report:
        print_losses(desk, losses(report), only_lost=True, margin="    ")


def _faults(desk: Desk, faults: Sequence[Fault]) -> None:
    for fault in faults:
        _line(desk, f"    {fault.path}: {fault.text}" if fault.path else f"    {fault.text}", fg="red")


def _end(desk: Desk, found: Explained) -> None:
    """Tell what is delivered where, or what the sender is told."""
    if found.refused:
        if not any(isinstance(each, Stepped) and each.faults for each in found.notes):
            _faults(desk, found.refused)
        text = "not taken by this route"
        if found.taken:
            text = (
                "a dead letter: its sender is answered well"
                if found.rejection.positive
                else "its sender is refused"
            )
        desk.terminal.line(desk.say(text))
        return
    desk.table(
        "Deliveries",
        ("route", "destination", "state", "reason", "endpoints", "content", "size", "expires"),
        [
            (
                row["route"],
                row["destination"],
                row["state"],
                row["reason"],
                row["endpoints"],
                row["content"],
                row["bytes"],
                row["expires"],
            )
            for row in _deliveries(found)
        ],
    )
    if found.stored:
        desk.terminal.note(desk.say("its sender is answered before this: acknowledge: stored"))
    if found.waits:
        desk.terminal.note(desk.say("its sender waits for the destination's answer, which is not known here"))
    if found.memory:
        desk.terminal.note(desk.say("what answers of partners taught is not known here: memory is empty"))


def _line(desk: Desk, text: str, *, fg: str | None = None, bold: bool = False) -> None:
    desk.terminal.line(click.style(text, fg=fg, bold=bold) if desk.terminal.colourful else text)
