"""How long the command line takes: help, and the check of a hundred routes."""

from __future__ import annotations

import resource
import subprocess
import time
from pathlib import Path

from bench import project
from bench.processes import Failed, command, environment

ROUTES = 100
_TIMES = 5


def measure(folder: Path) -> dict[str, object]:
    """Return seconds, and seconds of CPU, as medians of five calls each."""
    project.rest_to_webhook(folder / "commands", 9, routes=ROUTES)
    help_s, help_cpu = timed(folder, "--help")
    check_s, check_cpu = timed(folder / "commands", "check")
    return {"help_s": help_s, "help_cpu_s": help_cpu, "check_s": check_s, "check_cpu_s": check_cpu}


def timed(folder: Path, *words: str) -> tuple[float, float]:
    """Return the median seconds, on the clock and of CPU, of one command.

    Raises:
        Failed: it ended with another code than 0.
    """
    wall, cpu = [], []
    for _ in range(_TIMES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begun = time.monotonic()
        done = subprocess.run(
            command(*words), cwd=folder, env=environment(), capture_output=True, text=True, check=False
        )
        wall.append(time.monotonic() - begun)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if done.returncode:
            raise Failed(f"{words} ended with {done.returncode}: {done.stderr}")
    return sorted(wall)[_TIMES // 2], sorted(cpu)[_TIMES // 2]
