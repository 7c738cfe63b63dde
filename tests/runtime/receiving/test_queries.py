"""Senders that wait, over real sockets: a query by MLLP to an MLLP peer, and a request by HTTP to a webhook."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from engine.app import Engine, running
from engine.model import State
from engine.store.protocol import Query
from tests.runtime.receiving.project import write

QUERY = (
    b"MSH|^~\\&|ADT1|HSJ|PASSERELLE|HSJ|20261102090000-0500||QBP^Q22^QBP_Q21|HSJ000006|P|2.5.1\r"
    b"QPD|Q22^Find Candidates^HL7|Q1|@PID.3.1^0001234\rRCP|I\r"
)
ANSWER = (
    b"MSH|^~\\&|INDEX|HSJ|ADT1|HSJ|20261102090001-0500||RSP^K22^RSP_K21|IDX000001|P|2.5.1\r"
    b"MSA|AA|HSJ000006\rQAK|Q1|OK\rQPD|Q22^Find Candidates^HL7|Q1|@PID.3.1^0001234\r"
    b"PID|1||0001234^^^HSJ^MR||Tremblay^Zoe||19800101|F\r"
)
"""Source: HL7 v2.5.1 3.3.57 (QBP^Q22, RSP^K22), 5.4.1, 2.15.8 (MSA-2 is the query's MSH-10)."""

MLLP = """
listen:
  pdq: {{mllp: 127.0.0.1:0, partner: hsj}}
partners:
  hsj: {{endpoints: {{index: {{mllp: "127.0.0.1:{port}", phi: full}}}}}}
"""
PDQ = """
route: pdq
from: pdq
accept: {types: QBP^Q22}
acknowledge: {delivered: 3s, timeout: AE}
to: [{endpoint: hsj.index, retry: none, timeout: 1s}]
"""
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def framed(message: bytes) -> bytes:
    return b"\x0b" + message + b"\x1c\x0d"


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    whole = await reader.readuntil(b"\x1c\x0d")
    return whole[1:-2]


@asynccontextmanager
async def listening(peer: Peer) -> AsyncIterator[int]:
    """Serve one peer on a port of its own and give the port."""
    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def asking(folder: Path, peer: Peer, route: str = PDQ) -> AsyncIterator[tuple[Engine, str]]:
    """Run an engine between us and a peer; give it and the address of its door."""
    async with listening(peer) as port:
        write(folder, {"config.yaml": MLLP.format(port=port), "routes/pdq.yaml": route})
        async with running(folder / "config.yaml") as engine:
            (door,) = engine.supervisor.health()
            yield engine, door.address


async def ask(address: str, message: bytes = QUERY) -> bytes:
    """Send one message and return the one frame that is answered."""
    host, _, port = address.rpartition(":")
    with anyio.fail_after(30):
        reader, writer = await asyncio.open_connection(host, int(port), limit=2**21)
        try:
            writer.write(framed(message))
            return await read_frame(reader)
        finally:
            writer.close()


async def test_a_query_is_answered_with_the_partners_own_answer(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def index(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read_frame(reader))
        writer.write(framed(ANSWER))
        await reader.read()
        writer.close()

    async with asking(tmp_path, index) as (engine, address):
        assert await ask(address) == ANSWER
        (row,) = await engine.store.deliveries(Query(route="pdq"))
        assert (asked, row.delivery.state) == ([QUERY], State.DELIVERED)


async def test_a_copy_of_a_query_is_answered_again_and_asked_once(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def index(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read_frame(reader))
        writer.write(framed(ANSWER))
        await reader.read()
        writer.close()

    async with asking(tmp_path, index) as (_, address):
        assert [await ask(address), await ask(address)] == [ANSWER, ANSWER]
        assert asked == [QUERY]


async def test_a_large_answer_is_given_whole_and_given_again(tmp_path: Path) -> None:
    large = ANSWER + b"".join(b"PID|%d||%09d^^^HSJ^MR\r" % (each, each) for each in range(10_000))
    asked: list[bytes] = []

    async def index(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read_frame(reader))
        writer.write(framed(large))
        await reader.read()
        writer.close()

    async with asking(tmp_path, index) as (_, address):
        assert [await ask(address), await ask(address)] == [large, large]
        assert (len(large) > 256 * 1024, asked) == (True, [QUERY])


@pytest.mark.parametrize("code", ["AE", "AR"])
async def test_a_query_without_an_answer_in_time_is_told_so(tmp_path: Path, code: str) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    route = PDQ.replace("3s, timeout: AE", f"300ms, timeout: {code}")
    async with asking(tmp_path, silent, route) as (_, address):
        lines = (await ask(address)).split(b"\r")
        assert lines[1].split(b"|")[:3] == [b"MSA", code.encode(), b"HSJ000006"]
