"""The bare path: the least that a durable way through can do, as the yardstick of the same run.

    python -m bench.bare --sink PORT --store FILE [--concurrency 16] [--speech mllp]

Socket in, one row in a group commit (WAL, synchronous=FULL), the reply after it, socket out, one completion in a group
commit. No decoding, no mapping, no key, no journal, no order, no retry: nothing that makes an engine of it.
Prints its port and serves until it is ended.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import deque
from pathlib import Path
from typing import cast

import apsw
import uvloop

from bench.speech import SPEECHES, Speech


class Way:
    """Rows that wait for the next commit, and bodies that wait for a connection out."""

    def __init__(self, store: Path, speech: Speech) -> None:
        self.speech = speech
        self.db = apsw.Connection(str(store))
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=1000"):
            self.db.execute(f"PRAGMA {pragma}")
        self.db.execute("CREATE TABLE messages(id INTEGER PRIMARY KEY, body BLOB NOT NULL, done INTEGER)")
        self.arrived: list[tuple[Incoming, bytes]] = []
        self.completed: list[tuple[int]] = []
        self.idle: list[Outgoing] = []
        self.waiting: deque[tuple[int, bytes]] = deque()
        self.sequence = 0
        self._planned = False

    def plan(self) -> None:
        """Commit what has come together by the end of this turn of the loop."""
        if not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_soon(self._commit)

    def _commit(self) -> None:
        self._planned = False
        arrived, self.arrived = self.arrived, []
        completed, self.completed = self.completed, []
        rows = [(self.sequence + place, body) for place, (_, body) in enumerate(arrived, 1)]
        self.sequence += len(rows)
        self.db.execute("BEGIN IMMEDIATE")
        self.db.executemany("INSERT INTO messages(id, body) VALUES (?, ?)", rows)
        self.db.executemany("UPDATE messages SET done = 1 WHERE id = ?", completed)
        self.db.execute("COMMIT")
        for connection, body in arrived:
            connection.reply(body)
        self.waiting.extend(rows)
        self.send()

    def send(self) -> None:
        """Give what waits to connections that are free."""
        while self.waiting and self.idle:
            self.idle.pop().take(*self.waiting.popleft())


class Incoming(asyncio.Protocol):
    """A sender's connection."""

    def __init__(self, path: Way) -> None:
        self._path = path
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        request = self._path.speech.taken(self._buffer)
        if request is not None:
            self._path.arrived.append((self, bytes(request)))
            self._path.plan()

    def reply(self, request: bytes) -> None:
        """Answer: the row is committed."""
        assert self._transport is not None
        self._transport.write(self._path.speech.answer(request))


class Outgoing(asyncio.Protocol):
    """A connection to the sink, one message at a time."""

    def __init__(self, path: Way) -> None:
        self._path = path
        self._buffer = bytearray()
        self._sequence = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._path.idle.append(self)

    def take(self, sequence: int, request: bytes) -> None:
        """Send one."""
        assert self._transport is not None
        self._sequence = sequence
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._path.speech.taken(self._buffer) is not None:
            self._path.completed.append((self._sequence,))
            self._path.idle.append(self)
            self._path.plan()


async def serve(sink: int, store: Path, concurrency: int, speech: Speech) -> None:
    """Serve until the process is ended."""
    path = Way(store, speech)
    loop = asyncio.get_running_loop()
    for _ in range(concurrency):
        await loop.create_connection(lambda: Outgoing(path), "127.0.0.1", sink)
    server = await loop.create_server(lambda: Incoming(path), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sink", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--speech", choices=list(SPEECHES), default="http", help="on both sides")
    given = parser.parse_args()
    uvloop.run(serve(given.sink, given.store, given.concurrency, SPEECHES[given.speech]))


if __name__ == "__main__":
    main()
