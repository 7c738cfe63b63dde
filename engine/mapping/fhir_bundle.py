"""The resources of one document: which one is which slot's, what refers to what, and new ones with their ids."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from typing import Any, Final

from engine.mapping.fhir_plan import BUNDLE, ManyPlan, ScopePlan
from engine.mapping.fhir_values import MARK, json_at, meets
from engine.mapping.rules import FhirPath, Selector, Slot

Instances = dict[str, dict[str, Any]]
EACH: Final = -1


class Resources:
    """A Bundle, or a resource that stands alone with what it contains."""

    def __init__(self, document: dict[str, Any], slots: dict[str, Slot], seed: str) -> None:
        self.document = document
        self.slots = slots
        self._seed = seed
        self._made = 0
        self._claimed: set[int] = set()
        self._urls: dict[str, dict[str, Any]] = {}
        self._contained: dict[str, dict[str, Any]] = {}
        self._url_of: dict[int, str] = {}
        self._entry_of: dict[int, dict[str, Any]] = {}
        self._all: list[dict[str, Any]] = []
        self._marked = marked_slots(slots.values())
        for resource in self._found():
            self._note(resource)

    def fresh(self) -> Resources:
        """Return the same resources with none taken by a slot yet: to look without changing anything."""
        view = copy.copy(self)
        view._claimed = set()
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
        self._all.append(resource)
        entry = self._entry_of.get(id(resource), {})
        kind, own = resource.get("resourceType"), resource.get("id")
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
                self._all.append(one)

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
        waiting = [slot for slot in plan.slots if slot.name not in found]
        if BUNDLE in plan.nodes and self.is_bundle:
            found[BUNDLE] = self.document
        for last in (False, True):
            while True:
                before = len(waiting)
                waiting = [
                    slot for slot in waiting if not self._settled(slot, own, found, waiting, last=last)
                ]
                if len(waiting) == before:
                    break
        return found

    def _settled(self, slot: Slot, own: Any, found: Instances, waiting: list[Slot], *, last: bool) -> bool:
        """Find one slot's resource if it can be told by now; `last` takes the first that fits."""
        names = {one.name for one in waiting}
        if slot.link:
            source, path = self._linked(slot, own, found)
            if source is None:
                return slot.link[0] not in names or last
            return self._claim(slot, self.resolve(json_at(source[0], path), source[1]), found)
        if slot.link_from:
            target = found.get(slot.link_to)
            if target is None:
                return slot.link_to not in names or last
            mine = (
                one
                for one in self._candidates(slot)
                if self.resolve(json_at(one, _first(slot.link_from)), one) is target
            )
            return self._claim(slot, next(mine, None), found)
        referrers = [
            (one, path) for one in self.slots.values() for path, name, _ in one.refs if name == slot.name
        ]
        for one, path in referrers:
            if one.name in found:
                resource = self.resolve(json_at(found[one.name], _first(path)), found[one.name])
                if resource is not None and self._fits(slot, resource):
                    return self._claim(slot, resource, found)
        pending = any(one.name in names for one, _ in referrers)
        if not last and (pending or not referrers):
            return False
        if any(one.name in found and EACH not in path for one, path in referrers):
            return True
        return self._claim(slot, next(self._candidates(slot), None), found)

    def _linked(self, slot: Slot, own: Any, found: Instances) -> tuple[tuple[Any, Any] | None, FhirPath]:
        """Return where a link begins (with the resource that it lies in) and its path there."""
        first = slot.link[0]
        if isinstance(first, str) and first in self.slots:
            resource = found.get(first)
            return (None if resource is None else (resource, resource)), _first(slot.link[1:])
        return (None if own is None else (own, own)), _first(slot.link)

    def _claim(self, slot: Slot, resource: dict[str, Any] | None, found: Instances) -> bool:
        if resource is not None and self._fits(slot, resource):
            found[slot.name] = resource
            self._claimed.add(id(resource))
        return True

    def _fits(self, slot: Slot, resource: dict[str, Any]) -> bool:
        if resource.get("resourceType") != slot.type:
            return False
        mark = self._mark(resource)
        if mark is not None and mark in self.slots:
            return mark == slot.name
        return all(meets(resource, Selector(((path, text),))) for path, text in slot.where)

    def _mark(self, resource: dict[str, Any]) -> str | None:
        entry = self._entry_of.get(id(resource), {})
        extensions = entry.get("extension")
        for one in extensions if isinstance(extensions, list) else ():
            if isinstance(one, dict) and one.get("url") == MARK and isinstance(one.get("valueCode"), str):
                code: str = one["valueCode"]
                return code
        return None

    def _candidates(self, slot: Slot) -> Iterator[dict[str, Any]]:
        marked = [one for one in self._all if self._mark(one) == slot.name]
        for one in marked or self._all:
            if id(one) not in self._claimed and self._fits(slot, one):
                yield one

    def items(self, many: ManyPlan, own: Any, found: Instances) -> list[dict[str, Any]]:
        """Return the resources that are the items of a list, in order, and take them."""
        slot = many.slot
        if slot is None:
            return []
        mine = [one for one in self._members(slot, own, found) if self._fits(slot, one)]
        self._claimed.update(map(id, mine))
        return mine

    def _members(self, slot: Slot, own: Any, found: Instances) -> list[dict[str, Any]]:
        places: list[tuple[Any, FhirPath]] = []
        if slot.link:
            source, path = self._list_link(slot, own, found)
            return [] if source is None else self._referred(source, path)
        if slot.link_from:
            target = found.get(slot.link_to)
            mine = [
                one
                for one in self._candidates(slot)
                if self.resolve(json_at(one, _first(slot.link_from)), one) is target
            ]
            return mine if target is not None else []
        for one in self.slots.values():
            places += [
                (found[one.name], path)
                for path, name, _ in one.refs
                if name == slot.name and EACH in path and one.name in found
            ]
        for resource, path in places:
            referred = self._referred(resource, path)
            if referred:
                return referred
        return (
            []
            if any(path for _, path in places) and not self._marked & {slot.name}
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
        self._all.append(resource)
        if slot.contained or not self.is_bundle:
            holder = owner if owner is not None else self.document
            self._contain(slot, resource, holder)
            return resource
        self._made += 1
        url = self._free_url()
        request = self.document.get("type") in ("transaction", "batch")
        entry = entry_of(slot, resource, url, marked=slot.name in self._marked, request=request)
        self.document.setdefault("entry", []).append(entry)
        self._entry_of[id(resource)] = entry
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

    def refer(self, target: dict[str, Any]) -> dict[str, Any] | None:
        """Return a Reference to a resource, None where it has no id to be found by."""
        url = self._url_of.get(id(target))
        return None if url is None else {"reference": url}

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


def _first(path: FhirPath) -> FhirPath:
    """Return a path with its list taken at the first item."""
    return tuple(0 if step == EACH else step for step in path)
