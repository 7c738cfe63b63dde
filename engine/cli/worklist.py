"""`passerelle worklist`: the steps of a stored worklist, and building it anew from messages."""

from __future__ import annotations

import asyncio
import os

import click

from engine.api.problems import NotRunning
from engine.cli.calling import Where
from engine.cli.desk import Desk, at_desk
from engine.cli.exits import Exit
from engine.cli.terminal import View
from engine.clock import SystemClock
from engine.store import open_store

_PATIENCE = 3600.0
"""Seconds that a rebuild may take: a month of orders of a large hospital."""


@click.group()
def worklist() -> None:
    """Show a worklist, or build it anew."""


@worklist.command("list")
@click.argument("name")
@click.option("--all", "also_hidden", is_flag=True, help="Also steps that are not to be performed any more.")
@click.option("--limit", type=int, default=100, show_default=True, help="The most that is listed.")
@click.option("--offset", type=int, default=0, help="Page on: how many are passed over.")
@at_desk
def list_(desk: Desk, name: str, also_hidden: bool, limit: int, offset: int) -> int:
    """List the steps of a worklist by day and time, without a word about patients; ends with 3 when there is none."""
    view = desk.ask(f"worklists/{name}", all=also_hidden, limit=limit, offset=offset)
    found = view["steps"]
    if desk.as_json:
        desk.terminal.answer(view)
    elif not found:
        desk.terminal.note(desk.say("nothing is scheduled"))
    else:
        columns = ("day", "time", "modality", "station", "state", "accession", "step", "description")
        rows = [
            (_day(row["day"]), _moment(row["time"]), *(row[each] for each in columns[2:])) for row in found
        ]
        desk.table("Steps", columns, rows)
    return Exit.OK if found else Exit.NOTHING


def _day(text: str) -> str:
    """Return a day of DICOM (20261103) as 2026-11-03."""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else text


def _moment(text: str) -> str:
    """Return a time of DICOM (091500.5) as 09:15."""
    return f"{text[:2]}:{text[2:4]}" if len(text) >= 4 else text


@worklist.command("rebuild")
@click.argument("name")
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def rebuild(desk: Desk, name: str, reason: str | None) -> None:
    """Build a worklist anew from the messages that fed it; the old one is answered from until it is done.

    On a stopped store, too, which is then locked meanwhile.
    """
    try:
        with desk.engine() as engine:
            view = engine.call(
                "POST", f"worklists/{name}/rebuild", body={"reason": reason}, patience=_PATIENCE
            )
    except NotRunning:
        view = asyncio.run(_rebuilt(desk.where, name, reason or ""))
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        events, performed = view["events"], view["performed"]
        say, note = desk.say, desk.terminal.note
        note(
            say(
                "built anew: {events} events, {performed} performed steps",
                events=events,
                performed=performed,
            )
        )
        note(
            say(
                "kept: {retained}, unreadable: {unreadable}",
                retained=view["retained"],
                unreadable=view["unreadable"],
            )
        )


async def _rebuilt(where: Where, name: str, reason: str) -> View:
    """Build a worklist of a stopped store anew, as the configuration says what feeds it."""
    from engine.api.callers import user
    from engine.config.load import load_configuration
    from engine.runtime.worklists.projection import StoredWorklists
    from engine.runtime.worklists.rebuilding import feeds_of
    from engine.runtime.worklists.rebuilding import rebuild as build_anew

    loaded = load_configuration(where.config, env=where.env, environ=os.environ)
    clock = SystemClock()
    url = f"sqlite:{loaded.root / loaded.app.store.path}"
    async with open_store(url, clock=clock, must_exist=True) as store:
        worklists = StoredWorklists(store, clock)
        done = await build_anew(
            store, worklists, name, feeds_of(loaded, name), actor=user(os.getuid()), reason=reason
        )
    return {
        "worklist": name,
        "events": done.events,
        "performed": done.performed,
        "retained": done.retained,
        "unreadable": done.unreadable,
    }
