"""`passerelle hl7 validate FILE...`: judge messages by HL7's own structures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.exits import Exit
from engine.cli.hl7.files import PATH, Stored, stored_in
from engine.cli.terminal import Advance, View


@click.command()
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--warnings", is_flag=True, help="Show warnings, too: mostly values that no table of HL7 has.")
@click.option("--charset", default="", help="Character set, where MSH-18 does not say it or lies.")
@desk_options("json", "lang")
def validate(desk: Desk, files: tuple[Path, ...], warnings: bool, charset: str) -> int:
    """Judge messages by the structures of their version; ends with 1 when one is against them.

    hl7apy does it, 5 s at most for a message. Its known faults are listed in
    the guide to these tools: what it says is a hint, not a verdict.
    """
    import asyncio

    stored = [each for path in files for each in stored_in(path)]
    with desk.terminal.progress("validate", len(stored)) as advance:
        views = asyncio.run(_judged(stored, charset, advance))
    for view in views:
        view["findings"] = [each for each in view["findings"] if warnings or each["severity"] == "error"]
    if desk.as_json:
        desk.terminal.answer({"messages": views})
    else:
        _print(desk, views)
    well = not any(each["severity"] == "error" for view in views for each in view["findings"])
    return Exit.OK if well else Exit.FAILED


async def _judged(stored: Sequence[Stored], charset: str, advance: Advance) -> list[View]:
    from engine.codecs.hl7v2.reading import parse
    from engine.errors import Rejected
    from engine.runtime.routing.structure import Finding, Structures

    structures = Structures()
    views: list[View] = []
    for each in stored:
        try:
            found = await structures.findings(parse(each.data, charset))
        except Rejected as error:
            found = (Finding("error", "", str(error)),)
        views.append(
            {
                "place": each.place,
                "findings": [{"severity": one.severity, "path": one.path, "text": one.text} for one in found],
            }
        )
        advance()
    return views


def _print(desk: Desk, views: Sequence[View]) -> None:
    for view in views:
        for each in view["findings"]:
            desk.terminal.line(f"{view['place']}: {each['severity']}: {each['path']} {each['text']}".rstrip())
