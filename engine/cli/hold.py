"""`passerelle hold` and `enable`: leave a partner or a delivery alone; open an endpoint that said it was gone."""

from __future__ import annotations

import click

from engine.cli.chosen import each, told
from engine.cli.desk import Desk, at_desk
from engine.cli.exits import Exit
from engine.cli.terminal import local


@click.command()
@click.argument("partner", required=False)
@click.option(
    "--delivery", "deliveries", type=int, multiple=True, help="One waiting delivery instead; may be repeated."
)
@click.option("--until", help="A time, or how long from now: 30m, 2h, 7d; without it until --release.")
@click.option("--release", is_flag=True, help="End the hold; a delivery that is parked goes on, too.")
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def hold(
    desk: Desk,
    partner: str | None,
    deliveries: tuple[int, ...],
    until: str | None,
    release: bool,
    reason: str | None,
) -> int:
    """Send a partner nothing until a moment, or hold single deliveries: no attempt is spent, nobody is alerted."""
    if bool(partner) == bool(deliveries):
        raise click.UsageError("name a partner, or --delivery")
    if release and until:
        raise click.UsageError("--release ends a hold now; leave --until out")
    if deliveries and until:
        raise click.UsageError("a delivery is held until --release; leave --until out")
    if deliveries:
        return _deliveries(desk, deliveries, "unhold" if release else "hold", reason)
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
    return Exit.OK


def _deliveries(desk: Desk, wanted: tuple[int, ...], action: str, reason: str | None) -> int:
    """Hold deliveries, or let them go; what is behind them in their lanes waits with them."""
    with desk.open() as caller:
        answers = each(desk, caller, wanted, f"deliveries/{{}}/{action}", {"reason": reason})
    return told(desk, "deliveries", answers, wanted, "delivery {delivery} is {state}", "{count} changed")


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
