"""The loss report: which leaves of a source the event has, which only the complement, which were dropped and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.mapping.v2.walking import leaves

_OUTLINE: Final = "outline"


@dataclass(frozen=True, slots=True)
class _Recommended:
    """The delimiters of an outline."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    subcomponent: str = "&"


MARKS: Final = _Recommended()
"""What divides an outline."""


@dataclass(frozen=True, slots=True)
class LossReport:
    """Paths of the source, never values.

    `opaque` leaves are in the complement only. `dropped` are (path, reason) that the mapper names; `warnings` (path,
    why) are leaves that a rule has, but could not read. Where there is an `outline` (a message with `m` for each leaf
    that is mapped and `o` for each other), `listed` is not all of `mapped`, which is worked out when it is asked for.
    """

    listed: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    outline: str = ""

    @property
    def mapped(self) -> tuple[str, ...]:
        """Paths of the leaves that the event has."""
        return mapped_of(self.outline) if self.outline else self.listed

    @property
    def complete(self) -> bool:
        """Whether the event has every leaf that is not dropped by name."""
        return not self.opaque

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"mapped": list(self.mapped), **self._unmapped()}

    def as_stored(self) -> dict[str, Any]:
        """Return it as it is kept: the outline instead of the list of what is mapped, a third of its size."""
        if not self.outline:
            return self.as_json()
        return {_OUTLINE: self.outline, **self._unmapped()}

    def _unmapped(self) -> dict[str, Any]:
        return {
            "opaque": list(self.opaque),
            "dropped": [list(one) for one in self.dropped],
            "warnings": [list(one) for one in self.warnings],
        }


def mapped_of(outline: str) -> tuple[str, ...]:
    """Return the paths of an outline's leaves that are mapped."""
    texts: Sequence[str] = outline.split("\r")
    return tuple(path for path, _, raw, _ in leaves(texts, texts, MARKS) if raw == "m")


def told(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report that was kept as it is told: with the list of what is mapped."""
    if _OUTLINE not in stored:
        return dict(stored)
    rest = {
        key: value for key, value in stored.items() if key not in (_OUTLINE, "opaque", "dropped", "warnings")
    }
    lists = {key: stored[key] for key in ("opaque", "dropped", "warnings")}
    return {**rest, "mapped": list(mapped_of(str(stored[_OUTLINE]))), **lists}
