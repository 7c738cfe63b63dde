"""`passerelle tail`: follow what happens."""

from __future__ import annotations

import json

import click

from engine.audit.vocabulary import meaning
from engine.cli.desk import Desk, at_desk
from engine.cli.terminal import View, local


@click.command()
@click.option("--after", type=int, help="From this sequence of the journal on.")
@click.option("--all", "from_start", is_flag=True, help="From the journal's beginning.")
@at_desk
def tail(desk: Desk, after: int | None, from_start: bool) -> None:
    """Follow the journal: a line for everything that happens, with --json one object per line."""
    with desk.open() as caller:
        desk.terminal.note(desk.say("following; Ctrl-C ends it"))
        for row in caller.stream("tail", {"after": after, "all": from_start}):
            text = json.dumps(row, ensure_ascii=False) if desk.as_json else _told(desk, row)
            click.echo(text)


def _told(desk: Desk, row: View) -> str:
    what = meaning(row["action"], french=desk.say.french)
    message = f"message {row['message']}" if row["message"] else ""
    delivery = f"{desk.say('delivery')} {row['delivery']}" if row["delivery"] else ""
    told = [local(row["at"]), what, message, delivery, row["detail"] or "", row["actor"] or ""]
    return "  ".join(part for part in told if part)
