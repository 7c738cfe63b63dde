"""The engine as a child process: started as a user starts it, killed without warning, asked when it is stopped.

Where it is started a hundred times, `tests/crash/forking.py` has a child that costs no import.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

START_SECONDS = 60.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.005
READY = '"action": "ready"'


class ChildFailed(Exception):
    """The engine did not start, or did not end as it should; the text quotes its log."""


class Process(Protocol):
    """What of `subprocess.Popen` is asked of whatever runs the engine."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...
    def send_signal(self, sig: int, /) -> None: ...


class Child:
    """One project's engine, started and killed any number of times."""

    def __init__(
        self, config: Path, *, command: Sequence[str] | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.config = config
        self.folder = config.parent
        self.log = self.folder / "engine.log"
        self.kills = 0
        self._command = list(command or (sys.executable, "-m", "engine"))
        self._environ = dict(environ or {})
        self._process: Process | None = None
        self._mark = 0

    @property
    def database(self) -> Path:
        return self.folder / "var/passerelle.db"

    def start(self, environ: Mapping[str, str] | None = None) -> None:
        """Start the engine; `ready` waits for it."""
        self._mark = self.log.stat().st_size if self.log.exists() else 0
        self._process = self._begun({**self._environ, **(environ or {})})

    def _begun(self, environ: Mapping[str, str]) -> Process:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*self._command, "run", "--config", str(self.config)],
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[2],
            )

    def is_ready(self) -> bool:
        """Say whether the engine said that it is ready; ChildFailed when it ended instead."""
        if READY in self.said():
            return True
        if self.running.poll() is not None:
            raise ChildFailed(f"the engine ended with {self.running.returncode}:\n{self.said()}")
        return False

    def said(self) -> str:
        """Return what it logged since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._mark)
            return log.read().decode()

    @property
    def running(self) -> Process:
        if self._process is None:
            raise ChildFailed("the engine was not started")
        return self._process

    def kill(self) -> None:
        """End it without warning."""
        self.running.kill()
        self.running.wait()
        self.kills += 1

    def stop(self) -> int:
        """Ask it to stop and return its exit code."""
        self.running.send_signal(signal.SIGTERM)
        return self.running.wait(STOP_SECONDS)

    def end(self) -> None:
        """Leave no process behind, however the test ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def ask(self, *verb: str) -> Any:
        """Return what a verb of the command line answers in JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "engine", *verb, "--json", "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=STOP_SECONDS,
            cwd=Path(__file__).parents[2],
            check=False,
        )
        if done.returncode not in (0, 1):
            raise ChildFailed(f"{' '.join(verb)} ended with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)


def await_ready(child: Child) -> None:
    """Block until the engine is ready; real time, since the child has a clock of its own."""
    deadline = time.monotonic() + START_SECONDS
    while not child.is_ready():
        if time.monotonic() > deadline:
            raise ChildFailed(f"the engine was not ready after {START_SECONDS:.0f} s:\n{child.said()}")
        time.sleep(POLL_SECONDS)
