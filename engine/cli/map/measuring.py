"""Measures what a mapper carries of messages: leaf by leaf, by the event and by FHIR alone.

A leaf is carried by FHIR where it comes back from event -> FHIR -> event -> HL7 although nothing of the event went
beside the FHIR document.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from engine.cli.hl7.tree import branches
from engine.cli.map.documents import written
from engine.errors import Rejected
from engine.mapping.laws import merged
from engine.spi import TwoWay

_LEAF: Final = re.compile(
    r"(?P<segment>\w{3})(?:\[(?P<occurrence>\d+)\])?-(?P<field>\d+)"
    r"(?:\[(?P<repetition>\d+)\])?(?:\.(?P<component>\d+))?(?:\.(?P<subcomponent>\d+))?"
)
_INDEX: Final = re.compile(r"\[\d+\]")


class Place(NamedTuple):
    """Where a leaf of HL7 stands; all but the segment's name count from 1."""

    segment: str
    occurrence: int
    field: int
    repetition: int
    component: int
    subcomponent: int

    @classmethod
    def of(cls, path: str) -> Place | None:
        """Read a path (`PID-3[1].4.2`); None where it is none."""
        found = _LEAF.fullmatch(path)
        if found is None:
            return None
        segment, *numbers = found.groups()
        return cls(segment, *(int(each or 1) for each in numbers))

    @property
    def general(self) -> str:
        """The path as a mapper or the guide writes it: `PID-3.4`, whatever the repetition."""
        return f"{self.segment}-{self.field}.{self.component}"


def leaves_of(root: Any) -> dict[Place, str]:
    """Return the leaves of a message (the codec's root) that are not empty; HL7's null counts as one."""
    found: dict[Place, str] = {}
    for branch in branches(root, "2.5.1"):
        for leaf in branch.leaves:
            place = Place.of(leaf.path)
            if place is not None and leaf.value != "":
                found[place] = '""' if leaf.value is None else leaf.value
    return found


@dataclass(slots=True)
class Coverage:
    """The leaves of messages: how many there are, and how many of them each way carries.

    `fhir` counts those of `event` that FHIR carries alone. `unmapped` are the general paths of those in the
    complement. `met` are the general paths that messages had, `by_fhir` those of them that FHIR carried at least once.
    `whole` counts messages that came back byte for byte (L1), `across` those that did over FHIR where event and
    complement were stored with them, `alone` those of which FHIR alone gave back every leaf that the event carries.
    """

    messages: int = 0
    refused: int = 0
    leaves: int = 0
    event: int = 0
    fhir: int = 0
    complement: int = 0
    dropped: int = 0
    whole: int = 0
    across: int = 0
    alone: int = 0
    unmapped: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    by_fhir: Counter[str] = field(default_factory=Counter)

    def add(self, other: Coverage) -> None:
        """Add another's counts to these."""
        for name in ("unmapped", "met", "by_fhir"):
            getattr(self, name).update(getattr(other, name))
        for name in (
            "messages", "refused", "leaves", "event", "fhir", "complement", "dropped", "whole", "across", "alone",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def share(self, count: int, of: int | None = None) -> float:
        """Return a count as a share of all leaves, or of another count; 0 of none."""
        total = self.leaves if of is None else of
        return count / total if total else 0.0


def general(path: str) -> str:
    """Return a path of a report without what differs from message to message."""
    place = Place.of(path)
    return place.general if place else _INDEX.sub("", path)


def measure(mapper: TwoWay, side: str, root: Any, *, zone: str = "UTC") -> Coverage:
    """Return the coverage of one document; `root` is the codec's. Rejected where the mapper does not take it."""
    decoded = mapper.get(side, root, zone=zone)
    report = decoded.report.as_json()
    mapped, opaque, dropped = report["mapped"], report["opaque"], [path for path, _ in report["dropped"]]
    found = Coverage(
        messages=1,
        leaves=len(mapped) + len(opaque) + len(dropped),
        event=len(mapped),
        complement=len(opaque),
        dropped=len(dropped),
        unmapped=Counter(general(path) for path in opaque),
        met=Counter(general(path) for path in (*mapped, *opaque, *dropped)),
    )
    again = mapper.put(side, decoded.data, decoded.complement, zone=zone)
    found.whole = int(written(side, again) == written(side, root))
    if side == "v2" and "fhir" in mapper.sides:
        _through_fhir(mapper, root, decoded, mapped, zone, found)
    return found


def _through_fhir(
    mapper: TwoWay, root: Any, decoded: Any, mapped: list[str], zone: str, found: Coverage
) -> None:
    """Count what FHIR gives back: what it does not carry is blank in the message that is made of its event."""
    made = mapper.put("fhir", decoded.data, zone=zone)
    again = mapper.get("fhir", made, zone=zone).data
    before = leaves_of(root)
    back = mapper.put("v2", again, decoded.complement, zone=zone)
    after = leaves_of(back)
    kept = [place for path in mapped if (place := Place.of(path)) and _same(before, after, place)]
    found.fhir = len(kept)
    found.by_fhir = Counter(place.general for place in kept)
    whole = merged(decoded.data, again)
    found.across = int(_is_written_alike(mapper.put("v2", whole, decoded.complement, zone=zone), root))
    found.alone = int(len(kept) == len(mapped))


def _is_written_alike(made: Any, root: Any) -> bool:
    """Say whether a message is the other one byte for byte; one that cannot be written at all is not."""
    try:
        return written("v2", made) == written("v2", root)
    except Rejected:
        return False


def _same(before: Mapping[Place, str], after: Mapping[Place, str], place: Place) -> bool:
    return place in before and before[place] == after.get(place)
