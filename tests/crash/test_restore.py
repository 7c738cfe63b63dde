"""A restore that dies at any of its steps is run again: it finishes, or says that the store is in place, whole."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.cli.exits import Exit
from engine.clock import SystemClock
from engine.runtime.sending.gates import Closure
from engine.store import open_store
from engine.store.protocol import Query
from engine.store.sqlite.place import Lock
from tests.api.project import write_project
from tests.api.stored import stopped_store
from tests.cli.invoking import Shell, shell_in
from tests.crash.hook import FIRED
from tests.crash.nursing import Nursery, nursery
from tests.crash.points import sites

HITS = (1, 3)
BIG = 200_000
_MODULE = "engine.cli.staging"
_MOVED = f"{_MODULE}:_move:rename:after"
"""Content stands in the store's place, and the database does not yet."""


@dataclass(slots=True)
class Restoring:
    """One project whose store is gone, and a backup of it."""

    folder: Path
    nursery: Nursery

    @property
    def store(self) -> Path:
        return self.folder / "var/passerelle.db"

    async def restore(self, point: str = "", hit: int = 1) -> int:
        """Run the verb, armed with a point; return its exit code, negative where it was killed."""
        count = self.folder / "count"
        for path in (count, count.with_name(f"{count.name}.{FIRED}")):
            path.unlink(missing_ok=True)
        child = await self.nursery.fork(
            "restore", str(self.folder / "copy"), "--config", str(self.folder / "config.yaml"),
            log=self.folder / "log",
            environ={"FAULT_POINT": point, "FAULT_HIT": str(hit), "FAULT_COUNT": str(count), "LANG": "C"},
        )  # fmt: skip
        async with asyncio.timeout(60):
            return await asyncio.shield(child.ended)

    def clear(self) -> None:
        """Take away what the last restore made."""
        shutil.rmtree(self.folder / "var", ignore_errors=True)

    def said(self) -> str:
        return (self.folder / "log").read_text().splitlines()[-1]

    async def wrong(self) -> str:
        """Return what is not as the backup has it, "" where all is: both duties, their content, their route paused."""
        async with open_store(f"sqlite:{self.store}", clock=SystemClock(), must_exist=True) as store:
            rows = await store.messages(Query())
            bodies = [await store.body(row.sequence, "rendered") for row in rows]
            paused = [row.name for row in await store.records.all(Closure.PAUSE)]
        found = (sorted(body.size for body in bodies if body is not None), paused)
        return "" if found == ([5, BIG], ["route:notes"]) else str(found)


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a backup of two messages that wait, one of them in a file, and without its store."""
    folder = tmp_path_factory.mktemp("project")
    write_project(folder)

    async def accept() -> None:
        async with stopped_store(folder / "var") as stopped:
            await stopped.accept("small", endpoint="clinic.box", content=b"small")
            await stopped.accept("large", endpoint="clinic.box", content=b"x" * BIG)
            await stopped.post("backup", folder=str(folder / "copy"))

    asyncio.run(accept())
    shutil.rmtree(folder / "var")
    return folder


async def test_a_restore_cut_anywhere_is_run_again(backed_up: Path) -> None:
    struck: dict[str, int] = {}
    wrong: list[str] = []
    async with nursery() as nursing:
        restoring = Restoring(backed_up, nursing)
        for site in sites()[_MODULE]:
            for point in (f"{site}:before", f"{site}:after"):
                for hit in HITS:
                    restoring.clear()
                    if ":_undo:" in point:
                        assert await restoring.restore(_MOVED) < 0
                    if await restoring.restore(point, hit) >= 0:
                        break  # it is not reached so often
                    struck[point] = hit
                    wrong += await _run_again(restoring, f"{point} at hit {hit}")
    assert wrong == []
    assert set(struck) == {f"{site}:{when}" for site in sites()[_MODULE] for when in ("before", "after")}


async def _run_again(restoring: Restoring, cut: str) -> list[str]:
    """Restore once more; return what is wrong afterwards."""
    whole = restoring.store.exists()
    code = await restoring.restore()
    told = "put it in place, whole" in restoring.said()
    if (code, told) not in ([(Exit.UNREACHABLE, True)] if whole else [(Exit.OK, False)]):
        return [f"{cut}: ended with {code}: {restoring.said()}"]
    found = await restoring.wrong()
    return [f"{cut}: {found}"] if found else []


@pytest.fixture
def shell(
    backed_up: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    """A shell in the project, without what another test restored there."""
    shutil.rmtree(backed_up / "var", ignore_errors=True)
    yield shell_in(backed_up, capsys, monkeypatch)
    shutil.rmtree(backed_up / "var", ignore_errors=True)


def test_content_that_no_restore_left_is_never_replaced(shell: Shell) -> None:
    foreign = shell.folder / "var/passerelle.db.bodies/ab/content"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"of a store that was moved away alone")
    ended = shell("restore", "copy")
    assert (ended.code, "move it away first" in ended.err) == (Exit.UNREACHABLE, True)
    assert foreign.exists()


def test_a_backup_that_was_cut_is_refused(shell: Shell) -> None:
    torn = shell.folder / "torn"
    shutil.copytree(shell.folder / "copy", torn)
    (torn / "passerelle.db-journal").write_bytes(b"SQLite would roll the copy back to nothing")
    ended = shell("restore", "torn")
    assert (ended.code, "interrupted" in ended.err) == (Exit.NOTHING, True)
    assert not (shell.folder / "var").exists()


def test_a_restore_waits_for_no_engine_that_holds_the_store(shell: Shell) -> None:
    (shell.folder / "var").mkdir()
    held = Lock(shell.folder / "var/passerelle.db.lock")
    ended = shell("restore", "copy")
    held.release()
    assert (ended.code, "holds this store" in ended.err) == (Exit.LOCKED, True)
    assert not (shell.folder / "var/passerelle.db").exists()
