"""`passerelle backup` and `restore`: copy a consistent state while work goes on; start again from it, paused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
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
from engine.cli.terminal import View
from engine.clock import Clock, SystemClock
from engine.config.load import load_configuration
from engine.errors import Conflict, NotFound, StoreFailed
from engine.model import State
from engine.runtime.gates import Gates, Subject
from engine.store import open_store
from engine.store.protocol import DeliveryRow, Query, Store

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
    _put_in_place(folder, store)
    view = anyio.run(_awaken, store, reconcile)
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        _print(desk, view, reconcile=reconcile)
    return Exit.OK if view["sound"] else Exit.FAILED


def _print(desk: Desk, view: View, *, reconcile: bool) -> None:
    owed = view["would_send"]
    print_deliveries(desk, owed)
    say = desk.say
    desk.terminal.line(
        say("it would send {count} deliveries", count=len(owed)) if owed else say("it would send nothing")
    )
    if reconcile:
        print_reconciliation(desk, view["reconciliation"])
    text = "restored into {store}; routes are paused, resume each when ready"
    desk.terminal.line(say(text, store=view["store"]))


def _put_in_place(folder: Path, store: Path) -> None:
    """Copy the database and its body files to where the configuration wants them, synced.

    Raises:
        Conflict: a store is there already.
        NotFound: the folder holds no backup of a store of that name.
        StoreFailed: the disk refuses.
    """
    database = folder / store.name
    if not database.is_file():
        raise NotFound(f"{folder} holds no backup of {store.name}")
    if store.exists():
        raise Conflict(f"{store} exists: move it away first, with what stands beside it")
    store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        for name in sorted(path.name for path in folder.iterdir() if path != database):
            _copy(folder / name, store.parent / name)
        _copy(database, store)  # last: without it there is no store that could be opened half copied
        _sync(store.parent)
    except OSError as error:
        raise StoreFailed(f"the backup cannot be copied: {error.strerror}") from error


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir(mode=0o700)
        for path in sorted(source.iterdir()):
            _copy(path, target / path.name)
        _sync(target)
        return
    shutil.copyfile(source, target)
    target.chmod(0o600)
    _sync(target)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


async def _awaken(path: Path, reconcile: bool) -> View:
    """Open the copy, pause what owes something, and say what it would send."""
    clock = SystemClock()
    async with open_store(f"sqlite:{path}", clock=clock, must_exist=True) as store:
        found = await store.deliveries(Query(states=_UNFINISHED, limit=_MANY))
        owed = sorted(found, key=lambda row: row.delivery.sequence)
        paused = await _pause(store, clock, owed)
        control = Control(store, clock)
        view: View = {"store": str(path), "paused": paused, "sound": True}
        view["would_send"] = [views.delivery(row) for row in owed]
        if reconcile:
            call = Call(actor=user(os.getuid()), now_ms=clock.now_ms())
            view["reconciliation"] = await reconciled(control, call)
            view["chain"] = await verify(control, call)
            view["sound"] = view["reconciliation"]["conserved"] and view["chain"]["intact"]
        return view


_UNFINISHED = tuple(state for state in State if not state.terminal and state is not State.IN_FLIGHT)


async def _pause(store: Store, clock: Clock, owed: Sequence[DeliveryRow]) -> list[str]:
    gates = Gates(store.records, clock)
    routes = sorted({row.delivery.route for row in owed})
    for route in routes:
        await gates.pause(Subject.ROUTE, route, actor=user(os.getuid()), reason="restored")
    return routes
