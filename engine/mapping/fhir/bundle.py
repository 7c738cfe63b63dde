"""The resources of one document: which one is which slot's, what refers to what, and new ones with their ids."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from engine.mapping.fhir.checking import Required
from engine.mapping.fhir.nodes import BUNDLE, ManyPlan, ScopePlan
from engine.mapping.fhir.pointing import Look, pointer
from engine.mapping.fhir.values import MARK, json_at, meets
from engine.mapping.rules import FhirPath, Selector, Slot

Instances = dict[str, dict[str, Any]]
EACH: Final = -1
_NOTHING: Final[dict[str, Any]] = {}


class Ways:
    """How the resources of a mapper's slots are found: made once for a mapper."""

    def __init__(
        self, slots: dict[str, Slot], referring: Mapping[tuple[str, FhirPath], tuple[Required, ...]]
    ) -> None:
        self.slots = slots
        self.referring = referring
        self.marked = marked_slots(slots.values())
        kinds = [slot.type for slot in slots.values()]
        self.single = {slot.name: kinds.count(slot.type) == 1 for slot in slots.values()}
        self.links = {
            slot.name: pointer(_first(slot.link[1:] if slot.link[0] in slots else slot.link))
            for slot in slots.values()
            if slot.link
        }
        self.links_from = {
            slot.name: pointer(_first(slot.link_from)) for slot in slots.values() if slot.link_from
        }
        self.referrers: dict[str, list[tuple[str, FhirPath, Look]]] = {name: [] for name in slots}
        for slot in slots.values():
            for path, name, _ in slot.refs:
                if name in slots:
                    self.referrers[name].append((slot.name, path, pointer(_first(path))))


class Resources:
    """A Bundle, or a resource that stands alone with what it contains."""

    def __init__(self, document: dict[str, Any], ways: Ways, seed: str) -> None:
        self.document = document
        self.slots = ways.slots
        self._ways = ways
        self._seed = seed
        self._made = 0
        self._claimed: set[int] = set()
        self._urls: dict[str, dict[str, Any]] = {}
        self._contained: dict[str, dict[str, Any]] = {}
        self._url_of: dict[int, str] = {}
        self._entry_of: dict[int, dict[str, Any]] = {}
        self._all: list[dict[str, Any]] = []
        self._by_type: dict[Any, list[dict[str, Any]]] = {}
        self._mark_of: dict[int, str] = {}
        for resource in self._found():
            self._note(resource)

    def view(self) -> Resources:
        """Return the same resources, as they are taken by slots now: to look without taking any."""
        view = copy.copy(self)
        view._claimed = set(self._claimed)
        return view

    @property
    def is_bundle(self) -> bool:
        """Whether the document is a Bundle."""
        return self.document.get("resourceType") == BUNDLE

    def _found(self) -> Iterator[dict[str, Any]]:
        entries = self.document.get("entry")
        if not self.is_bundle:
            yield self.document
        for entry in entries if self.is_bundle and isinstance(entries, list) else ():
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(resource, dict):
                self._entry_of[id(resource)] = entry
                yield resource

    def _note(self, resource: dict[str, Any]) -> None:
        self._add(resource)
        entry = self._entry_of.get(id(resource), _NOTHING)
        kind, own = resource.get("resourceType"), resource.get("id")
        if "extension" in entry:
            self._note_mark(resource, entry["extension"])
        names = [entry.get("fullUrl"), f"{kind}/{own}" if own else None]
        for name in names:
            if isinstance(name, str):
                self._urls.setdefault(name, resource)
                self._url_of.setdefault(id(resource), name)
        contained = resource.get("contained")
        for one in contained if isinstance(contained, list) else ():
            if isinstance(one, dict) and isinstance(one.get("id"), str):
                self._urls.setdefault(f"{id(resource)}#{one['id']}", one)
                self._contained.setdefault(f"#{one['id']}", one)
                self._url_of.setdefault(id(one), f"#{one['id']}")
                self._add(one)

    def _add(self, resource: dict[str, Any]) -> None:
        kind = resource.get("resourceType")
        self._all.append(resource)
        if isinstance(kind, str):
            self._by_type.setdefault(kind, []).append(resource)

    def _note_mark(self, resource: dict[str, Any], extensions: Any) -> None:
        for one in extensions if isinstance(extensions, list) else ():
            if isinstance(one, dict) and one.get("url") == MARK and isinstance(one.get("valueCode"), str):
                self._mark_of[id(resource)] = one["valueCode"]
                return

    # ------------------------------------------------------------ finding

    def resolve(self, reference: Any, source: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the resource that a Reference in `source` leads to, None where it leads out of the document."""
        text = reference.get("reference") if isinstance(reference, dict) else None
        if not isinstance(text, str):
            return None
        if text.startswith("#"):
            inside = self._urls.get(f"{id(source)}{text}")
            return inside if inside is not None else self._contained.get(text)
        found = self._urls.get(text)
        return found if found is not None else self._urls.get("/".join(text.split("/")[-2:]))

    def instances(self, plan: ScopePlan, own: dict[str, Any] | None, known: Instances) -> Instances:
        """Return the resource of each slot of a scope that is there, those of the scopes around it included."""
        found = dict(known)
        waiting = [slot for slot in plan.slots if slot.type in self._by_type and slot.name not in found]
        if BUNDLE in plan.nodes and self.is_bundle:
            found[BUNDLE] = self.document
        for last in (False, True):
            while waiting:
                names = {slot.name for slot in waiting}
                waiting = [slot for slot in waiting if not self._settled(slot, own, found, names, last=last)]
                if len(waiting) == len(names):
                    break
        return found

    def _settled(self, slot: Slot, own: Any, found: Instances, names: set[str], *, last: bool) -> bool:
        """Find one slot's resource if it can be told by now; `last` takes the first that fits.

        `names` are the slots that were not found yet.
        """
        if slot.link:
            first = slot.link[0]
            source = found.get(str(first)) if first in self.slots else own
            if source is None:
                return first not in names or last
            return self._claim(slot, self._at_link(slot, source), found)
        if slot.link_from:
            target = found.get(slot.link_to)
            if target is None:
                return slot.link_to not in names or last
            return self._claim(slot, next(self._pointing(slot, target), None), found)
        referrers = self._ways.referrers[slot.name]
        for name, _, look in referrers:
            if name in found:
                resource = self.resolve(look(found[name]), found[name])
                if resource is not None and self._fits(slot, resource):
                    return self._claim(slot, resource, found)
        pending = any(name in names for name, _, _ in referrers)
        if not last and (pending or not referrers):
            return False
        if any(name in found and EACH not in path for name, path, _ in referrers):
            return not self._is_only(slot) or self._claim(slot, self._by_type[slot.type][0], found)
        return self._claim(slot, next(self._candidates(slot), None), found)

    def _is_only(self, slot: Slot) -> bool:
        """Say whether a document has one resource that can be a slot's, and the mapper one slot for it."""
        return len(self._by_type[slot.type]) == 1 and self._ways.single[slot.name]

    def _at_link(self, slot: Slot, source: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the reference of a link leads to; of several slots at one list each takes what fits it."""
        if EACH not in slot.link:
            return self.resolve(self._ways.links[slot.name](source), source)
        path = slot.link[1:] if slot.link[0] in self.slots else slot.link
        fitting = (
            one
            for one in self._referred(source, path)
            if id(one) not in self._claimed and self._fits(slot, one)
        )
        return next(fitting, None)

    def _pointing(self, slot: Slot, target: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what refers to a resource as the slot says."""
        look = self._ways.links_from[slot.name]
        return (one for one in self._candidates(slot) if self.resolve(look(one), one) is target)

    def _claim(self, slot: Slot, resource: dict[str, Any] | None, found: Instances) -> bool:
        """Take a resource for a slot; one that several places refer to is the first one's alone."""
        if resource is not None and id(resource) not in self._claimed and self._fits(slot, resource):
            found[slot.name] = resource
            self._claimed.add(id(resource))
        return True

    def _fits(self, slot: Slot, resource: dict[str, Any]) -> bool:
        if resource.get("resourceType") != slot.type:
            return False
        mark = self._mark_of.get(id(resource))
        if mark is not None and mark in self.slots:
            return mark == slot.name
        return all(meets(resource, Selector(((path, text),))) for path, text in slot.where)

    def _candidates(self, slot: Slot) -> Iterator[dict[str, Any]]:
        known = self._by_type.get(slot.type, ())
        marked = [one for one in known if self._mark_of.get(id(one)) == slot.name] if self._mark_of else ()
        for one in marked or known:
            if id(one) not in self._claimed and self._fits(slot, one):
                yield one

    def items(self, many: ManyPlan, own: Any, found: Instances) -> list[dict[str, Any]]:
        """Return the resources that are the items of a list, in order, and take them."""
        slot = many.slot
        if slot is None:
            return []
        mine = [
            one
            for one in self._members(slot, own, found)
            if id(one) not in self._claimed and self._fits(slot, one)
        ]
        self._claimed.update(map(id, mine))
        return mine

    def _members(self, slot: Slot, own: Any, found: Instances) -> list[dict[str, Any]]:
        places: list[tuple[Any, FhirPath]] = []
        if slot.link:
            source, path = self._list_link(slot, own, found)
            return [] if source is None else self._referred(source, path)
        if slot.link_from:
            target = found.get(slot.link_to)
            return [] if target is None else list(self._pointing(slot, target))
        for name, way, _ in self._ways.referrers[slot.name]:
            if EACH in way and name in found:
                places.append((found[name], way))
        for resource, path in places:
            referred = self._referred(resource, path)
            if referred:
                return referred
        return (
            []
            if any(path for _, path in places) and not self._ways.marked & {slot.name}
            else list(self._candidates(slot))
        )

    def _list_link(self, slot: Slot, own: Any, found: Instances) -> tuple[Any, FhirPath]:
        first = slot.link[0]
        if isinstance(first, str) and first in self.slots:
            return found.get(first), slot.link[1:]
        return own, slot.link

    def _referred(self, source: Any, path: FhirPath) -> list[dict[str, Any]]:
        """Return what the references of a list lead to."""
        at = path.index(EACH) if EACH in path else len(path)
        listed = json_at(source, path[:at])
        if at == len(path):
            listed = [listed]
        found = (
            [self.resolve(json_at(one, path[at + 1 :]), source) for one in listed]
            if isinstance(listed, list)
            else []
        )
        unique: list[dict[str, Any]] = []
        for one in found:
            if one is not None and not any(one is other for other in unique):
                unique.append(one)
        return unique

    # ------------------------------------------------------------ making

    def make(self, slot: Slot, owner: dict[str, Any] | None) -> dict[str, Any]:
        """Add a resource for a slot: an entry, or contained in `owner`."""
        resource: dict[str, Any] = {"resourceType": slot.type}
        self._claimed.add(id(resource))
        self._add(resource)
        if slot.contained or not self.is_bundle:
            holder = owner if owner is not None else self.document
            self._contain(slot, resource, holder)
            return resource
        self._made += 1
        url = self._free_url()
        request = self.document.get("type") in ("transaction", "batch")
        entry = entry_of(slot, resource, url, marked=slot.name in self._ways.marked, request=request)
        self.document.setdefault("entry", []).append(entry)
        self._entry_of[id(resource)] = entry
        if slot.name in self._ways.marked:
            self._mark_of[id(resource)] = slot.name
        self._urls[url] = resource
        self._url_of[id(resource)] = url
        return resource

    def _contain(self, slot: Slot, resource: dict[str, Any], holder: dict[str, Any]) -> None:
        url = contain(slot, resource, holder)
        self._urls[f"{id(holder)}{url}"] = resource
        self._contained[url] = resource
        self._url_of[id(resource)] = url

    def _free_url(self) -> str:
        while True:
            seed = self._seed
            url = f"urn:uuid:{seed[:8]}-{seed[8:12]}-8{seed[13:16]}-a{seed[17:20]}-{seed[20:27]}{self._made:05x}"
            if url not in self._urls:
                return url
            self._made += 1

    def required(self, slot: str, path: FhirPath) -> tuple[Required, ...]:
        """Return what R4 must have in an item of a list that a slot's reference makes."""
        return self._ways.referring.get((slot, path), ())

    def refer(self, target: dict[str, Any]) -> dict[str, Any] | None:
        """Return a Reference to a resource, None where it has no id to be found by."""
        url = self._url_of.get(id(target))
        return None if url is None else {"reference": url}

    def drop(self, gone: Sequence[dict[str, Any]]) -> None:
        """Take resources out of the document to which nothing in it refers any more."""
        waiting = list(gone)
        while waiting:
            kept = set(_references(self.document))
            lost = [one for one in waiting if self._url_of.get(id(one)) not in kept]
            for one in lost:
                self.remove(one)
            waiting = [one for one in waiting if not any(one is other for other in lost)] if lost else []

    def remove(self, resource: dict[str, Any]) -> None:
        """Take a resource out of the document."""
        entries = self.document.get("entry", [])
        kept = [one for one in entries if not (isinstance(one, dict) and one.get("resource") is resource)]
        if len(kept) != len(entries):
            self.document["entry"] = kept
        for one in self._all:
            held = one.get("contained")
            if isinstance(held, list) and any(inner is resource for inner in held):
                one["contained"] = [inner for inner in held if inner is not resource]
                if not one["contained"]:
                    del one["contained"]
        self._all = [one for one in self._all if one is not resource]
        self._by_type[resource["resourceType"]] = [
            one for one in self._by_type[resource["resourceType"]] if one is not resource
        ]


def marked_slots(slots: Collection[Slot]) -> frozenset[str]:
    """Return the slots whose resources cannot be told from another's: their entries are marked."""
    kinds = [slot.type for slot in slots]
    loose = {slot.type for slot in slots if not slot.link and not slot.link_from and not slot.where}
    return frozenset(slot.name for slot in slots if slot.type in loose and kinds.count(slot.type) > 1)


def entry_of(
    slot: Slot, resource: dict[str, Any], url: str, *, marked: bool, request: bool
) -> dict[str, Any]:
    """Return a new entry of a Bundle."""
    entry: dict[str, Any] = {"fullUrl": url, "resource": resource}
    if marked:
        entry["extension"] = [{"url": MARK, "valueCode": slot.name}]
    if request:
        entry["request"] = {"method": "POST", "url": slot.type}
    return entry


def contain(slot: Slot, resource: dict[str, Any], holder: dict[str, Any]) -> str:
    """Put a resource into another; return the reference that leads to it."""
    held = holder.setdefault("contained", [])
    taken = {one.get("id") for one in held if isinstance(one, dict)}
    number = next(at for at in range(1, len(held) + 2) if f"{slot.name.lower()}-{at}" not in taken)
    resource["id"] = f"{slot.name.lower()}-{number}"
    held.append(resource)
    return f"#{resource['id']}"


def _references(node: Any) -> Iterator[str]:
    """Yield the addresses of all References in a document."""
    if isinstance(node, dict):
        reference = node.get("reference")
        if isinstance(reference, str):
            yield reference
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _first(path: FhirPath) -> FhirPath:
    """Return a path with its list taken at the first item."""
    return tuple(0 if step == EACH else step for step in path)
