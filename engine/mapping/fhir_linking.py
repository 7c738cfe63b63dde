"""Which resources a new document gets, and the references between them: settled once for each set of what is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.mapping.fhir_bundle import EACH, Instances, Resources
from engine.mapping.fhir_plan import ScopePlan
from engine.mapping.fhir_referring import append_reference, set_reference
from engine.mapping.rules import FhirPath, Slot

OWN: Final = ""
"""Stands for the place of the item itself among the resources by slot."""


@dataclass(frozen=True, slots=True)
class _Link:
    """One reference to be written: from a slot's resource, or the item's place, to another slot's."""

    source: str
    path: FhirPath
    target: str


@dataclass(slots=True, eq=False)
class Linking:
    """The slots of one scope: `below` are those of its lists of resources."""

    slots: Sequence[Slot]
    below: Sequence[Slot]
    everywhere: Sequence[Slot]
    _needs: dict[tuple[int, int, int], tuple[Slot, ...]] = field(default_factory=dict)
    _links: dict[tuple[tuple[Slot, ...], tuple[str, ...]], tuple[_Link, ...]] = field(default_factory=dict)

    def make(self, valued: int, listed: int, found: Instances, resources: Resources) -> tuple[Slot, ...]:
        """Make the resources that values (a bit for each slot), links and references ask for."""
        known = 0
        for at, slot in enumerate(self.slots):
            if slot.name in found:
                known |= 1 << at
        key = (valued, listed, known)
        made = self._needs.get(key)
        if made is None:
            made = self._needs[key] = self._needed(valued, listed, known)
        for slot in made:
            found[slot.name] = resources.make(slot, found.get(slot.contained))
        return made

    def _needed(self, valued: int, listed: int, known: int) -> tuple[Slot, ...]:
        here = {slot.name for at, slot in enumerate(self.slots) if known >> at & 1}
        needed = {slot.name for at, slot in enumerate(self.slots) if slot.always or valued >> at & 1}
        below = [slot for at, slot in enumerate(self.below) if listed >> at & 1]
        while True:
            asked = set(needed)
            for slot in [*(one for one in self.slots if one.name in needed - here), *below]:
                if slot.link and isinstance(slot.link[0], str):
                    asked.add(slot.link[0])
                asked |= {name for name in (slot.link_to, slot.contained) if name}
                asked |= {name for _, name, forced in slot.refs if forced}
            more = {slot.name for slot in self.slots if slot.name in asked} - needed
            if not more:
                break
            needed |= more
        made = [slot for slot in self.slots if slot.name in needed and slot.name not in here]
        return tuple(sorted(made, key=lambda one: bool(one.contained)))

    def refer(self, made: tuple[Slot, ...], found: Instances, own: Any, resources: Resources) -> None:
        """Write the references between resources of which one is new."""
        if not made:
            return
        key = (made, tuple(found))
        links = self._links.get(key)
        if links is None:
            links = self._links[key] = tuple(dict.fromkeys(self._between(made, found)))
        _write(links, found, own, resources)

    def refer_item(self, slot: Slot, found: Instances, own: Any, resources: Resources) -> None:
        """Write the references of a new resource that is an item of a list, and those that lead to it."""
        key = ((slot,), (OWN, *found))
        links = self._links.get(key)
        if links is None:
            links = self._links[key] = tuple(dict.fromkeys(self._of_item(slot, found)))
        _write(links, found, own, resources)

    def _between(self, made: tuple[Slot, ...], found: Instances) -> list[_Link]:
        fresh = {slot.name for slot in made}
        ordered = [slot for slot in self.slots if slot.name in fresh]
        links = [link for slot in ordered for link in self._link(slot, found)]
        for slot in self.everywhere:
            if slot.name not in found:
                continue
            for path, name, _ in slot.refs:
                if name not in found:
                    continue
                if (EACH not in path and (name in fresh or slot.name in fresh)) or name in fresh:
                    links.append(_Link(slot.name, path, name))
        return links

    def _of_item(self, slot: Slot, found: Instances) -> list[_Link]:
        links = [
            _Link(slot.name, path, name) for path, name, _ in slot.refs if name in found and EACH not in path
        ]
        links += self._link(slot, found)
        for other in self.everywhere:
            links += [
                _Link(other.name, path, slot.name)
                for path, name, _ in other.refs
                if name == slot.name and other.name in found and EACH in path
            ]
        return links

    def _link(self, slot: Slot, found: Instances) -> list[_Link]:
        if slot.link:
            first = slot.link[0]
            if not any(first == one.name for one in self.everywhere):
                return [_Link(OWN, slot.link, slot.name)]
            return [_Link(str(first), slot.link[1:], slot.name)] if first in found else []
        if slot.link_from and slot.link_to in found:
            return [_Link(slot.name, slot.link_from, slot.link_to)]
        return []


def linking(plan: ScopePlan, everywhere: Sequence[Slot]) -> Linking:
    """Return the links of a scope."""
    return Linking(
        plan.slots, [many.slot for many in plan.resources if many.slot is not None], list(everywhere)
    )


def _write(links: Sequence[_Link], found: Instances, own: Any, resources: Resources) -> None:
    for link in links:
        source = own if link.source == OWN else found[link.source]
        reference = resources.refer(found[link.target])
        if reference is None or not isinstance(source, dict):
            continue
        path = link.path
        name = path[0]
        if len(path) == 1 and name not in source:
            source[str(name)] = reference
        elif len(path) == 2 and path[1] == EACH and _appended(source, str(name), reference):
            continue
        elif EACH in path:
            append_reference(source, path, reference)
        else:
            set_reference(source, path, reference)


def _appended(source: dict[str, Any], name: str, reference: dict[str, Any]) -> bool:
    """Append a reference that no list has yet: it leads to a resource that was made just now."""
    listed = source.get(name)
    if listed is None:
        source[name] = [reference]
    elif isinstance(listed, list):
        listed.append(reference)
    else:
        return False
    return True
