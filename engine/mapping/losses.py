"""The loss report: which leaves of a source the event has, which only the complement, which were dropped and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LossReport:
    """Paths of the source, never values.

    `opaque` leaves are in the complement only. `dropped` are (path, reason) that the mapper names; `warnings` (path,
    why) are leaves that a rule has, but could not read.
    """

    mapped: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the event has every leaf that is not dropped by name."""
        return not self.opaque

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "mapped": list(self.mapped),
            "opaque": list(self.opaque),
            "dropped": [list(one) for one in self.dropped],
            "warnings": [list(one) for one in self.warnings],
        }
