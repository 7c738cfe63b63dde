"""The engine as a fork of a nursery, driven from plain threads: what is killed a hundred times is imported once.

A fork runs the command line's own `main` on the same files as a process that a user starts; only the import of the
product, seconds of it, is shared. Nothing of the engine's runs before the fork.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from queue import Queue
from typing import Any

from tests.crash.child import STOP_SECONDS, Child, ChildFailed, Process

_FORK_SECONDS = 60.0


class Fork:
    """One child; it speaks as `subprocess.Popen` does."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = threading.Event()

    def end(self, status: int) -> None:
        """Hear that it ended, by an exit code or, negative, by a signal."""
        self.returncode = status
        self._ended.set()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code; TimeoutExpired where it runs on."""
        if not self._ended.wait(_FORK_SECONDS if timeout is None else timeout):
            raise subprocess.TimeoutExpired(["fork", str(self.pid)], timeout or _FORK_SECONDS)
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, sig: int, /) -> None:
        if self.returncode is None:
            os.kill(self.pid, sig)


class Forks:
    """A nursery without fault points; forks until it is closed, and leaves no child behind."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise ChildFailed(f"the nursery ended with {self._process.wait()}")
        self._forks: dict[int, Fork] = {}
        self._born: Queue[Fork] = Queue()
        self._asking = threading.Lock()
        self._hearing = threading.Thread(target=self._hear, name="nursery")
        self._hearing.start()

    def close(self) -> None:
        """End the nursery, and with it what still runs."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._hearing.join()
        self._process.stdout.close()
        self._process.wait()

    def fork(self, argv: list[str], log: Path, errors: Path, environ: Mapping[str, str]) -> Fork:
        """Start a command line in a child; its output goes to the end of `log`, its errors to that of `errors`."""
        command = {"argv": argv, "environ": dict(environ), "log": str(log), "errors": str(errors)}
        assert self._process.stdin is not None
        with self._asking:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            return self._born.get(timeout=_FORK_SECONDS)

    def child(self, config: Path) -> Child:
        """Return the engine of a project, not yet started."""
        return ForkedChild(self, config)

    def _hear(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "status" in said:
                self._forks.pop(said["pid"]).end(said["status"])
            else:
                self._forks[said["pid"]] = Fork(said["pid"])
                self._born.put(self._forks[said["pid"]])


class ForkedChild(Child):
    """One project's engine, every start of it a fork."""

    def __init__(self, forks: Forks, config: Path) -> None:
        super().__init__(config)
        self._forks = forks
        self._asked = 0

    def _begun(self, environ: Mapping[str, str]) -> Process:
        self.log.touch()  # it is read before the fork came to open it
        return self._forks.fork(["run", "--config", str(self.config)], self.log, self.log, environ)

    def ask(self, *verb: str) -> Any:
        self._asked += 1
        answer, errors = (self.folder / f"asked-{self._asked}.{kind}" for kind in ("json", "log"))
        argv = [*verb, "--json", "--config", str(self.config)]
        status = self._forks.fork(argv, answer, errors, {}).wait(STOP_SECONDS)
        if status not in (0, 1):
            raise ChildFailed(f"{' '.join(verb)} ended with {status}: {errors.read_text()}")
        found = json.loads(answer.read_text())
        for path in (answer, errors):
            path.unlink()
        return found
