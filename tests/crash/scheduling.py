"""A radiology department's orders under fire: a scheduler that insists on every order, and the worklist that is left.

The scheduler sends orders, changes, cancellations and merges over MLLP, each until it is acknowledged, while the engine
is killed. Afterwards the worklist must say what the acknowledged messages said, and be the same when it is built anew.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from engine.clock import SystemClock
from engine.config.load import load_configuration
from engine.runtime.worklists.projection import StoredWorklists
from engine.runtime.worklists.rebuilding import feeds_of, rebuild
from engine.spi import Narrow
from engine.store.protocol import Query
from engine.store.sqlite.store import open_sqlite
from tests.crash.child import Child, await_ready
from tests.crash.forking import Forks
from tests.peers.ports import free_port

_CONFIG = """\
engine: {{name: crash, zone: America/Toronto}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
listen:
  ris: {{mllp: "127.0.0.1:{port}", partner: ris, zone: America/Toronto}}
partners:
  ris: {{}}
  radiology: {{endpoints: {{worklist: {{worklist: radiology, phi: full, keep: 36500d}}}}}}
"""
_ROUTE = (
    'route: orders\nfrom: ris\naccept: {types: ["ORM^O01"]}\norder_by: msg.ORC-2.1\n'
    "steps: [{map: {mapper: imaging-order, to: event}}]\nto: [radiology.worklist]\n"
)
_ORDERS = 12


@dataclass(slots=True)
class Told:
    """What was acknowledged: the last control that says whether each order stands, and how many messages."""

    last: dict[int, str] = field(default_factory=dict)
    count: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is left: `wrong` orders that the worklist shows and should not, or the other way round."""

    messages: int
    kills: int
    wrong: list[int]
    live: list[tuple[str, ...]]
    anew: list[tuple[str, ...]]
    waiting: int


def campaign(folder: Path, forks: Forks, *, kills: int, between: int, seed: int) -> Verdict:
    """Kill the engine again and again while orders come."""
    port, dice, told = free_port(), random.Random(seed), Told()
    (folder / "routes").mkdir()
    (folder / "routes" / "orders.yaml").write_text(_ROUTE)
    (folder / "config.yaml").write_text(_CONFIG.format(port=port))
    child = forks.child(folder / "config.yaml")
    child.start()
    try:
        await_ready(child)
        for turn in range(kills + 1):
            for number in range(between):
                _insist(port, child, told, dice, last=turn < kills and number == between - 1)
        _drained(child)
        child.stop()
    finally:
        child.end()
    return asyncio.run(_judged(folder, told, child.kills))


def _insist(port: int, child: Child, told: Told, dice: random.Random, *, last: bool) -> None:
    """Send one message until it is acknowledged; `last` kills the engine once its bytes are on their way."""
    number, control = dice.randrange(_ORDERS), dice.choice(["NW", "XO", "XO", "CA"])
    told.count += 1
    message = _message(number, control, told.count)
    killed = not last
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
                line.sendall(b"\x0b" + message + b"\x1c\x0d")
                if not killed:
                    killed = True
                    child.kill()
                    child.start()
                    await_ready(child)
                answer = b""
                while not answer.endswith(b"\x1c\x0d"):
                    piece = line.recv(65_536)
                    if not piece:
                        raise ConnectionError
                    answer += piece
        except OSError:
            continue
        assert b"MSA|AA" in answer
        if control != "XO" or number not in told.last:  # a change brings no cancelled order back
            told.last[number] = control
        return


def _message(number: int, control: str, count: int) -> bytes:
    at = f"202611020{8 + count // 3600 % 2}{count // 60 % 60:02}{count % 60:02}-0500"
    obr = "|".join(
        ["OBR", "1", f"P{number}^DME", f"F{number}^RIS", "CT^CT^L", *[""] * 13, f"A{number}", f"RP{number}"]
    )
    return (
        f"MSH|^~\\&|RIS|CHUM|PACS|IMG|{at}||ORM^O01|C{count}|P|2.3.1\r"
        f"PID|1||PAT{number}^^^HOSP^MR||Nom{number}^Prenom\r"
        f"ORC|{control}|P{number}^DME|F{number}^RIS||||^^^20261103{8 + count % 10:02}0000-0500\r"
        f"{obr}\r"
    ).encode()


def _drained(child: Child) -> None:
    """Return once nothing waits for the worklist."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not child.ask("reconcile")["unfinished"]:
            return


async def _judged(folder: Path, told: Told, kills: int) -> Verdict:
    loaded = load_configuration(folder / "config.yaml", environ={})
    clock = SystemClock()
    async with open_sqlite(folder / "var" / "passerelle.db", clock=clock) as store:
        worklists = StoredWorklists(store, clock)
        shown = await store.worklists.steps("radiology", Narrow(), limit=1000)
        visible = {int(row.content.partition('"A')[2].partition('"')[0]) for row in shown}
        wanted = {number for number, control in told.last.items() if control != "CA"}
        live = await _all(store)
        await rebuild(store, worklists, "radiology", feeds_of(loaded, "radiology"), actor="test", reason="")
        anew = await _all(store)
        waiting = [
            row for row in await store.deliveries(Query(limit=10_000)) if not row.delivery.state.terminal
        ]
    return Verdict(told.count, kills, sorted(visible ^ wanted), live, anew, len(waiting))


async def _all(store: object) -> list[tuple[str, ...]]:
    rows = await store.worklists.steps("radiology", Narrow(hidden=True), limit=1000)  # type: ignore[attr-defined]  # a store
    return sorted((row.state, row.day, row.moment, row.content) for row in rows)
