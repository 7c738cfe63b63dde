"""`passerelle messages`: search messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from engine.cli.desk import Desk, at_desk
from engine.cli.exits import Exit
from engine.cli.terminal import Word, local


def search_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that narrow a search."""
    for option in reversed(_SEARCH):
        function = option(function)
    return function


_SEARCH = (
    click.option("--key", help="A business key, name=value: appointment=RDV-1001."),
    click.option("--partner", help="Messages from or for it; deliveries to its endpoints."),
    click.option("--endpoint", help="For partner.endpoint."),
    click.option("--route", help="Taken by this route."),
    click.option("--listener", help="Received at this door."),
    click.option("--state", help="Delivery states, separated by commas: dead,retrying."),
    click.option("--disposition", help="accepted, filtered, refused, duplicate, collision."),
    click.option("--since", help="A time, or how long ago: 30m, 2h, 7d."),
    click.option("--until", help="A time, or how long ago."),
    click.option("--before", type=int, help="Page on: the sequence of the last one seen."),
    click.option("--limit", type=int, default=50, show_default=True, help="The most that is listed."),
)


@click.command()
@search_options
@at_desk
def messages(desk: Desk, **query: Any) -> int:
    """Search messages, newest first; ends with 3 when nothing matches."""
    view = desk.ask("messages", **query)
    found = view["messages"]
    if desk.as_json:
        desk.terminal.answer(view)
        return Exit.OK if found else Exit.NOTHING
    desk.table(
        "Messages",
        ("message", "received", "listener", "partner", "disposition", "size"),
        [
            (
                row["id"],
                local(row["received"]),
                row["listener"],
                row["partner"],
                Word(row["disposition"]),
                row["size"],
            )
            for row in found
        ],
    )
    if not found:
        desk.terminal.note(desk.say("nothing matches"))
        return Exit.NOTHING
    if len(found) == query["limit"]:
        desk.terminal.note(desk.say("more with --before {sequence}", sequence=found[-1]["sequence"]))
    return Exit.OK
