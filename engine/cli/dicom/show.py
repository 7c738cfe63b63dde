"""`passerelle dicom show FILE...`: the attributes of an instance with their names, its values masked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.dicom.instances import PATH, files_in
from engine.cli.exits import Exit
from engine.cli.hl7.tree import shortened
from engine.cli.terminal import View, octets

if TYPE_CHECKING:
    from engine.codecs.dicom.dumping import Attribute


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH, metavar="FILE|FOLDER...")
@click.option("--clear", is_flag=True, help="Show values as they are; without it they are masked.")
@click.option(
    "--path", "wanted", multiple=True, metavar="PATH",
    help="Only this attribute, as PatientID or (0010,0020); may be said again.",
)  # fmt: skip
@desk_options("json", "lang")
def show(desk: Desk, paths: tuple[Path, ...], clear: bool, wanted: tuple[str, ...]) -> int:
    """Show instances attribute by attribute, each with its path; pixel data is not read.

    Values are masked (`Xxxxx` is shown as `xxxxx`, digits as `9`), but for those that the confidentiality profile of
    DICOM leaves alone because they tell of nobody.
    """
    found = files_in(paths)
    views: list[View] = []
    with desk.terminal.progress("show", len(found)) as advance:
        for path in found:
            view, lines = _view(path, wanted, clear=clear)
            views.append(view)
            if not desk.as_json:
                _print(desk, view, lines)
            advance()
    if desk.as_json:
        desk.terminal.answer({"instances": views})
    return Exit.OK if views else Exit.NOTHING


def _view(path: Path, wanted: tuple[str, ...], *, clear: bool) -> tuple[View, list[Attribute]]:
    from engine.cli.dicom.attributes import shown_value
    from engine.codecs.dicom.dumping import attributes
    from engine.codecs.dicom.grammar import places
    from engine.codecs.dicom.instances import open_instance
    from engine.codecs.dicom.source import Source
    from engine.errors import MalformedMessage

    tags = {places(text)[0].tag for text in wanted}
    try:
        instance = open_instance(Source.of(path))
        lines = list(attributes(instance, tags))
    except MalformedMessage as error:
        raise MalformedMessage(f"{path}: {error}", position=error.position) from None
    view: View = {
        "file": str(path),
        "bytes": instance.file.size,
        "transfer_syntax": instance.transfer_syntax,
        "masked": not clear,
        "attributes": [
            {"path": line.path, "name": line.name, "vr": line.vr, "value": shown_value(line, clear=clear)}
            for line in lines
        ],
    }
    return view, lines


def _print(desk: Desk, view: View, lines: list[Attribute]) -> None:
    from engine.codecs.dicom.values import shown

    syntax = view["transfer_syntax"]
    desk.terminal.line(f"{view['file']}  {syntax}, {octets(view['bytes'])}")
    for line, told in zip(lines, view["attributes"], strict=True):
        name = f"  {line.name}" if line.name else ""
        margin = "  " * (line.depth + 1)
        desk.terminal.line(f"{margin}{shown(line.tag)} {line.vr}  {shortened(told['value'])}{name}")
    desk.terminal.line()
