"""A write or an fsync that fails ends the engine at once with 74, never tried again; its successor has lost nothing."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from engine.cli.exits import Exit
from tests.disk.house import house
from tests.disk.mounting import allow_writing, mounted
from tests.power.shim import Control, Word, build, environment

AT_ONCE = 30.0
"""Seconds from the failed call to the end of the process, on a machine that has much else to do."""


@pytest.mark.parametrize(
    ("at", "code"),
    [(Word.FAIL_WRITE_AT, Word.FAIL_WRITE_ERRNO), (Word.FAIL_SYNC_AT, Word.FAIL_SYNC_ERRNO)],
    ids=["write", "fsync"],
)
async def test_the_nth_call_that_fails_ends_the_engine_and_loses_nothing(
    tmp_path: Path, at: Word, code: Word
) -> None:
    control = Control(tmp_path / "control")
    (tmp_path / "var").mkdir()
    async with house(tmp_path, environment(build(tmp_path), tmp_path / "var", control=control)) as found:
        for nth in (1, 2, 7):
            await found.accepts(20)
            control[code] = errno.EIO
            control[at] = nth
            ended, seconds = await found.exit_code()
            assert (ended, control[Word.FIRED]) == (Exit.DISK, 1), found.child.said()
            assert seconds < AT_ONCE
            control.clear()
            await found.start()
        await found.accepts(20)
        report = await found.report()
    control.close()
    print(report)
    assert report.sound, str(report)
    assert (report.pending, report.faults) == (0, 3)


async def test_a_disk_that_becomes_read_only_ends_the_engine_until_it_may_write(tmp_path: Path) -> None:
    control = Control(tmp_path / "control")
    with mounted(tmp_path / "project/var", "900m") as var:
        shim = environment(build(tmp_path), var, control=control)
        async with house(tmp_path / "project", shim) as found:
            await found.accepts(30)
            # What the kernel answers once it remounted a failing disk; files that are open keep it from being asked to.
            control[Word.FAIL_STAYS] = 1
            control[Word.FAIL_WRITE_ERRNO] = control[Word.FAIL_SYNC_ERRNO] = errno.EROFS
            control[Word.FAIL_WRITE_AT] = control[Word.FAIL_SYNC_AT] = 1
            assert (await found.exit_code())[0] == Exit.DISK, found.child.said()
            control.clear()
            allow_writing(var, allowed=False)
            found.child.start()
            assert (await found.exit_code())[0] == Exit.DISK, found.child.said()
            allow_writing(var, allowed=True)
            await found.start()
            await found.accepts(30)
            report = await found.report()
    control.close()
    print(report)
    assert report.sound, str(report)
    assert report.pending == 0
