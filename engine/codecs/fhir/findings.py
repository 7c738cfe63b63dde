"""What one structural check has found so far, and what it must know of the document that it is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.codecs.fhir.references import Resources
from engine.codecs.json import dotted
from engine.model import Fault

At = tuple[Any, "str | int"]
"""Where the check stands: (place of what holds it or None, JSON name or index). Text is made only of what is wrong."""


_LONGEST_NAME = 64


class Enough(Exception):
    """As many faults as were asked for have been found."""


@dataclass(slots=True)
class Scope:
    """Where references are resolved: in `root`, a Bundle or a single resource, by whoever is `source` at the moment.

    `closed` says that each `urn:` reference must lead to an entry.
    """

    root: Mapping[str, Any]
    closed: bool
    source: Mapping[str, Any]
    _resources: Resources | None = None

    def find(self, reference: str) -> Mapping[str, Any] | None:
        """Return the resource that a reference leads to, None where it is not in `root`."""
        if self._resources is None:
            self._resources = Resources(self.root)
        return self._resources.find(reference, self.source)


@dataclass(slots=True)
class Findings:
    """The faults of one call, in the order of the document; `scope` is set while a resource is being checked."""

    limit: int
    faults: list[Fault] = field(default_factory=list)
    scope: Scope | None = None

    def add(self, at: At, text: str, code: str) -> None:
        """Note a fault; Enough when it is the last one wanted."""
        self.faults.append(Fault(written(at), text, code))
        if len(self.faults) >= self.limit:
            raise Enough


def written(at: At) -> str:
    """Return a place as a path: `Patient.name[0].given[1]`, `Observation.value[x]`; odd names quoted, and cut."""
    parts: list[str | int] = []
    rest: At | None = at
    while rest is not None:
        rest, part = rest
        parts.append(part[:_LONGEST_NAME] if isinstance(part, str) else part)
    parts.reverse()
    choice = parts.pop() if str(parts[-1]).endswith("[x]") else ""
    return f"{dotted(parts)}.{choice}" if choice else dotted(parts)
