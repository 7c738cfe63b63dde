"""`passerelle inject ROUTE FILE...`: hand files to a route as if they had been received."""

from __future__ import annotations

import base64
from pathlib import Path

import click

from engine.cli.desk import Desk, at_desk
from engine.cli.exits import Exit
from engine.cli.terminal import View


@click.command()
@click.argument("route")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--content-type", help="Media type; by default what the listener or the file's name says.")
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def inject(
    desk: Desk, route: str, files: tuple[Path, ...], content_type: str | None, reason: str | None
) -> int:
    """Hand files to a route; ends with 1 when one of them is refused."""
    answers: list[View] = []
    with desk.engine() as engine, desk.terminal.progress("inject", len(files)) as advance:
        for file in files:
            body = {
                "route": route,
                "content": base64.b64encode(file.read_bytes()).decode(),
                "content_type": content_type,
                "file": file.name,
                "reason": reason,
            }
            answers.append({"file": str(file), **engine.call("POST", "inject", body=body)})
            advance()
    if desk.as_json:
        desk.terminal.answer({"injected": answers})
    else:
        _print(desk, answers)
    return Exit.FAILED if any(each["disposition"] == "refused" for each in answers) else Exit.OK


def _print(desk: Desk, answers: list[View]) -> None:
    for each in answers:
        desk.terminal.line(f"{each['file']}: {desk.say.word(each['disposition'])} {each['id']}")
        for fault in each.get("faults", ()):
            desk.terminal.line(f"  {fault['path']}: {fault['text']}")
