"""A stage: one engine on one folder, traffic of every kind around it, and one fault after the other.

The engine is a fork of a nursery, killed where a point is armed and started again on the same folder, so that each
kill's leftovers are the next start's beginning. At the end everything must have arrived.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiormq
from aiormq.abc import AbstractChannel

from tests.channels.dicom.archive import Archive
from tests.crash.changes import Operator, Platform
from tests.crash.changes_checker import Journals
from tests.crash.checker import Report, check, read_sent, read_store, read_tried
from tests.crash.child import READY
from tests.crash.clinic import Clinic
from tests.crash.hook import FIRED
from tests.crash.mllp import MllpConnection
from tests.crash.nursing import Forked, Nursery, nursery
from tests.crash.project import Broker, Ports, write_full_project
from tests.crash.receiver import Receiver, listening
from tests.crash.sender import LARGE_BYTES, Connection, Order, Sender, Unanswered
from tests.peers.ports import free_port
from tests.power.shim import Control, Word, environment

CASE_SECONDS = 60.0
DRAIN_SECONDS = 90.0
TICK = 0.004


class Unreached(Exception):
    """A point was not reached, or the engine died elsewhere; the text quotes its log."""


class Stage:
    """What scenarios work with; `staged()` sets it up."""

    def __init__(self, folder: Path, broker: Broker, relay: int, rng: random.Random) -> None:
        self.folder = folder
        self.rng = rng
        self.ports = Ports(
            free_port(),
            free_port(),
            clinic=free_port(),
            feed=free_port(),
            echo=free_port(),
            images=free_port(),
            web=free_port(),
            archive=free_port(),
        )
        self.ports_of_scratch = Ports(free_port(), self.ports.receiver)
        self.dying = False
        """Whether the engine's death is wanted although it is not the armed one."""
        self.broker = broker
        self.relay = relay
        self.config = write_full_project(folder, self.ports, broker, relay)
        self.sender = Sender(
            self.ports.engine, folder / "sender.journal", connections=3, rng=rng, large_share=0.15
        )
        self.receiver = Receiver(folder / "receiver.journal", rng=rng)
        self.clinic = Clinic(folder / "clinic.journal", rng=rng)
        self.archive = Archive(port=self.ports.archive)
        self.platform = Platform(self.ports.engine, rng)
        self.operator = Operator(folder / "var/passerelle.sock", rng)
        self.control = Control(folder / "control")
        self.count = folder / "count"
        self.faults = 0
        self.files = 0
        self.queued: set[int] = set()
        self.number = 0
        self.environ: dict[str, str] = {}
        self.engine: Forked | None = None
        self.enough = asyncio.Event()
        self.closed = asyncio.Event()
        """Set once the operator has nothing to do any more."""
        self.sending: list[asyncio.Task[None]] = []
        self.operating: list[asyncio.Task[None]] = []
        self.nursery: Nursery
        self.queue: AbstractChannel

    # ------------------------------------------------------------- faults

    async def strike(self, point: str, hit: int, scenario: Callable[[Stage], Awaitable[None]]) -> None:
        """Arm a point and play the scenario until it fired."""
        self.arm(point, hit)
        await self.restart()
        deadline = time.monotonic() + CASE_SECONDS
        while not self.fired():
            if time.monotonic() > deadline:
                raise Unreached(
                    f"{point} was not hit {hit} times within {CASE_SECONDS:.0f} s\n{self._said()}"
                )
            await scenario(self)
        self.faults += 1
        self.arm("", 0)

    def arm(self, point: str, hit: int) -> None:
        """Arm a point of the code by the environment of what is started next, one of SQLite by the shim."""
        self.count.unlink(missing_ok=True)
        self.count.with_name(f"{self.count.name}.{FIRED}").unlink(missing_ok=True)
        self.control.clear()
        self.environ = {"FAULT_POINT": point, "FAULT_HIT": str(hit), "FAULT_COUNT": str(self.count)}
        if point.startswith("sqlite:"):
            _, file, kind, when = point.split(":")
            place = 2 * ("wal", "database").index(file) + ("write", "fsync").index(kind)
            self.control[Word.KILL_AT] = hit
            self.control[Word.KILL_SITE] = 1 + 2 * place + (when == "after")

    def fired(self) -> bool:
        """Say whether the armed fault happened."""
        marked = self.count.with_name(f"{self.count.name}.{FIRED}").exists()
        return marked or (self.control[Word.KILL_SITE] > 0 and self.control[Word.FIRED] > 0)

    # ------------------------------------------------------------- the engine

    async def restart(self) -> None:
        """Kill the engine where it runs and start it, armed as the stage is; returns when it is ready or dead."""
        await self.end(signal.SIGKILL)
        self.engine = await self.nursery.fork(
            "run", "--config", str(self.config), log=self.folder / "engine.log", environ=self.environ
        )
        await self.until(self._ready, "the engine was ready")

    async def end(self, number: signal.Signals) -> None:
        """Signal the engine and wait for its end."""
        if self.engine is not None:
            self.engine.signal(number)
            async with asyncio.timeout(DRAIN_SECONDS):
                await asyncio.shield(self.engine.ended)

    def _ready(self) -> bool:
        assert self.engine is not None
        if self.engine.status is not None:
            if not self.fired() and not self.dying:
                raise Unreached(
                    f"the engine ended with {self.engine.status} while it started\n{self._said()}"
                )
            return True
        return self.engine.log.exists() and READY in self.engine.said()

    def alive(self) -> bool:
        """Say whether the engine runs; Unreached when it died without its fault."""
        if self.engine is None or self.engine.status is None:
            return self.engine is not None
        if not self.fired():
            raise Unreached(f"the engine ended with {self.engine.status} by itself\n{self._said()}")
        return False

    async def verb(
        self,
        *argv: str,
        config: Path | None = None,
        limit: float = 30.0,
        environ: Mapping[str, str] | None = None,
    ) -> int | None:
        """Run a verb, armed as the stage is, for at most `limit` seconds; return its exit code, None when cut."""
        armed = self.environ if environ is None else environ
        child = await self.nursery.fork(
            *argv, "--config", str(config or self.config), log=self.folder / "verbs.log", environ=armed
        )
        try:
            async with asyncio.timeout(limit):
                return await asyncio.shield(child.ended)
        except TimeoutError:
            child.signal(signal.SIGKILL)
            await child.ended
            return None

    # ------------------------------------------------------------- traffic

    async def traffic(self, seconds: float = 0.3) -> None:
        """Hand in one of everything, and wait a moment, or until the fault."""
        self.number += 1
        self._drop_file(f"m{self.number:05}", b'{"n": %d}' % self.number)
        self.files += 1
        self._drop_file(f"bad{self.number:05}", b"{")
        await self._publish(b'{"n": %d}' % self.number, self.number)
        await self._publish(b"{", None)
        await self._post(f"n{self.number}")
        await self._expect(f"e{self.number}")
        await self._feed(f"f{self.number}")
        await self.moment(seconds)

    async def moment(self, seconds: float) -> None:
        """Let traffic flow, at most until the engine is dead."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.alive() and not self.fired():  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(TICK)

    def _drop_file(self, name: str, content: bytes) -> None:
        draft = self.folder / "in" / f".{name}.draft"
        if not draft.parent.exists():
            return
        draft.write_bytes(content)
        draft.rename(draft.with_name(f"{name}.json"))

    async def _publish(self, body: bytes, number: int | None) -> None:
        await self.queue.basic_publish(
            body, exchange="", routing_key=self.broker.incoming,
            properties=aiormq.spec.Basic.Properties(
                content_type="application/json", message_id=f"q{number or self.rng.random()}"
            ),
        )  # fmt: skip
        if number is not None:
            self.queued.add(number)

    async def publish_large(self) -> None:
        """Publish a message of 200 kB that nobody counts."""
        body = b'{"n": 0, "pad": "' + b"x" * 200_000 + b'"}'
        await self._publish(body, None)

    async def _post(self, name: str) -> None:
        line = Connection(self.ports.engine, "/v1/notices")
        try:
            await line.post(Order(name, 0))
        except Unanswered:
            pass  # this one is not insisted on: the orders are
        finally:
            line.close()

    async def _feed(self, name: str) -> None:
        line = MllpConnection(self.ports.feed)
        try:
            async with asyncio.timeout(1):
                await line.post(Order(name, 0))
        except (Unanswered, TimeoutError):
            pass  # nor on this one
        finally:
            line.close()

    async def _expect(self, name: str) -> None:
        """Post with `Expect: 100-continue`, as some clients do for large bodies."""
        writer: asyncio.StreamWriter | None = None
        body = Order(name, 0, LARGE_BYTES).body()
        head = (
            f"POST /v1/notices HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"idempotency-key: {name}\r\nexpect: 100-continue\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.ports.engine)
            writer.write(head.encode())
            async with asyncio.timeout(1):
                await reader.readuntil(b"\r\n\r\n")
            writer.write(body)
            await writer.drain()
        except (OSError, EOFError, TimeoutError):
            pass  # this one is not insisted on either
        finally:
            if writer is not None:
                writer.transport.abort()

    # ------------------------------------------------------------- the end

    async def settle(self) -> None:
        """Let everything arrive, and stop in order."""
        self.arm("", 0)
        await self.restart()
        self.enough.set()
        await asyncio.gather(*self.sending)
        await self.until(self._all_taken, "every file was taken")
        self.closed.set()
        await asyncio.gather(*self.operating)
        await self._until_drained()
        await self.end(signal.SIGTERM)
        assert self.engine is not None and self.engine.status == 0, self._said()

    def _all_taken(self) -> bool:
        self.alive()
        return not list((self.folder / "in").glob("*.json"))

    async def _until_drained(self) -> None:
        """Ask the engine itself: a copy of the files of a store that is written to is not one state of it."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while await self.operator.release() or await self.operator.unfinished():
            if time.monotonic() > deadline:
                raise Unreached(f"deliveries did not end\n{self._said()}")
            await asyncio.sleep(0.1)

    @property
    def database(self) -> Path:
        return self.folder / "var/passerelle.db"

    async def report(self) -> Report:
        """Compare the three journals of the orders; the engine is stopped."""
        conserved = await self.verb("reconcile", environ={}) == 0
        self.sender.sync()
        return check(
            read_sent(self.folder / "sender.journal"),
            read_tried(self.folder / "receiver.journal"),
            await asyncio.to_thread(read_store, self.database),
            conserved=conserved,
            faults=self.faults,
        )

    async def journals(self) -> Journals:
        """Return what became of the messages that changed on their way; the engine is stopped."""
        store = await asyncio.to_thread(read_store, self.database)
        return Journals(
            self.platform.accepted,
            self.clinic.seen,
            store.duties,
            self.operator.asked,
            self.operator.confirmed,
        )

    async def arrived_in_queue(self) -> set[int]:
        """Return the numbers of what came out at the broker."""
        found: set[int] = set()
        if not self.queued:
            return found
        while True:
            got = await self.queue.basic_get(self.broker.outgoing, no_ack=True)
            if isinstance(got.delivery, aiormq.spec.Basic.GetEmpty):
                return found
            found.add(json.loads(got.body)["n"])

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; real time, since the engine has a clock of its own."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise Unreached(f"after {DRAIN_SECONDS:.0f} s not yet: {what}\n{self._said()}")
            await asyncio.sleep(TICK)

    def _said(self) -> str:
        log = self.folder / "engine.log"
        return log.read_text()[-3000:] if log.exists() else ""


@asynccontextmanager
async def staged(
    folder: Path, broker: Broker, relay: int, library: Path, rng: random.Random
) -> AsyncIterator[Stage]:
    """Set a stage up, its traffic running; `settle` before the block ends."""
    (folder / "var").mkdir(parents=True)
    stage = Stage(folder, broker, relay, rng)
    connection = await aiormq.connect(broker.url)
    stage.queue = await connection.channel()
    shim = environment(library, folder / "var", control=stage.control)
    try:
        async with (
            nursery(shim) as stage.nursery,
            listening(stage.receiver, stage.ports.receiver),
            listening(stage.clinic, stage.ports.clinic),
        ):
            await stage.archive.open()
            await stage.restart()
            async with asyncio.TaskGroup() as group:
                for sender in (stage.sender, stage.platform):
                    stage.sending.append(group.create_task(sender.run(stage.enough)))
                stage.operating.append(group.create_task(stage.operator.run(stage.platform, stage.closed)))
                try:
                    yield stage
                finally:
                    for task in (*stage.sending, *stage.operating):
                        task.cancel()
            await stage.end(signal.SIGKILL)
    finally:
        await stage.archive.close()
        await connection.close()
        stage.sender.close()
        stage.control.close()
