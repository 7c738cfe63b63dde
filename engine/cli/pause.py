"""`passerelle pause` and `resume`: stop sending for a route, a destination or an endpoint, and go on."""

from __future__ import annotations

import click

from engine.cli.desk import Desk, at_desk


def _subject(name: str) -> str:
    """Return what a name is of: `route`, `route/destination` or `partner.endpoint`."""
    if "/" in name:
        return "destination"
    return "endpoint" if "." in name else "route"


@click.command()
@click.argument("name", metavar="ROUTE|ROUTE/DESTINATION|PARTNER.ENDPOINT")
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def pause(desk: Desk, name: str, reason: str | None) -> None:
    """Stop sending for a route, one of its destinations or an endpoint, until `resume`; receiving goes on."""
    view = desk.order("pause", subject=_subject(name), name=name, reason=reason)
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        desk.terminal.line(desk.say("paused: {name}", name=name))


@click.command()
@click.argument("name", metavar="ROUTE|ROUTE/DESTINATION|PARTNER.ENDPOINT")
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def resume(desk: Desk, name: str, reason: str | None) -> None:
    """Go on after a pause."""
    view = desk.order("resume", subject=_subject(name), name=name, reason=reason)
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        text = "resumed: {name}" if view["was_paused"] else "{name} was not paused"
        desk.terminal.line(desk.say(text, name=name))
