"""Times of numbered messages in a file that two processes map: the load or sink writes, the bench reads.

The clock is the machine's monotonic one, the same for all processes. A number that was never seen has time 0.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

CAPACITY = 3_000_000
"""Numbers that a file has room for; what is never written takes no space on the disk."""

_ENTRY = struct.calcsize("d")


class Timings:
    """Seconds by number; a number that comes again is counted, and so is one that overtakes in its lane."""

    def __init__(self, path: Path) -> None:
        size = (CAPACITY + 4) * _ENTRY
        with path.open("a+b") as file:
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        self._values = memoryview(self._map).cast("d")

    def mark(self, number: int, seconds: float) -> bool:
        """Note when a number was seen; False where it was seen before, which is counted as a duplicate."""
        if self._values[number]:
            self._values[CAPACITY + 1] += 1
            return False
        self._values[number] = seconds
        self._values[CAPACITY] += 1
        return True

    def overtaken(self) -> None:
        """Count a number that came after a later one of its lane."""
        self._values[CAPACITY + 2] += 1

    @property
    def seen(self) -> int:
        """How many different numbers were marked."""
        return int(self._values[CAPACITY])

    @property
    def duplicates(self) -> int:
        """How often a number came again."""
        return int(self._values[CAPACITY + 1])

    @property
    def out_of_order(self) -> int:
        """How often a number came after a later one of its lane."""
        return int(self._values[CAPACITY + 2])

    def between(self, first: int, last: int) -> list[float]:
        """Return the seconds of the numbers from `first` to before `last`."""
        return list(map(float, self._values[first:last]))

    def close(self) -> None:
        """Give the file back."""
        self._values.release()
        self._map.close()
