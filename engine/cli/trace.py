"""`passerelle trace ID`: the timeline of one message."""

from __future__ import annotations

import click

from engine.audit.vocabulary import meaning
from engine.cli.desk import Desk, at_desk
from engine.cli.show import print_reports
from engine.cli.terminal import View, local


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
        f"{message['id']} {desk.say.word(message['disposition'])} {message['listener']} {message['partner'] or ''}"
    )
    desk.table(
        "Timeline",
        ("at", "what", "delivery", "detail", "by"),
        [
            (
                local(row["at"]),
                _what(desk, row["what"]),
                row["delivery"],
                _detail(desk, row),
                row["actor"],
            )
            for row in view["timeline"]
        ],
    )
    print_reports(desk, view["losses"])


def _what(desk: Desk, what: str) -> str:
    return desk.say("attempt") if what == "attempt" else meaning(what, french=desk.say.french)


def _detail(desk: Desk, row: View) -> str:
    """Return a row's detail; a settlement's begins with a word of state."""
    word, colon, rest = (row["detail"] or "").partition(":")
    return f"{desk.say.word(word)}{colon}{rest}" if row["what"] == "settle" else row["detail"] or ""
