"""Requests for storage commitment that nobody has heard our report of yet: one file each, durable before the answer."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from channels.dicom.commitment.information import Reference


@dataclass(frozen=True, slots=True)
class Pending:
    """One transaction: who asked by which AE title, as which partner, about which instances, and when."""

    id: str
    transaction: str
    calling: str
    partner: str
    references: tuple[Reference, ...]
    asked_ms: int


class PendingReports:
    """The files of one listener; its methods block on the disk and may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[str, Pending] = {}
        self._lock = threading.Lock()

    def load(self) -> int:
        """Read what was left by the time before; return how many files are none of ours, which stay where they are."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        strange = 0
        for path in sorted(
            self._folder.glob("*.json")
        ):  # not what a crash left half-written: nobody was answered
            try:
                found = _read(path.read_bytes(), path.stem)
            except (ValueError, KeyError, TypeError):
                strange += 1
                continue
            with self._lock:
                self._waiting[found.id] = found
        return strange

    def add(self, pending: Pending) -> None:
        """Return once the request is durable; it does not wait to be reported before it is released."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(pending)
        part = path.with_suffix(".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_written(pending))
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        self._sync()

    def release(self, pending: Pending) -> None:
        """Have it wait for an association of our own."""
        with self._lock:
            self._waiting[pending.id] = pending

    def waiting(self) -> tuple[Pending, ...]:
        """Return what is to be reported, oldest first."""
        with self._lock:
            return tuple(self._waiting.values())

    def remove(self, pending: Pending) -> None:
        """Forget one that was reported."""
        with self._lock:
            self._waiting.pop(pending.id, None)
        with suppress(FileNotFoundError):
            self._path(pending).unlink()

    def _path(self, pending: Pending) -> Path:
        return self._folder / f"{pending.id}.json"

    def _sync(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _written(pending: Pending) -> bytes:
    told = {
        "transaction": pending.transaction,
        "calling": pending.calling,
        "partner": pending.partner,
        "asked_ms": pending.asked_ms,
        "references": [[each.sop_class, each.sop_instance] for each in pending.references],
    }
    return json.dumps(told).encode()


def _read(data: bytes, name: str) -> Pending:
    told = json.loads(data)
    references = tuple(Reference(*each) for each in told["references"])
    return Pending(name, told["transaction"], told["calling"], told["partner"], references, told["asked_ms"])
