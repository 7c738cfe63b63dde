"""`passerelle hl7 show FILE...`: a message as a tree with the names of its fields, its values masked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.exits import Exit
from engine.cli.hl7.files import PATH, Stored, stored_in
from engine.cli.terminal import View

if TYPE_CHECKING:
    from engine.cli.hl7.tree import Branch
    from engine.codecs.hl7v2.message import Er7


@click.command()
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--clear", is_flag=True, help="Show values as they are; without it they are masked.")
@click.option("--charset", default="", help="Character set, where MSH-18 does not say it or lies.")
@desk_options("json", "lang")
def show(desk: Desk, files: tuple[Path, ...], clear: bool, charset: str) -> int:
    """Show messages as trees, each value with its path and the name of its field.

    FILE may hold one message, a batch, or frames as they travel by MLLP; `-` is standard input. Values are masked
    (`Xxxxx` is shown as `xxxxx`, digits as `9`), but for types, codes and counters that tell of nobody.
    """
    views: list[View] = []
    for stored in (each for path in files for each in stored_in(path)):
        message, version = _parsed(stored, charset)
        view, segments = _view(stored, message, version, clear=clear)
        views.append(view)
        if not desk.as_json:
            _print(desk, view, segments, clear=clear)
    if desk.as_json:
        desk.terminal.answer({"messages": views})
    return Exit.OK if views else Exit.NOTHING


def _parsed(stored: Stored, charset: str) -> tuple[Er7, str]:
    from engine.codecs.hl7v2.header import header
    from engine.codecs.hl7v2.reading import parse

    return parse(stored.data, charset), header(stored.data, charset).version


def _view(stored: Stored, message: Er7, version: str, *, clear: bool) -> tuple[View, Sequence[Branch]]:
    from engine.cli.hl7.tree import branches

    segments = branches(message, version or "2.5.1")
    fields = message.find("MSH")
    view: View = {
        "file": stored.file,
        "number": stored.number,
        "place": stored.place,
        "type": fields[8] if len(fields) > 8 else "",
        "control_id": fields[9] if len(fields) > 9 else "",
        "version": version,
        "bytes": len(stored.data),
        "charset": message.codec or "ascii",
        "charset_trouble": message.charset_trouble,
        "masked": not clear,
        "segments": [
            {
                "segment": branch.path,
                "fields": [
                    {"path": leaf.path, "name": leaf.name, "value": leaf.shown(clear=clear)}
                    for leaf in branch.leaves
                ],
            }
            for branch in segments
        ],
    }
    return view, segments


def _print(desk: Desk, view: View, segments: Sequence[Branch], *, clear: bool) -> None:
    from engine.cli.hl7.tree import shortened

    title = f"{view['type']}  {view['control_id']}  {view['version']}  {view['charset']}, {view['bytes']} B"
    desk.terminal.line(_styled(desk, f"{title}  ({view['place']})", bold=True))
    if view["charset_trouble"]:
        desk.terminal.line(f"  {view['charset_trouble']}")
    for branch in segments:
        desk.terminal.line(_styled(desk, branch.path, fg="cyan"))
        width = min(24, max((len(leaf.path) for leaf in branch.leaves), default=0))
        for leaf in branch.leaves:
            value = shortened(leaf.shown(clear=clear))
            name = _styled(desk, f"  {leaf.name}", dim=True) if leaf.name else ""
            desk.terminal.line(f"  {leaf.path.ljust(width)}  {value}{name}")
    desk.terminal.line()


def _styled(desk: Desk, text: str, **style: bool | str) -> str:
    """Return the text in colour on a terminal, as it is elsewhere."""
    if not desk.terminal.colourful:
        return text
    return click.style(
        text, fg=str(style["fg"]) if "fg" in style else None, bold="bold" in style, dim="dim" in style
    )
