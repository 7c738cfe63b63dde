"""What the machine is and what else it did: figures mean nothing without it."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
import sysconfig
import time
from pathlib import Path

import apsw

from engine.clock import SystemClock


def facts(folder: Path) -> dict[str, str]:
    """Return name and text of each fact."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = Path("/proc/meminfo").read_text().splitlines()[0].split()[1]
    best, median = commit_ms(folder)
    return {
        "processor": f"{os.cpu_count()} cores, {cpu[0].split(':')[1].strip() if cpu else platform.machine()}",
        "memory": f"{int(memory) / 2**20:.0f} GB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()} {_build()}",
        "SQLite": f"{apsw.sqlite_lib_version()} (apsw)",
        "fdatasync of one page, ms": f"{best:.2f} at best, {median:.2f} median",
        "plain Python, ns per call": f"{calls_ns():.0f}",
    }


def _build() -> str:
    """Return whether the interpreter was built with profile-guided optimisation, as Debian's is: a quarter faster."""
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    optimised = "--enable-optimizations" in options or sys.base_prefix == "/usr"
    return "(optimised build)" if optimised else "(plain build)"


def commit_ms(folder: Path) -> tuple[float, float]:
    """Return what one write with fdatasync takes on the disk that is measured: the least and the median of 100."""
    path, took = folder / "probe", []
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(100):
        begun = time.perf_counter()
        os.pwrite(handle, bytes(4096), 0)
        os.fdatasync(handle)
        took.append((time.perf_counter() - begun) * 1000)
    os.close(handle)
    path.unlink()
    took.sort()
    return took[0], took[50]


def calls_ns() -> float:
    """Return the nanoseconds of CPU of a call in a loop: about 25 on an idle machine of 2024."""
    begun = time.process_time()
    for number in range(1_000_000):
        abs(number)
    return (time.process_time() - begun) * 1e3


def load() -> str:
    """Return how many processes wanted the machine over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def ticks() -> tuple[int, int]:
    """Return the processor time so far that other guests of the host took, and all of it, in ticks."""
    spent = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return spent[7], sum(spent)


def stolen(since: tuple[int, int]) -> str:
    """Return the share of the processors that the host gave to others since then."""
    now = ticks()
    return f"{100 * (now[0] - since[0]) / max(1, now[1] - since[1]):.0f} % stolen"


def today() -> str:
    """Return when this is, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(SystemClock().now_ms() / 1000))


def pragmas(store: Path) -> dict[str, str]:
    """Return the settings of a store, read from outside (those of a connection are the engine's own)."""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
        names = ("journal_mode", "page_size", "auto_vacuum", "secure_delete")
        return {name: str(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in names}
