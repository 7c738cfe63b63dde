"""The bare path for files: read, one row in a group commit, the copy written and synced, one completion, moved away.

    python -m bench.bare_files FOLDER TOGETHER

Takes what lies in `FOLDER/in` by handfuls of so many, and serves until it is ended.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import apsw

_PAUSE_SECONDS = 0.01


def take(database: apsw.Connection, folder: Path, names: list[str]) -> None:
    """Bring a handful of files through."""
    contents = [(folder / "in" / name).read_bytes() for name in names]
    with database:
        database.executemany(
            "INSERT INTO messages(name, body) VALUES (?, ?)", zip(names, contents, strict=True)
        )
    for name, content in zip(names, contents, strict=True):
        os.rename(folder / "in" / name, folder / "in/done" / name)
        handle = os.open(folder / f".{name}", os.O_WRONLY | os.O_CREAT, 0o640)
        os.write(handle, content)
        os.fsync(handle)
        os.close(handle)
        os.rename(folder / f".{name}", folder / "out" / name)
    for place in ("out", "in", "in/done"):
        handle = os.open(folder / place, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(handle)
        os.close(handle)
    with database:
        database.executemany("UPDATE messages SET done = 1 WHERE name = ?", [(name,) for name in names])


def main() -> None:
    """Serve until the process is ended."""
    folder, together = Path(sys.argv[1]), int(sys.argv[2])
    database = apsw.Connection(str(folder / "bare.db"))
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE messages(name TEXT PRIMARY KEY, body BLOB NOT NULL, done INTEGER)")
    print("ready", flush=True)
    while True:
        names = sorted(name for name in os.listdir(folder / "in") if name != "done")
        for start in range(0, len(names), together):
            take(database, folder, names[start : start + together])
        if not names:
            time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main()
