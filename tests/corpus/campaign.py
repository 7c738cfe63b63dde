"""Send files through an engine: over one MLLP connection in, and out to two sinks and a folder."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.app import Engine, running
from engine.model import Disposition, State
from engine.store.protocol import DeliveryRow, Query, Store
from tests.corpus.standard import Answer, Head, answer, due, head

PATIENCE = 30.0
START, END = b"\x0b", b"\x1c\r"
CONFIG = """
engine: {{name: corpus}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
listen:
  all: {{mllp: 127.0.0.1:0, partner: hsj}}
  typed: {{mllp: 127.0.0.1:0, partner: hsj}}
partners:
  hsj: {{}}
  ris:
    endpoints:
      box: {{inbox: box, phi: full}}
      adt: {{mllp: "127.0.0.1:{adt}", timeouts: {{silence: 50ms}}, phi: full}}
      turn: {{mllp: "127.0.0.1:{turn}", acks: original, ack: {{match: in_turn, reason: it repeats no id}}, phi: full}}
"""
ROUTES = {
    "all": "route: all\nfrom: all\nto: [ris.box, ris.adt, ris.turn]\n",
    "typed": "route: typed\nfrom: typed\naccept: {types: [ADT, ORU]}\nto: [ris.box]\n",
}


def unframed(data: bytes) -> bytes:
    """Return a file's message without the frame that some files were recorded with."""
    return data[1:-2] if data.startswith(START) and data.endswith(END) else data


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Return the content of the next frame; an AssertionError where something else comes."""
    async with asyncio.timeout(PATIENCE):
        whole = await reader.readuntil(END)
    assert whole[:1] == START, "bytes outside of a frame"
    return whole[1:-2]


@dataclass(slots=True)
class Sink:
    """A partner that keeps every message as it came; `codes` says what it answers."""

    codes: Callable[[Head], Sequence[str]]
    port: int = 0
    received: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                content = (await reader.readuntil(END))[1:-2]
                self.received.append(content)
                read = head(content)
                for number, code in enumerate(self.codes(read)):
                    own = b"%d-%d" % (len(self.received), number)
                    text = b"MSH|^~\\&|RIS||||20260114||ACK|%b|P|2.5.1\rMSA|%b|%b\r"
                    writer.write(START + text % (own, code.encode(), read.control_id) + END)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def sink(codes: Callable[[Head], Sequence[str]]) -> AsyncIterator[Sink]:
    """Serve a sink on a port of its own."""
    made = Sink(codes)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, limit=2**26)
    async with server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One file, the answers that were due for it, and those that came."""

    name: str
    content: bytes
    read: Head
    due: tuple[str, ...]
    answers: tuple[Answer, ...]

    @property
    def right(self) -> bool:
        """Whether each answer has its code and its MSA-2, and each refusal its ERR."""
        return self.due == tuple(each.code for each in self.answers) and all(
            each.reference == self.read.control_id and each.explained == (each.code not in ("AA", "CA"))
            for each in self.answers
        )


async def send(
    address: str, files: Mapping[str, bytes], verdict: Callable[[bytes], str]
) -> Sequence[Exchanged]:
    """Send each file on ONE connection; an answer that is not due, or a closed connection, fails what follows."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    exchanged = []
    try:
        for name, data in files.items():
            content = unframed(data)
            read = head(content)
            expected = due(read, verdict(content))
            writer.write(START + content + END)
            answers = tuple([answer(await read_frame(reader)) for _ in expected])
            exchanged.append(Exchanged(name, content, read, expected, answers))
    finally:
        writer.close()
    return exchanged


@dataclass(frozen=True, slots=True)
class House:
    """A running engine, its doors by name, and its partner's sinks."""

    engine: Engine
    doors: Mapping[str, str]
    folder: Path
    adt: Sink
    turn: Sink

    async def settled(self) -> Sequence[DeliveryRow]:
        """Return all deliveries once each is at its end."""
        async with asyncio.timeout(60):
            while True:
                tally = await self.engine.store.tally()
                if not any(count for state, count in tally.states.items() if not state.terminal):
                    break
                await asyncio.sleep(0.02)  # the store tells nobody outside that it is done
        assert tally.conserved
        return await self.engine.store.deliveries(Query(limit=100_000))

    def boxed(self) -> list[bytes]:
        """Return what the folder keeps."""
        return [path.read_bytes() for path in (self.folder / "var/inbox/box").iterdir() if path.is_file()]


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[House]:
    """Run the engine in a folder: the door `all` brings everything everywhere, `typed` takes ADT and ORU."""
    (folder / "routes").mkdir()
    for name, text in ROUTES.items():
        (folder / f"routes/{name}.yaml").write_text(text)
    as_asked = sink(lambda read: due(read, "AA"))
    async with as_asked as adt, sink(lambda read: ("AA",)) as turn:
        (folder / "config.yaml").write_text(CONFIG.format(adt=adt.port, turn=turn.port))
        async with running(folder / "config.yaml") as engine:
            doors = {health.name: health.address for health in engine.supervisor.health()}
            yield House(engine, doors, folder, adt, turn)


@dataclass(frozen=True, slots=True)
class Passed:
    """What one campaign gave; `all` and `typed` are by door, the contents what left, in order but for the folder's.

    `kept` are dead letters by reason, with the bytes that an operator finds; `refused` the bytes of what was refused.
    """

    all: Sequence[Exchanged]
    typed: Sequence[Exchanged]
    rows: Sequence[DeliveryRow]
    adt: Sequence[bytes]
    turn: Sequence[bytes]
    box: Sequence[bytes]
    kept: Mapping[str, Sequence[bytes]]
    refused: Sequence[bytes]
    bugs: Sequence[str]
    restarts: int


async def passed(folder: Path, files: Mapping[str, bytes], unreadable: Collection[str]) -> Passed:
    """Send every file to both doors and wait until all is delivered or dead."""
    contents = {unframed(files[name]) for name in unreadable}

    def anything(content: bytes) -> str:
        return "AR" if content in contents else "AA"

    def typed(content: bytes) -> str:
        return "AA" if head(content).kind[:3] in (b"ADT", b"ORU") and content not in contents else "AR"

    async with house(folder) as here:
        to_all = await send(here.doors["all"], files, anything)
        rows = await here.settled()
        adt, turn, box = tuple(here.adt.received), tuple(here.turn.received), here.boxed()
        to_typed = await send(here.doors["typed"], files, typed)
        await here.settled()
        store, health = here.engine.store, here.engine.supervisor.health()
        kept: dict[str, list[bytes]] = {}
        for row in rows:
            if row.delivery.state is State.DEAD and row.open:
                kept.setdefault(row.delivery.reason, []).append(await raw(store, row.delivery.message))
        refusals = Query(dispositions=(Disposition.REFUSED,), limit=100_000)
        refused = [await raw(store, row.sequence) for row in await store.messages(refusals)]
        metrics = here.engine.metrics.render().decode()
        return Passed(
            to_all,
            to_typed,
            rows,
            adt,
            turn,
            box,
            kept,
            refused,
            bugs=[line for line in metrics.splitlines() if line.startswith("passerelle_bugs_total{")],
            restarts=sum(each.restarts for each in health),
        )


async def raw(store: Store, message: int) -> bytes:
    """Return a message as it came."""
    body = await store.body(message, "raw")
    assert body is not None
    return body.read()


def by_sender(contents: Iterable[bytes]) -> dict[tuple[bytes, bytes], list[bytes]]:
    """Return messages by their lane, in order: MSH-3 and MSH-4."""
    lanes: dict[tuple[bytes, bytes], list[bytes]] = {}
    for content in contents:
        lanes.setdefault(head(content).sender, []).append(content)
    return lanes


def codes_of(exchanged: Sequence[Exchanged]) -> Counter[str]:
    """Count the answers by MSA-1; `none` is a message that asked to hear nothing."""
    return Counter("+".join(each.code for each in one.answers) or "none" for one in exchanged)
