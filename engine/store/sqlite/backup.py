"""A consistent copy of a running store: the database in slices from one snapshot, then the body files it names."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path

import apsw

from engine.errors import Conflict, StoreUnavailable
from engine.store.sqlite.connection import open_reader
from engine.store.sqlite.core import Core
from engine.store.sqlite.disk import sync_folder
from engine.store.sqlite.statements import statements

_KNOWN_PATHS = statements("purge")["known-paths"]
_META_SET = statements("ledger")["meta-set"]

PAGES = 256
"""Pages in a slice: 1 MiB, a few milliseconds without the interpreter's lock."""

COPIED = "copied"
"""Fact in a copy: its next start opens a new epoch of the chain and says that it was restored."""


async def back_up(core: Core, target: Path, vfs: str | None) -> None:
    """Write a copy into the new folder `target`; work goes on, and body files stay until it is done.

    Raises:
        Conflict: the folder exists.
        StoreUnavailable: the target's disk is full or refuses.
    """
    core.backups += 1
    try:
        await core.block(partial(_copy, core.path, core.files.folder, target, core.clock.now_ms(), vfs))
    finally:
        core.backups -= 1
        if not core.backups:
            doomed, core.doomed = core.doomed, []
            await core.drop_files(doomed)


def _copy(path: Path, bodies: Path, target: Path, at_ms: int, vfs: str | None) -> None:
    try:
        target.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise Conflict(f"{target} exists: a backup goes into a new folder") from error
    try:
        database = target / path.name
        unfinished = database.with_name(database.name + ".new")
        paths = _copy_database(path, unfinished, at_ms, vfs)
        _copy_files(bodies, target / bodies.name, paths)
        sync_folder(target)
        unfinished.rename(
            database
        )  # a copy that was cut short has no database: nothing restores it by mistake
        sync_folder(target)
        sync_folder(target.parent)
    except (apsw.Error, OSError) as error:
        raise StoreUnavailable(f"the backup is not complete: {type(error).__name__}") from error


def _copy_database(source: Path, target: Path, at_ms: int, vfs: str | None) -> list[str]:
    """Copy under one snapshot: a reader's transaction keeps what it saw, however much is written meanwhile."""
    reader = open_reader(source, vfs)
    copy = apsw.Connection(str(target))
    try:
        reader.execute("BEGIN")
        paths = [path for (path,) in reader.execute(_KNOWN_PATHS)]
        with copy.backup("main", reader, "main") as backup:
            while not backup.done:
                backup.step(PAGES)
        reader.execute("COMMIT")
        copy.execute("PRAGMA synchronous = FULL")
        copy.execute(_META_SET, (COPIED, at_ms))
    finally:
        copy.close()
        reader.close()
    return paths


def _copy_files(source: Path, target: Path, paths: list[str]) -> None:
    target.mkdir(mode=0o700)
    folders = set()
    for path in paths:
        copy = target / path
        copy.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(source / path, copy)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        folders.add(copy.parent)
    for folder in (*folders, target):
        sync_folder(folder)
