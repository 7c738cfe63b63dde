"""Which resources a new document gets, and the references between them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.mapping.fhir.bundle import EACH
from engine.mapping.fhir.checking import Required
from engine.mapping.fhir.nodes import ScopePlan
from engine.mapping.rules import FhirPath, Slot

OWN: Final = ""
"""Stands for the place of the item itself among the resources by slot."""


@dataclass(frozen=True, slots=True)
class Link:
    """One reference to be written: from a slot's resource, or the item's place, to another slot's."""

    source: str
    path: FhirPath
    target: str
    required: tuple[Required, ...] = ()
    """What R4 must have in the item of a list that the reference makes."""


@dataclass(slots=True, eq=False)
class Linking:
    """The slots of one scope: `below` are those of its lists of resources."""

    slots: Sequence[Slot]
    below: Sequence[Slot]
    everywhere: Sequence[Slot]
    referring: Mapping[tuple[str, FhirPath], tuple[Required, ...]]

    def needed(self, valued: Collection[str], listed: Collection[Slot]) -> tuple[Slot, ...]:
        """Return the slots whose resources values, links and references ask for, in the order of making."""
        needed = {slot.name for slot in self.slots if slot.always or slot.name in valued}
        while True:
            asked = set(needed)
            for slot in [*(one for one in self.slots if one.name in needed), *listed]:
                if slot.link and isinstance(slot.link[0], str):
                    asked.add(slot.link[0])
                asked |= {name for name in (slot.link_to, slot.contained) if name}
                asked |= {name for _, name, forced in slot.refs if forced}
            more = {slot.name for slot in self.slots if slot.name in asked} - needed
            if not more:
                break
            needed |= more
        made = [slot for slot in self.slots if slot.name in needed]
        return tuple(sorted(made, key=lambda one: bool(one.contained)))

    def between(self, made: Sequence[Slot], found: Collection[str]) -> list[Link]:
        """Return the references between resources that are there, of which one is new."""
        fresh = {slot.name for slot in made}
        links = [link for slot in self.slots if slot.name in fresh for link in self._link(slot, found)]
        for slot in self.everywhere if made else ():
            if slot.name not in found:
                continue
            for path, name, _ in slot.refs:
                if name not in found:
                    continue
                if (EACH not in path and (name in fresh or slot.name in fresh)) or name in fresh:
                    links.append(self._made(slot.name, path, name))
        return list(dict.fromkeys(links))

    def of_item(self, slot: Slot, found: Collection[str]) -> list[Link]:
        """Return the references of a new resource that is an item of a list, and those that lead to it."""
        links = [
            self._made(slot.name, path, name)
            for path, name, _ in slot.refs
            if name in found and EACH not in path
        ]
        links += self._link(slot, found)
        for other in self.everywhere:
            links += [
                self._made(other.name, path, slot.name)
                for path, name, _ in other.refs
                if name == slot.name and other.name in found and EACH in path
            ]
        return list(dict.fromkeys(links))

    def _made(self, source: str, path: FhirPath, target: str) -> Link:
        return Link(source, path, target, self.referring.get((source, path), ()))

    def _link(self, slot: Slot, found: Collection[str]) -> list[Link]:
        if slot.link:
            first = slot.link[0]
            if not any(first == one.name for one in self.everywhere):
                return [Link(OWN, slot.link, slot.name)]
            return [self._made(str(first), slot.link[1:], slot.name)] if first in found else []
        if slot.link_from and slot.link_to in found:
            return [Link(slot.name, slot.link_from, slot.link_to)]
        return []

    def interest(self, own: Slot | None) -> frozenset[str]:
        """Return the slots of the scopes around whose presence decides which references there are."""
        mine = [*self.slots, *([own] if own is not None else [])]
        names = {one.name for one in mine}
        asked = {name for one in mine for _, name, _ in one.refs}
        asked |= {str(one.link[0]) for one in mine if one.link}
        asked |= {name for one in mine for name in (one.link_to, one.contained)}
        asked |= {one.name for one in self.everywhere if any(name in names for _, name, _ in one.refs)}
        return frozenset(asked & {one.name for one in self.everywhere}) - {one.name for one in self.slots}

    def outward(self, own: Slot | None) -> set[tuple[str, str]]:
        """Return (slot, element) of the scopes around into which references of this one may be written."""
        around = self.interest(own)
        mine = {one.name for one in (*self.slots, *([own] if own is not None else []))}
        found = {
            (str(one.link[0]), str(one.link[1]))
            for one in (*self.slots, *([own] if own is not None else []))
            if len(one.link) > 1 and one.link[0] in around
        }
        for other in self.everywhere:
            if other.name in around:
                found |= {(other.name, str(path[0])) for path, name, _ in other.refs if name in mine}
        return found


def linking(plan: ScopePlan, everywhere: Sequence[Slot]) -> Linking:
    """Return the links of a scope."""
    return Linking(
        plan.slots,
        [many.slot for many in plan.resources if many.slot is not None],
        list(everywhere),
        plan.referring,
    )
