"""The store on SQLite: opened, checked, put together, and closed."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import apsw

from engine.audit.vocabulary import Action
from engine.clock import Clock
from engine.errors import NotFound, StoreFailed
from engine.store.protocol import Health
from engine.store.sqlite import connection as connections
from engine.store.sqlite.archive import SqliteArchive
from engine.store.sqlite.backup import COPIED, back_up
from engine.store.sqlite.core import Aside, Core
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.digests import SECRET_BYTES, Digests
from engine.store.sqlite.disk import BALLAST_BYTES, Ballast, probe, space
from engine.store.sqlite.failure import Failure
from engine.store.sqlite.files import BodyFiles
from engine.store.sqlite.group import GroupCommit
from engine.store.sqlite.instances import SqliteInstances
from engine.store.sqlite.journal import SqliteJournal
from engine.store.sqlite.names import Names
from engine.store.sqlite.place import Lock, refuse_network
from engine.store.sqlite.queue import SqliteQueue
from engine.store.sqlite.rebuilding import SqliteRebuilding
from engine.store.sqlite.records import SqliteRecords, SqliteRoster
from engine.store.sqlite.rows import Rows
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction
from engine.store.sqlite.worklist import SqliteWorklists

_SQL = statements("ledger")
_KNOWN_PATHS = statements("purge")["known-paths"]

FAST_COMMIT_MS = 1.0
"""Below it COMMIT on the loop is faster than a thread that has to be woken for it."""


class SqliteStore(SqliteQueue, SqliteArchive):
    """`engine.store.protocol.Store` on SQLite; `open_sqlite` makes one."""

    def __init__(self, core: Core, vfs: str | None) -> None:
        super().__init__(core)
        self._vfs = vfs
        self._journal = SqliteJournal(core)
        self._records = SqliteRecords(core)
        self._roster = SqliteRoster(core)
        self._instances = SqliteInstances(core)
        self._worklists = SqliteWorklists(core)
        self._rebuilding = SqliteRebuilding(core)

    @property
    def journal(self) -> SqliteJournal:
        return self._journal

    @property
    def records(self) -> SqliteRecords:
        return self._records

    @property
    def roster(self) -> SqliteRoster:
        return self._roster

    @property
    def instances(self) -> SqliteInstances:
        return self._instances

    @property
    def worklists(self) -> SqliteWorklists:
        return self._worklists

    @property
    def rebuilding(self) -> SqliteRebuilding:
        return self._rebuilding

    async def health(self) -> Health:
        core = self._core
        left = space(core.path.parent)
        full = not core.failure.recovered()
        return Health(
            writable=not core.failure.ended and not full,
            free_bytes=left.free_bytes,
            free_share=left.free_share,
            commit_ms=core.commit_ms,
            detail=core.failure.detail,
            pragmas=core.pragmas,
        )

    async def backup(self, target: Path) -> None:
        await back_up(self._core, target, self._vfs)


@asynccontextmanager
async def open_sqlite(
    path: Path,
    *,
    clock: Clock,
    must_exist: bool = False,
    ballast_bytes: int = BALLAST_BYTES,
    vfs: str | None = None,
    fast_commit_ms: float = FAST_COMMIT_MS,
) -> AsyncIterator[SqliteStore]:
    """Open a store, creating it where allowed; close it on the way out.

    Raises:
        NotFound: it does not exist and must.
        StoreLocked: another process holds it.
        StoreRefused: this place or file can hold no store.
        StoreFailed: the disk refuses a write or an fsync.
        StoreCorrupt: the database is damaged.
    """
    connections.assert_version()
    path = _place(path, must_exist)
    with ExitStack() as stack:
        lock = Lock(path.with_name(path.name + ".lock"))
        stack.callback(lock.release)
        commit_ms = probe(path.with_name(path.name + ".probe"))
        ballast = Ballast(path.with_name(path.name + ".ballast"), ballast_bytes)
        failure = Failure(ballast, clock)
        try:
            writer = connections.open_writer(path, vfs)
            connections.quick_check(writer, path)
            core = _core(path, writer, clock, failure, commit_ms, vfs, fast_commit_ms)
        except apsw.Error as error:
            raise failure.error_of(error) from error
        failure.full = not ballast.hold()
        store = SqliteStore(core, vfs)
        try:
            await _begin(core)
            yield store
        finally:
            await core.close()


def _place(path: Path, must_exist: bool) -> Path:
    """Return the absolute path, its folder made and looked at."""
    path = path.absolute()
    if must_exist and not path.exists():
        raise NotFound(f"there is no store at {path}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreFailed(f"{path.parent}: the store's folder cannot be made: {error.strerror}") from error
    refuse_network(path.parent)
    return path


def _core(
    path: Path,
    writer: apsw.Connection,
    clock: Clock,
    failure: Failure,
    commit_ms: float,
    vfs: str | None,
    fast_commit_ms: float,
) -> Core:
    files = BodyFiles(path.with_name(path.name + ".bodies"))
    names = Names()
    tx = Transaction(writer, names, Digests(_secret(writer)))
    tx.load()
    reader = connections.open_reader(path, vfs)
    cursor = reader.cursor()
    files.sweep({name for (name,) in cursor.execute(_KNOWN_PATHS)})
    core = Core(
        path=path,
        clock=clock,
        names=names,
        digests=tx.digests,
        tx=tx,
        written=Rows(tx.cursor, names, files.folder, tx.flush),
        reader=reader,
        cursor=cursor,
        read=Rows(cursor, names, files.folder),
        files=files,
        failure=failure,
        commit_ms=commit_ms,
        pragmas=connections.pragmas(writer),
        blocking=ThreadPoolExecutor(4, "store-files"),
        aside=Aside(lambda: connections.open_reader(path, vfs)),
    )
    core.group = GroupCommit(
        tx, failure, clock, committed=core.is_committed, commit_in_thread=commit_ms >= fast_commit_ms
    )
    return core


def _secret(writer: Runs) -> bytes:
    """Return the store's secret, made at its creation."""
    rows = writer.execute(_SQL["meta"], ("secret",)).fetchall()
    if rows:
        secret: bytes = rows[0][0]
        return secret
    secret = secrets.token_bytes(SECRET_BYTES)
    writer.execute(_SQL["meta-set"], ("secret", secret))
    return secret


async def _begin(core: Core) -> None:
    """A copy that is opened for the first time says so: a new epoch of the chain, and a record for whoever starts."""
    copied = core.cursor.execute(_SQL["meta"], (COPIED,)).fetchall()
    if not copied:
        return
    records = SqliteRecords(core)
    await records.put(
        "store", "restored", str(copied[0][0]), at_ms=core.clock.now_ms(), action=Action.RESTORE
    )
    await core.group.run(lambda tx: tx.cursor.execute(_SQL["meta-forget"], (COPIED,)))
