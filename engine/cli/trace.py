"""`passerelle trace ID`: the timeline of one message."""

from __future__ import annotations

import click

from engine.audit.vocabulary import meaning
from engine.cli.desk import Desk, at_desk
from engine.cli.terminal import local


@click.command()
@click.argument("identifier", metavar="ID")
@at_desk
def trace(desk: Desk, identifier: str) -> None:
    """Show what happened to one message, over all its parts and destinations, in order of time."""
    view = desk.ask(f"messages/{identifier}/trace")
    if desk.as_json:
        desk.terminal.answer(view)
        return
    message = view["message"]
    desk.terminal.line(
        f"{message['id']} {desk.say(message['disposition'])} {message['listener']} {message['partner'] or ''}"
    )
    desk.table(
        "Timeline",
        ("at", "what", "delivery", "detail", "by"),
        [
            (
                local(row["at"]),
                meaning(row["what"], french=desk.say.french),
                row["delivery"],
                row["detail"],
                row["actor"],
            )
            for row in view["timeline"]
        ],
    )
