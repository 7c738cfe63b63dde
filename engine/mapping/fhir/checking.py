"""What R4 says of a mapper's FHIR paths: elements that it does not have, lists, types, targets of references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.mapping.faults import Faults, key_mark
from engine.mapping.fhir.leaves import FITS
from engine.mapping.paths import shown
from engine.mapping.rules import FhirPath, Leaf, Slot
from engine.mapping.slots import R4, Children, Element

_DATES = {
    "date": "ts",
    "dateTime": "ts",
    "instant": "ts",
    "time": "time",
    "boolean": "bool",
    "decimal": "num",
}
_DEEPEST = 3
"""How many levels of elements that are absent may have elements that they must have."""


@dataclass(frozen=True, slots=True)
class Required:
    """An element that must be there, by all names that it can have; `primitive` and `listed` are of the last."""

    names: tuple[str, ...]
    primitive: bool
    listed: bool
    inner: tuple[Required, ...] = ()

    def there(self, here: Mapping[str, Any]) -> bool:
        """Say whether an object has it, or says something of it."""
        return any(name in here or f"_{name}" in here for name in self.names)


class Judge:
    """Checks paths as they are planned; without R4 at hand it finds nothing."""

    def __init__(self, r4: R4 | None, faults: Faults, children: Children | None = None) -> None:
        self._r4 = r4
        self._children = children
        self._faults = faults
        self.at: Any = None

    def type_of(self, names: Sequence[str]) -> str:
        """Return the primitive type of an element, "string" where nobody knows."""
        element = self.element(names)
        return element.types[0] if element is not None and element.types else "string"

    def element(self, names: Sequence[str]) -> Element | None:
        """Return what R4 says of an element."""
        return self._r4(".".join(names)) if self._r4 is not None else None

    def codes_of(self, names: Sequence[str]) -> frozenset[str] | None:
        """Return the codes that an element must have one of, None where it may have any."""
        binding = getattr(self.element(names), "binding", None)
        codes: frozenset[str] | None = binding.codes if binding and binding.strength == "required" else None
        return codes

    def required(self, names: Sequence[str]) -> list[Required]:
        """Return what R4 must have in an object: it is said to be absent where no rule writes it."""
        element = self.element(names)
        if (
            element is None
            or self._children is None
            or element.content in ("", "Extension", "Bundle", "Bundle.entry")
        ):
            return []
        return self._required(element.content, 0)

    def _required(self, content: str, level: int) -> list[Required]:
        """Return what R4 must have in what has this content; within what is absent itself, too."""
        found: dict[str, Required] = {}
        if self._children is None or not content or level > _DEEPEST:
            return []
        for name, child in self._children(content).items():
            if child.min < 1:
                continue
            known = found.get(child.choice or name)
            others = known.names if known is not None else ()
            primitive = child.types[0][:1].islower()
            inner = () if primitive else tuple(self._required(child.content, level + 1))
            found[child.choice or name] = Required((*others, name), primitive, child.max != 1, inner)
        return list(found.values())

    def step(self, names: Sequence[str], *, listed: bool) -> None:
        """Check an object on the way of a path: that it is there, and a list where the path says so."""
        if self._r4 is None:
            return
        element = self.element(names)
        if element is None:
            if len(names) < 2 or self.element(names[:-1]) is not None:
                self._tell(names[-1], f"R4 has no element {'.'.join(names)}")
        elif len(names) > 1 and listed != (element.max != 1):
            what = (
                "is a list in R4: write an index, a selector or a list rule"
                if not listed
                else "is no list in R4"
            )
            self._tell(names[-1], f"{'.'.join(names)} {what}")

    def leaf(self, leaf: Leaf, names: Sequence[str], *, listed: bool) -> None:
        """Check where a leaf is written: a primitive that can hold its type."""
        self.step(names, listed=listed)
        element = self.element(names)
        if element is None or not element.types:
            return
        kind = element.types[0]
        if len(element.types) > 1:
            self._tell(
                names[-1],
                f"{'.'.join(names)} is of several types: write {names[-1].removesuffix('[x]')}String, ...",
            )
        elif not kind[:1].islower():
            self._tell(names[-1], f"{'.'.join(names)} is a {kind}, no value: name an element of it")
        elif leaf.kind != "any" and kind not in FITS[leaf.kind]:
            wanted = f"type: {_DATES[kind]}" if kind in _DATES else "another type"
            self._tell(
                names[-1], f"{'.'.join(names)} is a {kind}: the rule needs {wanted}, it has {leaf.kind}"
            )

    def slot(self, slot: Slot, slots: dict[str, Slot]) -> None:
        """Check a slot: its type, and that its references may lead where they do."""
        self.at = slot.mark.get("type") if isinstance(slot.mark, dict) else slot.mark
        if self._r4 is not None and self._r4(slot.type) is None:
            self._tell(slot.type, f"R4 has no resource {slot.type}")
            return
        for path, name, _ in slot.refs:
            self.at = key_mark(slot.mark, "refs")
            self._reference((slot.type,), path, slots.get(name), name)
        for name in (slot.link_to, slot.contained):
            if name and name not in slots:
                self._faults.add(slot.mark, f"the slot {slot.name} names {name}, which is no slot")
        if slot.link and isinstance(slot.link[0], str) and slot.link[0] in slots:
            self.at = slot.mark.get("link") if isinstance(slot.mark, dict) else slot.mark
            self._reference((slots[slot.link[0]].type,), slot.link[1:], slot, slot.name)

    def _reference(self, names: tuple[str, ...], path: FhirPath, target: Slot | None, name: str) -> None:
        if target is None:
            self._faults.add(self.at, f"there is no slot {name}")
            return
        names += tuple(step for step in path if isinstance(step, str))
        element = self.element(names)
        if self._r4 is None:
            return
        if element is None:
            self._faults.add(self.at, f"R4 has no element {'.'.join(names)}")
        elif "Reference" not in element.types:
            self._faults.add(self.at, f"{'.'.join(names)} is no reference in R4")
        elif element.targets and target.type not in element.targets and "Resource" not in element.targets:
            self._faults.add(
                self.at, f"{'.'.join(names)} refers to {' | '.join(element.targets)}, not to {target.type}"
            )

    def _tell(self, name: str, message: str) -> None:
        node = self.at
        text = node if isinstance(node, str) else None
        offset = text.rfind(name) if text is not None else -1
        self._faults.add(node, message, at=(offset, len(name)) if offset >= 0 else None)

    def unreachable(self, path: FhirPath, slot: str) -> None:
        """Tell that a path names a slot that belongs to another list of the event."""
        self._faults.add(
            self.at, f"{shown(path)}: the slot {slot} is not one of this item's: give it the same each:"
        )
