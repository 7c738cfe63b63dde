"""Connections to the database file: opened, set, checked, migrated; refused when they are not what we asked for."""

from __future__ import annotations

from pathlib import Path

import apsw

from engine.errors import StoreCorrupt
from engine.store.protocol import StoreRefused
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.statements import migrations

APPLICATION_ID = 0x50535252
"""`PSRR`: what `file` and the next start know the database by."""

PAGE_SIZE = 4096
OLDEST_SQLITE = (3, 51, 3)
"""Before it, two connections that write or checkpoint at once could corrupt a database in WAL mode."""

BUSY_MS = 2_000
CACHE_KIB = 32 * 1024
CHECK_WHOLE_BELOW = 16 * 1024 * 1024
STATEMENTS = 1024
"""apsw's cache is a ring that every execution moves on: a statement that a group does not use for so long is lost."""

SMALL_TABLES = ("meta", "names", "chains", "buckets", "parked", "counts", "totals", "records")

EXPECTED = {
    "journal_mode": "wal",
    "synchronous": "2",
    "page_size": str(PAGE_SIZE),
    "auto_vacuum": "2",
    "secure_delete": "1",
    "foreign_keys": "0",
    "application_id": str(APPLICATION_ID),
}
"""What a writing connection must report: WAL with an fsync for each commit, or nothing here is durable."""


def assert_version() -> None:
    """Raise StoreRefused when the SQLite that is loaded has the WAL bug."""
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise StoreRefused(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt a WAL database; {wanted} is needed"
        )


def open_writer(path: Path, vfs: str | None = None) -> apsw.Connection:
    """Open the one connection that writes, creating and migrating the database where needed."""
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    path.touch(mode=0o600)  # SQLite gives its WAL the rights of the database
    connection = _open(path, flags, vfs)
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    _refuse_foreign(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA journal_size_limit = 33554432")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # the writer does it itself, to see its errors
    migrate(connection)
    check(connection)
    return connection


def open_reader(path: Path, vfs: str | None = None) -> apsw.Connection:
    """Open a connection that only reads; it sees what was committed when its statement began, and blocks nobody."""
    connection = _open(path, apsw.SQLITE_OPEN_READWRITE, vfs)
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB // 4}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def pragmas(connection: Runs) -> dict[str, str]:
    """Return the settings that durability rests on, as the connection reports them."""
    return {name: str(connection.execute(f"PRAGMA {name}").fetchall()[0][0]) for name in EXPECTED}


def check(connection: Runs) -> None:
    """Refuse a connection whose settings are not the expected ones."""
    found = pragmas(connection)
    wrong = [
        f"{name} is {found[name]}, not {value}" for name, value in EXPECTED.items() if found[name] != value
    ]
    if wrong:
        raise StoreRefused("the database does not keep what it is told: " + "; ".join(wrong))


def migrate(connection: apsw.Connection) -> None:
    """Apply the migrations that the database has not seen, each in a transaction of its own."""
    cursor: Runs = connection.cursor()
    version: int = cursor.execute("PRAGMA user_version").fetchall()[0][0]
    scripts = migrations()
    if version > len(scripts):
        raise StoreRefused(
            f"a newer Passerelle wrote this store (schema {version}, this one knows {len(scripts)})"
        )
    for number, script in scripts[version:]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for _ in connection.execute(script):
                pass  # a migration returns no rows; stepping runs its statements
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk has rolled it back already
                connection.execute("ROLLBACK")
            raise


def quick_check(connection: Runs, path: Path) -> None:
    """Look for damage as far as a start can afford: all of a small database, the small tables of a large one."""
    whole = path.stat().st_size < CHECK_WHOLE_BELOW
    for check in ["quick_check(1)"] if whole else [f"quick_check({table})" for table in SMALL_TABLES]:
        found = connection.execute(f"PRAGMA {check}").fetchall()
        if found and found[0][0] != "ok":
            raise StoreCorrupt(f"the database is damaged: {found[0][0]}")


def _open(path: Path, flags: int, vfs: str | None) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=flags, vfs=vfs, statementcachesize=STATEMENTS)
    connection.set_busy_timeout(BUSY_MS)
    # Without it the planner compares bound values with the predicates of partial indexes, and prepares every statement
    # anew at every binding: a probe of 3 us becomes one of 80.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    return connection


def _refuse_foreign(connection: Runs, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchall()[0][0]
    tables = connection.execute("PRAGMA schema_version").fetchall()[0][0]
    if tables and application != APPLICATION_ID:
        raise StoreRefused(f"{path.name} is a database, but not one of Passerelle's")
