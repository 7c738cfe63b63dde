"""`passerelle purge`: drop old content now, before retention does."""

from __future__ import annotations

import click

from engine.cli.desk import Desk, at_desk

_AT_ONCE = 1_000
"""Messages a call: the engine answers in time, and others' calls come between."""
_PATIENCE = 600.0
"""Seconds that one call may take on a slow disk."""


@click.command()
@click.option("--before", required=True, help="A time, or how long ago: 30d; what came before goes.")
@click.option("--reason", required=True, help="Why; kept in the journal.")
@at_desk
def purge(desk: Desk, before: str, reason: str) -> None:
    """Drop the content of messages older than a time, for good; rows, counts and the journal stay.

    A message whose deliveries have not all ended, or that is an open dead letter, keeps its content.
    """
    body = {"before": before, "limit": _AT_ONCE, "reason": reason}
    total = 0
    with desk.open() as caller:
        while count := caller.call("POST", "purge", body=body, patience=_PATIENCE)["purged"]:
            total += count
            desk.terminal.note(desk.say("{count} messages lost their content", count=total))
    if desk.as_json:
        desk.terminal.answer({"purged": total})
    elif not total:
        desk.terminal.note(desk.say("nothing to purge"))
