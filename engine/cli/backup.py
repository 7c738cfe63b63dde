"""`passerelle backup` and `restore`: copy a consistent state while work goes on; start again from it, paused."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import anyio
import click

from engine.api import views
from engine.api.callers import user
from engine.api.calls import Call
from engine.api.control import Control
from engine.api.following import verify
from engine.api.reading import reconcile as reconciled
from engine.cli.desk import Desk, at_desk, desk_options
from engine.cli.exits import Exit
from engine.cli.reconcile import print_reconciliation
from engine.cli.show import print_deliveries
from engine.cli.staging import staged
from engine.cli.terminal import View
from engine.clock import Clock, SystemClock
from engine.config.load import load_configuration
from engine.model import State
from engine.runtime.sending.gates import Gates, Subject
from engine.store import open_store
from engine.store.protocol import Query, Store

_MANY = 5_000


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def backup(desk: Desk, folder: Path, reason: str | None) -> None:
    """Copy a consistent state, content included, into a new folder while work goes on."""
    body = {"folder": str(folder.absolute()), "reason": reason}
    with desk.open() as caller:
        view = caller.call("POST", "backup", body=body, patience=600.0)
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        desk.terminal.line(desk.say("backup in {folder}", folder=view["folder"]))


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--reconcile", is_flag=True, help="Add up the restored counts and walk the chain; ends with 1 if wrong."
)
@desk_options("config", "env", "json", "lang")
def restore(desk: Desk, folder: Path, reconcile: bool) -> int:
    """Put a backup in the place of the store, which must not be there any more.

    Every route that owes something is paused, and what it would send is listed: resume each when its partners are
    ready for what they may have received already. The journal opens a new epoch of its chain.
    """
    loaded = load_configuration(desk.where.config, env=desk.where.env, environ=os.environ)
    store = loaded.root / loaded.app.store.path
    with staged(folder, store) as copy:
        view = anyio.run(_awaken, copy, reconcile)
    view["store"] = str(store)
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        _print(desk, view, reconcile=reconcile)
    return Exit.OK if view["sound"] else Exit.FAILED


def _print(desk: Desk, view: View, *, reconcile: bool) -> None:
    print_deliveries(desk, view["would_send"])
    say, owed = desk.say, view["owed"]
    desk.terminal.line(
        say("it would send {count} deliveries", count=owed) if owed else say("it would send nothing")
    )
    if reconcile:
        print_reconciliation(desk, view["reconciliation"])
    text = "restored into {store}; routes are paused, resume each when ready"
    desk.terminal.line(say(text, store=view["store"]))


async def _awaken(path: Path, reconcile: bool) -> View:
    """Open the copy, pause what owes something, and say what it would send: `owed` counts it, `would_send` lists it."""
    clock = SystemClock()
    async with open_store(f"sqlite:{path}", clock=clock, must_exist=True) as store:
        # By the counters, not by the list: that one is bounded, and what it leaves out must not be sent either.
        waiting = {key: count for key, count in (await store.tally()).routes.items() if not key[1].terminal}
        paused = await _pause(store, clock, {route for route, _ in waiting})
        found = await store.deliveries(Query(states=_UNFINISHED, limit=_MANY))
        control = Control(store, clock)
        view: View = {"paused": paused, "sound": True, "owed": sum(waiting.values())}
        view["would_send"] = [
            views.delivery(row) for row in sorted(found, key=lambda row: row.delivery.sequence)
        ]
        if reconcile:
            call = Call(actor=user(os.getuid()), now_ms=clock.now_ms())
            view["reconciliation"] = await reconciled(control, call)
            view["chain"] = await verify(control, call)
            view["sound"] = view["reconciliation"]["conserved"] and view["chain"]["intact"]
        return view


_UNFINISHED = tuple(state for state in State if not state.terminal and state is not State.IN_FLIGHT)


async def _pause(store: Store, clock: Clock, owing: Iterable[str]) -> list[str]:
    gates = Gates(store.records, clock)
    routes = sorted(owing)
    for route in routes:
        await gates.pause(Subject.ROUTE, route, actor=user(os.getuid()), reason="restored")
    return routes
