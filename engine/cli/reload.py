"""`passerelle reload [ROUTE]`: take changed files in while messages flow."""

from __future__ import annotations

import click

from engine.cli.desk import Desk, at_desk
from engine.cli.terminal import View


@click.command()
@click.argument("route", required=False)
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def reload(desk: Desk, route: str | None, reason: str | None) -> None:
    """Take changed files in, all or one route's; a failure keeps what runs, says why and ends with 2."""
    view = desk.order("reload", route=route, reason=reason)
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        changes = told_changes(view)
        desk.terminal.line(
            desk.say("reloaded: {changes}", changes=changes) if changes else desk.say("nothing has changed")
        )


def told_changes(view: View) -> str:
    """Return what a reload changed in one line, "" for nothing: `routes +a ~b, endpoints -c.d`."""
    parts = []
    for kind, change in view.items():
        names = [
            f"{mark}{name}"
            for mark, how in (("+", "added"), ("-", "removed"), ("~", "changed"))
            for name in change[how]
        ]
        if names:
            parts.append(f"{kind} {' '.join(names)}")
    return ", ".join(parts)
