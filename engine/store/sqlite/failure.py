"""What SQLite's errors mean for the store: try again, the disk is full, the disk has failed, the file is damaged."""

from __future__ import annotations

import enum
import errno

import apsw

from engine.clock import Clock
from engine.errors import PasserelleError, StoreCorrupt, StoreFailed, StoreUnavailable
from engine.store.sqlite.disk import Ballast

FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SYNCS = frozenset(
    {
        apsw.SQLITE_IOERR_FSYNC,
        apsw.SQLITE_IOERR_DIR_FSYNC,
        apsw.SQLITE_IOERR_CLOSE,
        apsw.SQLITE_IOERR_DIR_CLOSE,
    }
)
_RETRY_SECONDS = 1.0


class Fault(enum.Enum):
    """What an error of SQLite means."""

    OPERATION = enum.auto()
    """This operation alone is at fault (a constraint, a value too big)."""
    PASSING = enum.auto()
    """Nobody's fault and gone soon (busy, memory)."""
    FULL = enum.auto()
    DISK = enum.auto()
    """A write or fsync failed, or the disk became read-only: never try that fsync again."""
    DAMAGE = enum.auto()


_MEANING: tuple[tuple[tuple[type[apsw.Error], ...], Fault], ...] = (
    ((apsw.FullError,), Fault.FULL),
    ((apsw.CorruptError, apsw.NotADBError, apsw.FormatError), Fault.DAMAGE),
    ((apsw.ReadOnlyError, apsw.CantOpenError, apsw.PermissionsError, apsw.NoLFSError), Fault.DISK),
    (
        (apsw.BusyError, apsw.LockedError, apsw.NoMemError, apsw.InterruptError, apsw.ProtocolError),
        Fault.PASSING,
    ),
)


def fault_of(error: BaseException, connection: apsw.Connection | None = None) -> Fault:
    """Return what an error means; `connection` tells the system's errno behind an I/O error."""
    if isinstance(error, apsw.IOError):
        return _fault_of_io(error, connection)
    for kinds, fault in _MEANING:
        if isinstance(error, kinds):
            return fault
    return Fault.OPERATION


def _fault_of_io(error: apsw.IOError, connection: apsw.Connection | None) -> Fault:
    code: int = getattr(error, "extendedresult", 0)
    if code == apsw.SQLITE_IOERR_NOMEM:
        return Fault.PASSING
    if code in (apsw.SQLITE_IOERR_CORRUPTFS, apsw.SQLITE_IOERR_DATA):
        return Fault.DAMAGE
    if code not in _SYNCS and connection is not None and connection.system_errno in FULL_ERRNOS:
        return Fault.FULL
    return Fault.DISK


class Failure:
    """Whether the store may still write. Once the disk failed or the file is damaged, it never does again."""

    def __init__(self, ballast: Ballast, clock: Clock) -> None:
        self._ballast = ballast
        self._clock = clock
        self._looked = 0.0
        self._end: tuple[type[PasserelleError], str] | None = None
        self.full = False

    @property
    def detail(self) -> str:
        """What is wrong, "" when nothing is."""
        if self._end is not None:
            return self._end[1]
        return "the disk is full" if self.full else ""

    @property
    def ended(self) -> bool:
        """Whether writing is over for this process."""
        return self._end is not None

    def check(self, *, grows: bool) -> None:
        """Raise what keeps an operation from being written; `grows` when it brings something new."""
        if self._end is not None:
            raise self._end[0](self._end[1])
        if grows and self.full and not self.recovered():
            raise StoreUnavailable("the disk is full")

    def recovered(self) -> bool:
        """Look, at most once a second, whether there is room for the ballast again; return whether all is well."""
        now = self._clock.monotonic()
        if self.full and now - self._looked >= _RETRY_SECONDS:
            self._looked = now
            self.full = not self._ballast.hold()
        return not self.full

    def filled(self) -> None:
        """The disk is full: give the ballast up, so that what is owed can still be settled and purged."""
        self._ballast.release()
        self.full = True
        self._looked = self._clock.monotonic()

    def error_of(self, error: BaseException, connection: apsw.Connection | None = None) -> PasserelleError:
        """Return what the caller is told about an error of SQLite, and remember when it ends all writing."""
        fault = fault_of(error, connection)
        if fault is Fault.DISK:
            return self._ends(StoreFailed, f"the disk failed: {_text(error)}")
        if fault is Fault.DAMAGE:
            return self._ends(StoreCorrupt, f"the database is damaged: {_text(error)}")
        if fault is Fault.FULL:
            return StoreUnavailable("the disk is full")
        return StoreUnavailable(f"rolled back: {_text(error)}")

    def _ends(self, kind: type[PasserelleError], text: str) -> PasserelleError:
        if self._end is None:
            self._end = (kind, text)
        return kind(text)


def _text(error: BaseException) -> str:
    """Name an error without its message, which may quote a value."""
    code: int = getattr(error, "extendedresult", 0)
    if code:
        return str(
            apsw.mapping_extended_result_codes.get(code) or apsw.mapping_result_codes.get(code & 0xFF, code)
        )
    return type(error).__name__
