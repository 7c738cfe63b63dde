"""Group commit: everything that waits at one moment shares one transaction and one fsync; a bad operation fails alone.

Operations run on the loop, first without savepoints. If one of them breaks, the group is rolled back and repeated
with a savepoint each. Only COMMIT goes to a thread, and only where the disk is slow: a writing thread would fight the
loop for the interpreter. A future is resolved after COMMIT returned, never before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import apsw

from engine.clock import Clock
from engine.errors import CommitUnknown, Conflict, PasserelleError, StoreUnavailable
from engine.store.sqlite.connection import BUSY_MS
from engine.store.sqlite.failure import Failure, Fault, fault_of
from engine.store.sqlite.transaction import Transaction

T = TypeVar("T")
Work = Callable[[Transaction], T]

GROUP_LIMIT = 512
"""Operations in one commit: more would hold the loop for longer than they save."""

WAITING_LIMIT = 16_384
"""Operations that may wait; what brings new messages is turned away above it."""

CHECKPOINT_PAGES = 1_000
"""Pages of WAL after which it is copied back; with 64 MB an accept waits 30 ms, with 4 MB it waits 4."""


@dataclass(slots=True, eq=False)
class Entry:
    """One operation that waits for its group; `grows` says that it brings something new."""

    work: Work[Any]
    future: asyncio.Future[Any]
    grows: bool
    result: Any = None
    error: Exception | None = None


class GroupCommit:
    """Runs operations in groups on one connection; a group is everything that this loop turn and the next make ready.

    `committed` says whether the commit with a number is in the database; it reads through another connection.
    """

    def __init__(
        self,
        tx: Transaction,
        failure: Failure,
        clock: Clock,
        *,
        committed: Callable[[int], bool],
        commit_in_thread: bool,
    ) -> None:
        self._tx = tx
        self._failure = failure
        self._clock = clock
        self._is_committed = committed
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Entry] = deque()
        self._busy = False
        self._closed = self._over = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._wal_pages = 0
        self._shrinks = False
        self._thread = ThreadPoolExecutor(1, "store-commit") if commit_in_thread else None
        tx.connection.set_wal_hook(self._wal_grew)

    def run(self, work: Work[T], *, grows: bool = False) -> asyncio.Future[T]:
        """Let `work` join the next group; the future has its result once that is on the disk.

        Raises, here or from the future:
            StoreUnavailable: rolled back, or not begun.
            CommitUnknown: nobody can say whether COMMIT happened.
            StoreFailed, StoreCorrupt: the store writes no more.
        """
        self._failure.check(grows=grows)
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if grows and len(self._waiting) >= WAITING_LIMIT:
            raise StoreUnavailable("too much waits for the disk")
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append(Entry(work, future, grows))
        if not self._busy:
            self._schedule()
        return future

    async def shrink(self) -> None:
        """Give the WAL and free pages back to the file system: somebody needs the room."""
        self._shrinks = True
        await self.run(lambda tx: None)
        await asyncio.sleep(0)  # on the loop, the checkpoint comes right after the answers

    async def close(self) -> None:
        """Finish what waits and take nothing more."""
        self._closed = True
        await self._idle.wait()
        self._over = True
        if self._thread is not None:
            self._thread.shutdown()

    # ---------------------------------------------------------------- from waiting to committed

    def _schedule(self) -> None:
        self._busy = True
        self._idle.clear()
        # One turn more, in which the loop reads what has arrived meanwhile: at 32 connections a group grew from 10
        # operations to 14. Whoever is alone waits for one look at the sockets, some 20 us.
        self._loop.call_soon(self._loop.call_soon, self._flush)

    def _flush(self) -> None:
        group: list[Entry] = []
        waiting = self._waiting
        while waiting and len(group) < GROUP_LIMIT:
            entry = waiting.popleft()
            if not entry.future.done():
                group.append(entry)
        self._write(group, again=False)

    def _write(self, group: list[Entry], *, again: bool) -> None:
        """Run a group and commit it; `again` when it is what a full disk left of one."""
        if not group:
            self._go_on()
            return
        try:
            self._failure.check(grows=False)
            self._execute(group)
        except apsw.Error as error:
            self._broke(group, error, again=again)
            return
        except Exception as error:  # noqa: BLE001  # whatever it was, everybody who waits is told
            self._roll_back()
            self._fail(group, error)
            return
        if self._thread is None:
            self._committed(group, self._commit(), again)
            return
        done = self._loop.run_in_executor(self._thread, self._commit)
        done.add_done_callback(lambda future: self._committed(group, future.result(), again))

    def _commit(self) -> apsw.Error | None:
        """COMMIT, on the loop or in the thread: the one call that waits for the disk."""
        try:
            self._tx.cursor.execute("COMMIT")
        except apsw.Error as error:
            return error
        if self._thread is not None:
            self._checkpoint()  # here the thread has the connection to itself
        return None

    def _committed(self, group: list[Entry], error: apsw.Error | None, again: bool) -> None:
        if error is not None and not self._survived(group, error):
            return self._broke(group, error, again=again)
        if not group:
            return self._go_on()
        self._tx.adopt()
        for entry in group:
            if entry.future.done():
                continue
            if entry.error is None:
                entry.future.set_result(entry.result)
            else:
                entry.future.set_exception(_told(entry.error))
        if self._thread is None and (self._shrinks or self._wal_pages >= CHECKPOINT_PAGES):
            self._loop.call_soon(self._checkpoint)
        return self._go_on()

    def _go_on(self) -> None:
        if self._waiting:
            self._loop.call_soon(self._flush)
        else:
            self._busy = False
            self._idle.set()

    # ---------------------------------------------------------------- one transaction

    def _execute(self, group: list[Entry]) -> None:
        """Run all operations, up to the COMMIT."""
        tx = self._tx
        tx.begin(self._clock.now_ms())
        try:
            if self._optimistic(group):
                tx.seal()
                return
        except apsw.Error as error:
            if fault_of(error, tx.connection) is not Fault.OPERATION:
                raise
        self._roll_back()
        tx.begin(self._clock.now_ms())
        self._one_by_one(group)
        tx.seal()

    def _optimistic(self, group: list[Entry]) -> bool:
        """Run a group without savepoints; return False when an operation gave up, which must undo what it wrote."""
        tx = self._tx
        tx.puts_off = True
        try:
            for entry in group:
                entry.result = entry.work(tx)
            tx.flush_all()
        except apsw.Error:
            raise
        except Exception:  # noqa: BLE001  # the repetition hands it to its own caller
            return False
        return True

    def _one_by_one(self, group: list[Entry]) -> None:
        """Run a group with a savepoint for each operation, so that a bad one fails alone."""
        tx = self._tx
        tx.puts_off = False
        for entry in group:
            entry.result = entry.error = None
            mark = tx.mark()
            tx.cursor.execute("SAVEPOINT operation")
            try:
                entry.result = entry.work(tx)
                tx.flush_all()
            except Exception as error:
                if isinstance(error, apsw.Error) and fault_of(error, tx.connection) is not Fault.OPERATION:
                    raise
                tx.cursor.execute("ROLLBACK TO operation")
                tx.undo(mark)
                entry.error = error
            tx.cursor.execute("RELEASE operation")

    # ---------------------------------------------------------------- when it breaks

    def _broke(self, group: list[Entry], error: apsw.Error, *, again: bool) -> None:
        """Roll back; on a full disk repeat what settles and purges, with the room that the ballast gave."""
        told = self._failure.error_of(error, self._tx.connection)
        full = fault_of(error, self._tx.connection) is Fault.FULL
        self._roll_back()
        if not full or again:
            self._fail(group, told)
            return
        self._failure.filled()
        self._tell([entry for entry in group if entry.grows], told)
        self._write([entry for entry in group if not entry.grows], again=True)

    def _survived(self, group: list[Entry], error: apsw.Error) -> bool:
        """Whether a COMMIT that raised is durable all the same; tells the group when nobody can say."""
        fault = fault_of(error, self._tx.connection)
        if fault in (Fault.FULL, Fault.DISK, Fault.DAMAGE) or self._tx.connection.in_transaction:
            return False  # rolled back for certain, or the process ends and its successor looks
        try:
            return self._is_committed(self._tx.commit + 1)
        except PasserelleError:
            self._tell(group, CommitUnknown("the answer to COMMIT was lost"))
            group.clear()
            self._roll_back()
            self._tx.load()
            return True

    def _fail(self, group: list[Entry], error: Exception) -> None:
        self._tell(group, error)
        self._go_on()

    @staticmethod
    def _tell(group: list[Entry], error: Exception) -> None:
        for entry in group:
            if not entry.future.done():
                told = type(error)(str(error)) if isinstance(error, PasserelleError) else error
                entry.future.set_exception(told)

    def _roll_back(self) -> None:
        if self._tx.connection.in_transaction:
            self._tx.cursor.execute("ROLLBACK")
        self._tx.abandon()

    # ---------------------------------------------------------------- the WAL

    def _wal_grew(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """Copy the WAL back once it is long; a reader that stands in the way only delays that."""
        wanted = self._shrinks or self._wal_pages >= CHECKPOINT_PAGES
        if not wanted or self._over or self._failure.ended:
            return
        connection = self._tx.connection
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if self._shrinks:
                self._shrinks = False
                connection.set_busy_timeout(0)  # a reader in the way: next time
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.Error as error:
            fault = fault_of(error, connection)
            if fault in (Fault.DISK, Fault.DAMAGE):
                self._failure.error_of(error, connection)
            elif fault is Fault.FULL:
                self._failure.filled()
        finally:
            connection.set_busy_timeout(BUSY_MS)


def _told(error: Exception) -> Exception:
    if isinstance(error, apsw.ConstraintError):
        return Conflict("a row with this id exists already")
    if isinstance(error, apsw.Error):
        return StoreUnavailable(f"rolled back: {type(error).__name__}")
    return error
