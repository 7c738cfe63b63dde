"""Processes that are measured: start one, wait until it is ready, read what it uses, stop it."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.wire import REPOSITORY

_TICK = os.sysconf("SC_CLK_TCK")
READY_SECONDS = 60.0


class Failed(Exception):
    """A process that is measured ended or did not come up; the text says what it wrote."""


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """Return the environment of a child: the same packages, and this repository's rooms."""
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


@dataclass(frozen=True, slots=True)
class Use:
    """What a process used so far: seconds of CPU (user and system), kB of memory now and at most."""

    cpu: float
    rss_kb: int
    peak_kb: int


class Process:
    """A child whose lines are read as they come; ended with the block."""

    def __init__(self, words: Sequence[str], *, folder: Path | None = None, reads: str = "stdout") -> None:
        self.begun = time.monotonic()
        self._child = subprocess.Popen(  # our own programs with our own words
            words,
            cwd=folder or REPOSITORY,
            stdout=subprocess.PIPE if reads == "stdout" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if reads == "stderr" else None,
            text=True,
            env=environment(),
        )
        self.pid = self._child.pid
        self.lines: list[str] = []
        self._fresh: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(reads,), daemon=True)
        self._reader.start()

    def _read(self, reads: str) -> None:
        stream = self._child.stdout if reads == "stdout" else self._child.stderr
        assert stream is not None
        for line in stream:
            self.lines.append(line)
            self._fresh.put(line)
        self._fresh.put(None)

    def line_with(self, text: str, seconds: float = READY_SECONDS) -> str:
        """Return the next line that holds a text.

        Raises:
            Failed: the process ended or stayed silent before that.
        """
        until = time.monotonic() + seconds
        while True:
            try:
                line = self._fresh.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                raise Failed(f"no {text!r} within {seconds:g} s: {''.join(self.lines[-5:])}") from None
            if line is None:
                raise Failed(f"ended with {self._child.wait()}: {''.join(self.lines[-20:])}")
            if text in line:
                return line

    def use(self) -> Use:
        """Read what it used so far."""
        stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{self.pid}/status").read_text()
        memory = {
            line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith("Vm")
        }
        return Use((int(stat[11]) + int(stat[12])) / _TICK, int(memory["VmRSS"]), int(memory["VmHWM"]))

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self._child.kill()
        self._child.wait()

    def stop(self, seconds: float = 60.0) -> int:
        """Ask it to end and wait; return its exit code."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed("it did not stop") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child.poll() is None:
            self.kill()
        self._reader.join(5)


def python(*words: object, folder: Path | None = None) -> Process:
    """Start a module of this package."""
    return Process([sys.executable, "-m", *(str(word) for word in words)], folder=folder)


def command(*words: str) -> list[str]:
    """Return the words that run the product's command line."""
    return [sys.executable, "-m", "engine", *words]


def engine(folder: Path) -> Process:
    """Start the engine on a project; it is ready when this returns."""
    process = Process(command("run"), folder=folder, reads="stderr")
    try:
        process.line_with('"ready"')
    except Failed:
        process.kill()
        raise
    return process


def asked(folder: Path, *words: str) -> dict[str, object]:
    """Return what a verb answers as JSON, of the running or stopped engine of a project."""
    done = subprocess.run(
        command(*words, "--json"), cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise Failed(f"{words}: {done.stderr}")
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer
