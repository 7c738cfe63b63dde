"""Where a store may stand, who may hold it, and what is looked at before the first message."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import apsw
import pytest

from engine.clock import SystemClock
from engine.errors import NotFound, StoreLocked
from engine.store import StoreRefused, open_store
from engine.store.protocol import Query
from engine.store.sqlite import connection, place
from engine.store.sqlite.statements import migrations
from engine.store.sqlite.store import SqliteStore, open_sqlite
from engine.testing.virtual_clock import VirtualClock
from tests.store.making import EMR, NINE, NOW, acceptance, duty, message, settled


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[SqliteStore]:
    async with open_sqlite(folder / "store.db", clock=VirtualClock(NINE), ballast_bytes=4096) as store:
        yield store


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# --------------------------------------------------------------------------- by URL


async def test_a_url_opens_a_store(folder: Path) -> None:
    async with open_store(f"sqlite:{folder}/var/passerelle.db", clock=SystemClock()) as store:
        assert (await store.health()).writable

    assert (folder / "var" / "passerelle.db").exists()


async def test_a_store_that_must_exist_is_not_made(folder: Path) -> None:
    with pytest.raises(NotFound):
        async with open_store(f"sqlite:{folder}/none.db", clock=SystemClock(), must_exist=True):
            pass

    assert files_in(folder) == []


@pytest.mark.parametrize("url", ["postgresql://localhost/x", "sqlite:", "store.db"])
async def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(StoreRefused):
        open_store(url, clock=SystemClock())


# --------------------------------------------------------------------------- one process at a time

HOLD = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(handle, fcntl.LOCK_EX)
os.write(handle, f"{os.getpid()}\\n".encode())
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another(folder: Path) -> Iterator[int]:
    """Hold the lock in a process of its own; give its number."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder / "store.db.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        yield holder.pid
        holder.stdin.close()


async def test_a_store_that_another_process_holds_is_refused_and_the_holder_named(folder: Path) -> None:
    with held_by_another(folder) as pid, pytest.raises(StoreLocked, match=str(pid)):
        async with opened(folder):
            pass

    async with opened(folder) as store:
        assert (await store.health()).writable


async def test_a_store_is_not_opened_twice_by_one_process(folder: Path) -> None:
    async with opened(folder):
        with pytest.raises(StoreLocked, match=str(os.getpid())):
            async with opened(folder):
                pass


# --------------------------------------------------------------------------- the place and the file


@pytest.mark.parametrize("magic", sorted(place.NETWORK))
async def test_a_network_file_system_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, magic: int
) -> None:
    monkeypatch.setattr(place, "file_system", lambda folder: magic)

    with pytest.raises(StoreRefused, match=place.NETWORK[magic]):
        async with opened(folder):
            pass


def test_the_magic_of_a_local_file_system_is_read() -> None:
    assert place.file_system(Path("/proc")) == 0x9FA0


async def test_an_old_sqlite_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")

    with pytest.raises(StoreRefused, match=r"3\.51\.2"):
        async with opened(folder):
            pass


async def test_a_foreign_database_is_refused_and_left_alone(folder: Path) -> None:
    foreign = apsw.Connection(str(folder / "store.db"))
    foreign.execute("CREATE TABLE theirs (x)")
    foreign.close()
    before = (folder / "store.db").read_bytes()

    with pytest.raises(StoreRefused, match="not one of Passerelle's"):
        async with opened(folder):
            pass

    assert (folder / "store.db").read_bytes() == before


async def test_a_newer_schema_is_refused(folder: Path) -> None:
    async with opened(folder):
        pass
    database = apsw.Connection(str(folder / "store.db"))
    database.execute("PRAGMA user_version = 9999")
    database.close()

    with pytest.raises(StoreRefused, match="newer"):
        async with opened(folder):
            pass


async def test_a_setting_that_does_not_stick_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.EXPECTED, "synchronous", "3")

    with pytest.raises(StoreRefused, match="synchronous is 2"):
        async with opened(folder):
            pass


async def test_durability_rests_on_these_settings(folder: Path) -> None:
    async with opened(folder) as store:
        pragmas = (await store.health()).pragmas

    assert (pragmas["journal_mode"], pragmas["synchronous"]) == ("wal", "2")
    assert (pragmas["auto_vacuum"], pragmas["secure_delete"]) == ("2", "1")


# --------------------------------------------------------------------------- migrations


async def test_a_store_that_is_opened_again_is_as_it_was(folder: Path) -> None:
    async with opened(folder) as store:
        accepted = await store.accept(acceptance(duty("k"), of=message("same")))

    async with opened(folder) as again:
        copy = await again.accept(acceptance(duty("k"), of=message("same")))
        later = await again.accept(acceptance(duty("k")))

        assert (copy.message, later.message) == (accepted.message, accepted.message + 1)
        assert [each.sequence for each in await again.due(EMR, NOW, 10)] == [accepted.ready[0].sequence]
        assert (await again.journal.verify()).broken_at is None
        assert (await again.tally()).created == 2


def test_migrations_apply_once_each(folder: Path) -> None:
    path = folder / "store.db"
    first = connection.open_writer(path)
    schema = first.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall()
    first.close()

    again = connection.open_writer(path)

    assert again.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall() == schema
    assert again.execute("PRAGMA user_version").fetchall() == [(len(migrations()),)]
    again.close()


async def test_a_store_of_the_first_schema_goes_on_with_what_it_owes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "store.db"
    with monkeypatch.context() as before:
        before.setattr(connection, "migrations", lambda: migrations()[:1])
        connection.open_writer(path).close()
    async with open_sqlite(path, clock=VirtualClock(NINE), ballast_bytes=0) as store:
        both = (await store.accept(acceptance(duty("a", also=("b",))))).ready[0]
        await store.accept(acceptance(duty("b")))
        result = await store.settle(settled(both))
    assert [each.lane for each in result.heads] == list(both.also)


def test_a_migration_that_breaks_leaves_the_version_before_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "store.db"
    connection.open_writer(path).close()
    broken = [*migrations(), (len(migrations()) + 1, "CREATE TABLE half (x); CREATE TABLE half (x);")]
    monkeypatch.setattr(connection, "migrations", lambda: broken)

    with pytest.raises(apsw.SQLError):
        connection.open_writer(path)

    monkeypatch.undo()
    database = connection.open_writer(path)
    assert database.execute("SELECT name FROM sqlite_schema WHERE name = 'half'").fetchall() == []
    database.close()


# --------------------------------------------------------------------------- body files and ballast


async def test_files_that_no_row_names_are_swept_at_the_start(folder: Path) -> None:
    async with opened(folder) as store:
        accepted = await store.accept(acceptance(of=message(body=bytes(200_000))))
        kept = await store.body(accepted.message, "raw")
    bodies = folder / "store.db.bodies"
    for name in ("ab/abcdef", "ab/abcdef.new"):
        (bodies / name).parent.mkdir(exist_ok=True)
        (bodies / name).write_bytes(b"left behind")

    async with opened(folder):
        pass

    assert kept is not None and kept.path is not None
    assert files_in(bodies) == [kept.path]


async def test_a_copy_leaves_no_file_behind(folder: Path) -> None:
    async with opened(folder) as store:
        for _ in range(2):
            await store.accept(acceptance(of=message("same", bytes(200_000))))

        assert len(files_in(folder / "store.db.bodies")) == 1


async def test_purged_files_are_gone(folder: Path) -> None:
    async with opened(folder) as store:
        await store.accept(acceptance(of=message(body=bytes(200_000))))

        await store.purge(NOW + 1, 10)

        assert files_in(folder / "store.db.bodies") == []


async def test_the_ballast_is_held(folder: Path) -> None:
    async with opened(folder) as store:
        assert (folder / "store.db.ballast").stat().st_size == 4096
        assert list(await store.messages(Query())) == []


async def test_only_the_owner_may_read_a_store(folder: Path) -> None:
    async with opened(folder) as store:
        await store.accept(acceptance(of=message(body=bytes(200_000))))
        modes = {path.name: path.stat().st_mode & 0o077 for path in files_in(folder)}

    assert {"store.db", "store.db-wal", "store.db.lock", "store.db.ballast"} < set(modes)
    assert modes == dict.fromkeys(modes, 0)
