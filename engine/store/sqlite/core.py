"""What the facets of the store share: the writer and its groups, a reader, body files, and the disk's condition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import apsw

from engine.clock import Clock
from engine.errors import PasserelleError
from engine.store.sqlite.contents import Content
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.digests import Digests
from engine.store.sqlite.failure import Failure
from engine.store.sqlite.files import BodyFiles
from engine.store.sqlite.group import GroupCommit
from engine.store.sqlite.names import Names
from engine.store.sqlite.rows import Rows
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction

T = TypeVar("T")

READERS = 2

_COMMITTED = statements("ledger")["root"]


class Aside:
    """Threads that read, each on a connection of its own: a long search does not keep the counters waiting."""

    def __init__(self, open_reader: Callable[[], apsw.Connection]) -> None:
        self._free = SimpleQueue[apsw.Connection]()
        for _ in range(READERS):
            self._free.put(open_reader())
        self.threads = ThreadPoolExecutor(READERS, "store-read")

    def read(self, reading: Callable[[Runs], T]) -> T:
        """Run in one of the threads; there are as many connections as threads."""
        connection = self._free.get()
        try:
            return reading(connection)
        finally:
            self._free.put(connection)

    def close(self) -> None:
        """Wait for what is being read, then close the connections."""
        self.threads.shutdown()
        for _ in range(READERS):
            with suppress(apsw.Error):
                self._free.get().close()


@dataclass(slots=True)
class Core:
    """One open store. `tx` and `written` belong to the group's transaction, `reader` and `read` to the loop, `aside`
    to its threads. `backups` counts the backups that run, `doomed` are files that go when none does."""

    path: Path
    clock: Clock
    names: Names
    digests: Digests
    tx: Transaction
    written: Rows
    reader: apsw.Connection
    cursor: Runs
    read: Rows
    files: BodyFiles
    failure: Failure
    commit_ms: float
    pragmas: dict[str, str]
    blocking: ThreadPoolExecutor
    aside: Aside
    group: GroupCommit = field(init=False)
    backups: int = 0
    doomed: list[str] = field(default_factory=list)

    def look(self, reading: Callable[[], T]) -> T:
        """Read on the loop; what SQLite raises is translated."""
        try:
            return reading()
        except apsw.Error as error:
            raise self.failure.error_of(error, self.reader) from error

    async def look_aside(self, reading: Callable[[Runs], T]) -> T:
        """Read in a thread, on its own connection: for what may take long."""
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self.aside.threads, self.aside.read, reading
            )
        except apsw.Error as error:
            raise self.failure.error_of(error) from error

    async def block(self, work: Callable[[], T]) -> T:
        """Do what waits for the disk outside of the database in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.blocking, work)

    async def keep(self, contents: Sequence[Content], twin: str = "") -> list[Content]:
        """Write large content to files, synced, before its row can be committed; nothing where writing is over.

        `twin` is a body file with the same bytes as the first content.
        """
        self.failure.check(grows=True)
        kept = []
        try:
            for content in contents:
                if content.source is None:
                    kept.append(content)
                else:
                    path, digest = await self.block(partial(self.files.keep, content.source, twin))
                    twin = ""
                    known = digest if content.sha256 is not None else None
                    kept.append(content._replace(source=None, path=path, sha256=known))
        except PasserelleError:
            await self.drop(kept)
            raise
        return kept

    async def drop(self, contents: Sequence[Content]) -> None:
        """Remove the files of content whose rows did not come to be."""
        await self.drop_files([content.path for content in contents if content.path is not None])

    async def drop_files(self, paths: Sequence[str]) -> None:
        """Remove body files; a backup that runs keeps them until it is done."""
        if paths and self.backups:
            self.doomed.extend(paths)
        elif paths:
            await self.block(partial(self.files.drop, paths))

    def is_committed(self, commit: int) -> bool:
        """Whether a commit is in the database, asked through the reader."""
        return bool(self.look(lambda: self.cursor.execute(_COMMITTED, (commit,)).fetchall()))

    async def close(self) -> None:
        """Finish what waits, then close connections and threads."""
        await self.group.close()
        self.blocking.shutdown()
        self.aside.close()
        for connection in (self.reader, self.tx.connection):
            with suppress(apsw.Error):
                connection.close()
