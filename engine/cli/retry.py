"""`passerelle retry`: do not wait for the next attempt."""

from __future__ import annotations

import click

from engine.cli.chosen import MOST, chosen, each, told
from engine.cli.desk import Desk, at_desk


@click.command()
@click.argument("deliveries", nargs=-1, type=int, metavar="[DELIVERY]...")
@click.option("--endpoint", help="All that wait for another attempt at this endpoint.")
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def retry(desk: Desk, deliveries: tuple[int, ...], endpoint: str | None, reason: str | None) -> int:
    """Make waiting deliveries due now: their place in the lane, their budget and their id stay."""
    with desk.open() as caller:
        wanted = chosen(
            deliveries,
            endpoint,
            lambda name: caller.call(
                "GET", "deliveries", {"endpoint": name, "state": "retrying", "limit": MOST}
            )["deliveries"],
        )
        answers = each(desk, caller, wanted, "deliveries/{}/retry", {"reason": reason})
    return told(desk, "retried", answers, wanted, "due now: delivery {delivery}", "{count} due now")
