"""`passerelle inbox`: what the engine's own inboxes hold."""

from __future__ import annotations

import click

from engine.cli.desk import Desk, at_desk
from engine.cli.exits import Exit
from engine.cli.terminal import View, local, octets


@click.command()
@click.argument("name", required=False)
@click.option("--after", help="Page on: the id of the last message seen.")
@click.option("--limit", type=int, default=50, show_default=True, help="The most that is listed.")
@at_desk
def inbox(desk: Desk, name: str | None, after: str | None, limit: int) -> int:
    """List the inboxes of a running engine, or the messages in one, oldest first; ends with 3 when there is none."""
    with desk.engine() as engine:
        if name:
            view = engine.call("GET", f"inboxes/{name}", {"after_id": after, "limit": limit})
        else:
            view = engine.call("GET", "inboxes")
    found = view["kept" if name else "inboxes"]
    if desk.as_json:
        desk.terminal.answer(view)
    elif not found:
        desk.terminal.note(desk.say("nothing is kept"))
    elif name:
        _print_one(desk, found, limit)
    else:
        _print_all(desk, found)
    return Exit.OK if found else Exit.NOTHING


def _print_all(desk: Desk, inboxes: list[View]) -> None:
    desk.table(
        "Inboxes",
        ("inbox", "messages", "newest", "folder"),
        [(row["inbox"], row["messages"], row["newest"], row["folder"]) for row in inboxes],
    )


def _print_one(desk: Desk, kept: list[View], limit: int) -> None:
    desk.table(
        "Messages",
        ("message", "kept", "size", "file"),
        [(row["message_id"], local(row["kept"]), octets(row["size"]), row["file"]) for row in kept],
    )
    if len(kept) == limit:
        desk.terminal.note(desk.say("more with --after {id}", id=kept[-1]["message_id"]))
