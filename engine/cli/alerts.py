"""`passerelle alerts`: what a human was told and is still so."""

from __future__ import annotations

import click

from engine.cli.desk import Desk, at_desk
from engine.cli.exits import Exit
from engine.cli.status import print_alerts


@click.command()
@at_desk
def alerts(desk: Desk) -> int:
    """List the alerts that are open; ends with 3 when there is none."""
    view = desk.ask("alerts")
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        print_alerts(desk, view["alerts"])
        if not view["alerts"]:
            desk.terminal.note(desk.say("no alert is open"))
    return Exit.OK if view["alerts"] else Exit.NOTHING
