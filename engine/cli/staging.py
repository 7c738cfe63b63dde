"""Put a backup in the place of a store in steps that a crash may cut anywhere: run again, it begins anew.

The copy is made ready in a folder beside the store (`passerelle.db.restoring`) and moved out of it at the end, the
database last. So a store that is in place is whole and was made ready; before that there is none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import Conflict, NotFound, StoreFailed
from engine.store.sqlite.place import Lock

_BODIES = ".bodies"
_WAL = "-wal"
_JOURNAL = "-journal"


@contextmanager
def staged(backup: Path, store: Path) -> Iterator[Path]:
    """Give a copy of the backup's database to be opened and closed; after the block it stands in the store's place.

    No other process can make or open the store meanwhile.

    Raises:
        NotFound: the folder holds no backup of a store of that name, or one that was interrupted.
        StoreLocked: another process holds the store.
        Conflict: a store, or the content of one, is there already.
        StoreFailed: the disk refuses.
    """
    _refuse_no_backup(backup, store.name)
    folder = store.with_name(f"{store.name}.restoring")
    with _disk_errors():
        store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = Lock(store.with_name(f"{store.name}.lock"))
    try:
        with _disk_errors():
            _refuse_store(store, folder)
            _undo(store, folder)
            _refuse_content(store)
            _copy_all(backup, folder, store.name)
        yield folder / store.name
        with _disk_errors():
            _move(folder, store)
    finally:
        lock.release()


def _refuse_no_backup(backup: Path, name: str) -> None:
    if any((backup / f"{name}{end}").exists() for end in (_JOURNAL, ".new")):
        raise NotFound(f"{backup} holds a backup that was interrupted: take another one")
    if not (backup / name).is_file():
        raise NotFound(f"{backup} holds no backup of {name}")


def _refuse_store(store: Path, folder: Path) -> None:
    if not store.exists():
        return
    if folder.exists() and not (folder / store.name).exists():
        raise Conflict(
            f"{store} exists: an earlier restore was interrupted after it had put it in place, whole"
        )
    raise Conflict(f"{store} exists: move it away first, with what stands beside it")


def _refuse_content(store: Path) -> None:
    bodies = store.with_name(f"{store.name}{_BODIES}")
    if bodies.exists() and any(bodies.iterdir()):
        raise Conflict(f"{bodies} is there without its store: move it away first")


def _undo(store: Path, folder: Path) -> None:
    """Take back what an interrupted restore left; the content in the store's place is its own if it moved it there."""
    if not folder.exists():
        return
    database, bodies = folder / store.name, folder / f"{store.name}{_BODIES}"
    outside = store.with_name(bodies.name)
    if database.exists() and not bodies.exists() and outside.exists():
        outside.rename(bodies)
        _sync(folder)
    database.unlink(
        missing_ok=True
    )  # first: without it nothing outside of the folder counts as this restore's
    _sync(folder)
    shutil.rmtree(folder)


def _copy_all(backup: Path, folder: Path, name: str) -> None:
    """Copy content first: what has a database has all of it."""
    folder.mkdir(mode=0o700)
    bodies = backup / f"{name}{_BODIES}"
    if bodies.exists():
        _copy(bodies, folder / bodies.name)
    else:
        (folder / bodies.name).mkdir(mode=0o700)
    for file in (f"{name}{_WAL}", name):
        if (backup / file).exists():
            _copy(backup / file, folder / file)
    _sync(folder)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir(mode=0o700)
        for path in sorted(source.iterdir()):
            _copy(path, target / path.name)
        _sync(target)
        return
    shutil.copyfile(source, target)
    target.chmod(0o600)
    _sync(target)


def _move(folder: Path, store: Path) -> None:
    bodies = folder / f"{store.name}{_BODIES}"
    bodies.rename(store.with_name(bodies.name))
    _sync(store.parent)
    (folder / store.name).rename(store)
    _sync(store.parent)
    shutil.rmtree(folder)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreFailed(f"the backup cannot be put in place: {error.strerror}") from error
