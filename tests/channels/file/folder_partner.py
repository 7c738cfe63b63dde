"""A folder as a partner: a real one, on a disk whose system calls can be told to fail, hang or vanish."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.testing.channels import Arrival, Behaviour, Partner


class Disk:
    """Stands for the module `os` in the channel: every call reaches the real disk unless a fault is set for it."""

    def __init__(self) -> None:
        self.faults: dict[str, Callable[[], None]] = {}
        self.calls: list[str] = []
        self.writes: list[tuple[str, bytes]] = []
        self._names: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        if name not in ("open", "write", "fsync", "rename", "unlink") and name not in self.faults:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(self._describe(name, args))
            if name == "write":
                self.writes.append((self._names[args[0]], bytes(args[1])))
            self.faults.get(self._describe(name, args), self.faults.get(name, lambda: None))()
            result = found(*args, **kwargs)
            if name == "open":
                self._names[result] = Path(args[0]).name
            return result

        return call

    def _describe(self, name: str, args: Sequence[Any]) -> str:
        if name == "fsync":
            return "fsync file" if self._names[args[0]].endswith(".tmp") else "fsync folder"
        return name


@contextmanager
def disk() -> Iterator[Disk]:
    """Put a `Disk` between the channel and the machine's own."""
    shim = Disk()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("channels._folder.os", shim)
        yield shim


def failing(number: int) -> Callable[[], None]:
    """Return a fault that raises the error `number`."""

    def fail() -> None:
        raise OSError(number, os.strerror(number))

    return fail


class FolderPartner(Partner):
    """Reads what the channel wrote into `folder`, and breaks the disk below it as it is told."""

    def __init__(self, config: Any, folder: Path, shim: Disk) -> None:
        self.config = config
        self._folder = folder
        self._shim = shim
        self._answers = threading.Event()
        self._away = folder.with_name(folder.name + "-away")

    async def become(self, behaviour: Behaviour) -> None:
        self._answers.set()
        self._answers = threading.Event()
        if self._away.exists():
            self._away.rename(self._folder)
        match behaviour:
            case Behaviour.ACCEPTS:
                self._shim.faults = {}
            case Behaviour.REFUSES:
                self._shim.faults = {"write": failing(errno.EFBIG)}
            case Behaviour.BUSY:
                self._shim.faults = {"write": failing(errno.ENOSPC)}
            case Behaviour.SILENT:
                answers = self._answers
                self._shim.faults = {"fsync file": lambda: self._hang(answers)}
            case Behaviour.DROPS:
                self._shim.faults = {"fsync folder": failing(errno.EIO)}
            case Behaviour.ABSENT:
                self._shim.faults = {}
                self._folder.rename(self._away)

    def _hang(self, answers: threading.Event) -> None:
        answers.wait(30)

    async def arrivals(self) -> Sequence[Arrival]:
        return [Arrival(name.split(".")[1], body) for name, body in self._shim.writes]

    async def accepted(self) -> Sequence[Arrival]:
        folder = self._folder if self._folder.exists() else self._away
        return [Arrival(path.stem, path.read_bytes()) for path in sorted(folder.glob("*.*"))]

    def close(self) -> None:
        """Let every call that hangs go on, and wait for its thread: it must not run into the next test's disk."""
        self._answers.set()
        for thread in threading.enumerate():
            if thread.name == "folder":
                thread.join(10)
