"""Tries a mapper's laws on one event each; what a law returns says what is wrong, None where it holds.

The laws are those of `docs/howto/write-a-mapper.md`: what was put is got again, from a new document (create), within an
earlier one (put and get), over FHIR (across), and what was got is put again as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from engine.cli.changes import Picture, changes
from engine.cli.map.documents import CODECS, written
from engine.cli.map.inventing import Event, within
from engine.errors import Rejected

if TYPE_CHECKING:
    from engine.mapping.two_way import TwoWayMapper

Law = Callable[[Event], str | None]
_SHOWN: Final = 4
"""Differences that are told of one event."""


@dataclass(slots=True)
class Trial:
    """The laws of one mapper; `before` is the event that an earlier document was made of."""

    mapper: TwoWayMapper
    before: Event | None = None

    def laws(self) -> Mapping[str, Law]:
        """Return the laws that this mapper's sides have, by name."""
        found: dict[str, Law] = {}
        if "v2" in self.mapper.sides:
            found["create: event -> HL7 -> event"] = lambda event: self._create("v2", event)
            found["put and get: event into an earlier HL7 message -> event"] = self._put_get
            found["get and put: HL7 -> event -> HL7"] = lambda event: self._get_put("v2", event)
        if "fhir" in self.mapper.sides:
            found["across: event -> FHIR -> event, what FHIR carries"] = self._across
            found["FHIR R4: its structures"] = self._structure
            found["get and put: FHIR -> event -> FHIR"] = lambda event: self._get_put("fhir", event)
        if "json" in self.mapper.sides:
            found["create: event -> JSON -> event"] = lambda event: self._create("json", event)
            found["get and put: JSON -> event -> JSON"] = lambda event: self._get_put("json", event)
        return found

    def _create(self, side: str, event: Event) -> str | None:
        event = within(self.mapper.definition, event, side)
        return _difference(event, self.mapper.get(side, self.mapper.put(side, event)).data)

    def _put_get(self, event: Event) -> str | None:
        if self.before is None:
            return None
        earlier = self.mapper.put("v2", self.before)
        complement = self.mapper.get("v2", earlier).complement
        event = within(self.mapper.definition, event, "v2")
        return _difference(event, self.mapper.get("v2", self.mapper.put("v2", event, complement)).data)

    def _get_put(self, side: str, event: Event) -> str | None:
        made = self.mapper.put(side, event)
        decoded = self.mapper.get(side, made)
        again = self.mapper.put(side, decoded.data, decoded.complement)
        return _told(Picture(CODECS[side], written(side, made)), Picture(CODECS[side], written(side, again)))

    def _across(self, event: Event) -> str | None:
        """FHIR need not carry all of an event, but what it gives back has to be the event's, and to stay."""
        once = self.mapper.get("fhir", self.mapper.put("fhir", event)).data
        twice = self.mapper.get("fhir", self.mapper.put("fhir", once)).data
        return _difference(once, twice)

    def _structure(self, event: Event) -> str | None:
        from engine.codecs.fhir.check import structural_faults

        faults = structural_faults(self.mapper.put("fhir", event))
        return "\n".join(f"{each.path}: {each.text}" for each in faults[:_SHOWN]) or None


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong, and whether the mapper refused the event itself."""

    text: str
    refused: bool


def outcome(law: Law, event: Event) -> Wrong | None:
    """Return what is wrong; a mapper that refuses an event of its own rules is wrong, too."""
    try:
        found = law(event)
    except Rejected as error:
        return Wrong(str(error), refused=True)
    return None if found is None else Wrong(found, refused=False)


def _difference(wanted: Any, found: Any) -> str | None:
    if wanted == found:
        return None
    return _told(Picture("json", written("event", wanted)), Picture("json", written("event", found)))


def _told(wanted: Picture, found: Picture) -> str | None:
    if wanted == found:
        return None
    differ = changes(wanted, found)
    lines = [f"{each.path}: {each.before or 'nothing'} became {each.after or 'nothing'}" for each in differ]
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([*lines[:_SHOWN], *more]) or (
        None if found.codec != CODECS["v2"] else "the bytes differ"
    )
