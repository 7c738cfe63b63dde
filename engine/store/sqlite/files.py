"""Body files: content above the inline limit, written and synced before the row that names it is committed."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from engine.errors import StoreFailed, StoreUnavailable
from engine.model import Body
from engine.store.sqlite.disk import sync_folder
from engine.store.sqlite.failure import FULL_ERRNOS


class BodyFiles:
    """A folder of immutable files, `ab/abcdef...`; every method blocks and belongs in a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._durable: set[str] = set()
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            # Always, not only when made: an earlier process may have died between the two, and a file is no more
            # durable than the names above it.
            sync_folder(folder.parent)
        except OSError as error:
            raise StoreFailed(f"the folder of body files cannot be made durable: {error.strerror}") from error

    def keep(self, body: Body, twin: str = "") -> tuple[str, bytes]:
        """Write a body, sync file and folder, and return its path relative to the folder, and its digest.

        A body in a file is synced already (`Body`) and never changes: it gets a name here instead of a copy, where both
        are on one file system. `twin` is a file of this folder with the same bytes, which then are kept once.

        Raises:
            StoreUnavailable: the disk is full.
            StoreFailed: the disk refused a write or an fsync.
        """
        token = secrets.token_hex(16)
        relative = f"{token[:2]}/{token}"
        target = self.folder / relative
        draft = target.with_suffix(".new")
        try:
            if (
                token[:2] not in self._durable
            ):  # to exist is not enough: who made it may not have synced it yet
                target.parent.mkdir(mode=0o700, exist_ok=True)
                sync_folder(self.folder)
                self._durable.add(token[:2])
            digest = body.sha256 if self._named(draft, body, twin) else _write(draft, body)
            draft.rename(target)
            sync_folder(target.parent)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            if error.errno in FULL_ERRNOS:
                raise StoreUnavailable("the disk is full") from error
            raise StoreFailed(f"a body file could not be written: {error.strerror}") from error
        return relative, digest

    def _named(self, draft: Path, body: Body, twin: str) -> bool:
        """Give what is in a file already another name; False where that cannot be."""
        for source in (self.folder / twin if twin else None, body.path):
            if source is not None:
                with suppress(OSError):
                    os.link(source, draft)
                    return True
        return False

    def drop(self, paths: Collection[str]) -> None:
        """Remove files whose rows are gone, or never came; what is not there is no error."""
        for path in paths:
            with suppress(FileNotFoundError):
                (self.folder / path).unlink()

    def sweep(self, known: Collection[str]) -> int:
        """Remove what no row names: the leftovers of a crash between file and commit. Return how many."""
        orphans = [path for path in self._all() if path not in known]
        self.drop(orphans)
        return len(orphans)

    def _all(self) -> Iterator[str]:
        for path in self.folder.glob("??/*"):
            yield f"{path.parent.name}/{path.name}"


def _write(path: Path, body: Body) -> bytes:
    """Write a body and return its digest, which only what is put together from pieces does not know before."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        made = hashlib.sha256() if body.pieces else None
        for chunk in body.chunks():
            file.write(chunk)
            if made is not None:
                made.update(chunk)
        file.flush()
        os.fsync(file.fileno())
    return body.sha256 if made is None else made.digest()
