"""Runs verbs: in this process on a stopped store, and in processes of their own beside a running engine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from engine.cli import cli
from engine.cli.exits import guarded

ROOT = Path(__file__).parents[2]
PATIENCE = 60
"""Seconds that another process is given; a test that waits so long has failed."""

KEPT = ("PATH", "HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What another process has of this one's environment."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a verb printed and ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Shell:
    """A person in a project's folder."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ended:
        """Run a verb in this process."""
        self.capture.readouterr()
        code = guarded(cli, arguments)
        out, err = self.capture.readouterr()
        return Ended(code, out, err)


def shell_in(folder: Path, capture: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a shell in a folder, in English whatever the machine speaks."""
    monkeypatch.chdir(folder)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "PASSERELLE_CONFIG", "PASSERELLE_SOCKET", "PASSERELLE_ENV"):
        monkeypatch.delenv(name, raising=False)
    return Shell(folder, capture)


def environment(**more: str) -> dict[str, str]:
    """Return the environment of another process: English, and this repository's code."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **more}


def passerelle(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Ended:
    """Run a verb in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "engine", *arguments],
        cwd=folder, env=env or environment(), capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


class Supervised:
    """An engine as systemd runs it: it says how it stands on a notify socket."""

    def __init__(
        self,
        folder: Path,
        *,
        watchdog_seconds: float = 0.0,
        more: Mapping[str, str] | None = None,
        under: Sequence[str] = (),
    ) -> None:
        """`more` is added to the environment; `under` is a command that runs the engine's, such as a tracer."""
        self.folder = folder
        self._more = dict(more or {})
        self._under = under
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listening.settimeout(PATIENCE)
        self._address = folder / "notify.sock"
        self._watchdog = watchdog_seconds
        self.told: list[str] = []

    def __enter__(self) -> Self:
        self._listening.bind(str(self._address))
        more = {**self._more, "NOTIFY_SOCKET": str(self._address)}
        if self._watchdog:
            more["WATCHDOG_USEC"] = str(round(self._watchdog * 1_000_000))
        self._log = (self.folder / "engine.log").open("wb")
        self.process = subprocess.Popen(
            [*self._under, sys.executable, "-m", "engine", "run"],
            cwd=self.folder, env=environment(**more), stdout=self._log, stderr=self._log,
        )  # fmt: skip
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.close()
        self._listening.close()

    @property
    def log(self) -> str:
        """What it wrote on standard error."""
        return (self.folder / "engine.log").read_text(encoding="utf-8")

    def wait_for(self, state: str) -> None:
        """Wait until it says a state; AssertionError with its log where it does not."""
        while state not in self.told:
            try:
                self.told += self._listening.recv(4096).decode().splitlines()
            except TimeoutError:
                raise AssertionError(f"it never said {state}: {self.log}") from None

    def forget(self) -> None:
        """Forget what it said so far."""
        self.told.clear()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(PATIENCE)


@contextmanager
def supervised(folder: Path, *, watchdog_seconds: float = 0.0) -> Iterator[Supervised]:
    """Run the engine of a project until the block ends; it is ready when the block begins."""
    with Supervised(folder, watchdog_seconds=watchdog_seconds) as engine:
        engine.wait_for("READY=1")
        yield engine
