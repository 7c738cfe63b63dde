"""`passerelle reconcile`: prove that nothing was lost (G2)."""

from __future__ import annotations

import click

from engine.cli.desk import Desk, at_desk
from engine.cli.exits import Exit
from engine.cli.terminal import View, Word


@click.command()
@click.option(
    "--since", default="7d", show_default=True, help="Counts per partner and day from this time on."
)
@at_desk
def reconcile(desk: Desk, since: str) -> int:
    """Add up what was created and what became of it; ends with 1 when it does not add up."""
    view = desk.ask("reconcile", since=since)
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        print_reconciliation(desk, view)
    return Exit.OK if view["conserved"] else Exit.FAILED


def print_reconciliation(desk: Desk, view: View) -> None:
    """Print conservation, states, and what each sender can compare with its own counts."""
    text = (
        "conserved: {created} created = {ended} ended + {unfinished} unfinished"
        if view["conserved"]
        else "NOT CONSERVED: {created} created, {ended} ended + {unfinished} unfinished"
    )
    ended = sum(view["states"].values()) - view["unfinished"]
    desk.terminal.line(desk.say(text, created=view["created"], ended=ended, unfinished=view["unfinished"]))
    desk.table(
        "Deliveries",
        ("state", "count"),
        [(Word(word), count) for word, count in view["states"].items() if count],
    )
    desk.table(
        "Messages",
        ("disposition", "count"),
        [(Word(word), count) for word, count in view["messages"].items() if count],
    )
    desk.table(
        "Partners by day",
        ("partner", "day", "disposition", "count"),
        [(row["partner"], row["day"], Word(row["disposition"]), row["count"]) for row in view["partners"]],
    )
