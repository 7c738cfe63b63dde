"""`passerelle hold` and `enable`: leave a partner alone until a moment; open an endpoint that said it was gone."""

from __future__ import annotations

import click

from engine.cli.desk import Desk, at_desk
from engine.cli.terminal import local


@click.command()
@click.argument("partner")
@click.option("--until", help="A time, or how long from now: 30m, 2h, 7d; without it until --release.")
@click.option("--release", is_flag=True, help="End the hold.")
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def hold(desk: Desk, partner: str, until: str | None, release: bool, reason: str | None) -> None:
    """Send a partner nothing until a moment: no attempt is spent, nobody is alerted."""
    if release and until:
        raise click.UsageError("--release ends a hold now; leave --until out")
    if release:
        view = desk.order("unhold", partner=partner, reason=reason)
        text = "let go: {name}" if view["was_held"] else "{name} was not held"
        said = desk.say(text, name=partner)
    else:
        view = desk.order("hold", partner=partner, until=until, reason=reason)
        end = local(view["held"]["until"])
        said = desk.say("held: {name} until {until}" if end else "held: {name}", name=partner, until=end)
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        desk.terminal.line(said)


@click.command()
@click.argument("endpoint", metavar="PARTNER.ENDPOINT")
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def enable(desk: Desk, endpoint: str, reason: str | None) -> None:
    """Open an endpoint that said it was gone (HTTP 410)."""
    view = desk.order("enable", endpoint=endpoint, reason=reason)
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        text = "enabled: {name}" if view["was_disabled"] else "{name} was not disabled"
        desk.terminal.line(desk.say(text, name=endpoint))
