"""The FHIR head of a mapper: which resources there are, and how they refer to one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from engine.mapping.faults import Faults, key_mark
from engine.mapping.paths import BadPath, event_path, fhir_path
from engine.mapping.rules import FhirPath, Path, Slot

BUNDLES = ("message", "transaction", "batch", "collection", "document", "none")
SLOT_KEYS = frozenset(["type", "each", "link", "where", "constants", "refs", "always", "contained"])


class Element(Protocol):
    """What R4 says of an element, as `engine.codecs.fhir.definitions.Element` has it."""

    @property
    def min(self) -> int: ...
    @property
    def max(self) -> int | None: ...
    @property
    def types(self) -> tuple[str, ...]: ...
    @property
    def targets(self) -> tuple[str, ...]: ...
    @property
    def content(self) -> str: ...
    @property
    def choice(self) -> str: ...


class R4(Protocol):
    """The look-up of R4's definitions by path."""

    def __call__(self, path: str) -> Element | None: ...


class Children(Protocol):
    """JSON name -> element of what a type, or an element with content of its own, has."""

    def __call__(self, content: str) -> Mapping[str, Element]: ...


def read_slots(node: Mapping[str, Any], faults: Faults) -> tuple[dict[str, Slot], str, tuple[Path, ...]]:
    """Return the slots by name, the kind of Bundle, and the event paths that ids are made of."""
    for key in node.keys() - {"bundle", "slots", "seed", "others"}:
        faults.add(node[key], f'unknown key "{key}"', help="fhir: has bundle, slots, seed and others")
    bundle = str(node.get("bundle", "none"))
    if bundle not in BUNDLES:
        faults.add(node["bundle"], f"a Bundle is one of {', '.join(BUNDLES)}")
    seeds = node.get("seed", ())
    seed = tuple(event_path(str(one))[0] for one in ([seeds] if isinstance(seeds, str) else seeds))
    slots = {}
    for name, one in dict(node.get("slots", {})).items():
        slot = _slot(str(name), one, faults)
        if slot is not None:
            slots[slot.name] = slot
    return slots, bundle, seed


def _slot(name: str, node: Any, faults: Faults) -> Slot | None:
    if not isinstance(node, Mapping) or "type" not in node:
        faults.add(node, f"the slot {name} names its type: {{type: Patient}}")
        return None
    if not name[:1].isupper():
        faults.add(node, f"the name of a slot begins with a capital letter: {name}")
    for key in node.keys() - SLOT_KEYS:
        faults.add(
            key_mark(node, key), f'unknown key "{key}"', help=f"a slot has {', '.join(sorted(SLOT_KEYS))}"
        )
    link = node.get("link")
    below = link if isinstance(link, Mapping) else {}
    each: Path = ()
    if "each" in node:
        each = tuple(str(node["each"]).replace("[]", "").split("."))
    return Slot(
        name=name,
        type=str(node["type"]),
        mark=node,
        each=each,
        link=_path(link, faults) if isinstance(link, str) else (),
        link_from=_path(below["from"], faults) if "from" in below else (),
        link_to=str(below.get("to", "")),
        where=_values(node.get("where", {}), faults),
        constants=_values(node.get("constants", {}), faults),
        refs=_refs(node.get("refs", {}), faults),
        always=str(node.get("always", "")) == "true",
        contained=str(node.get("contained", "")),
    )


def link_path(text: str) -> FhirPath:
    """Return the path of a reference; -1 stands for `[]`: one item for each resource."""
    return tuple(-1 if step == EACH else step for step in fhir_path(text.replace("[]", f"[{EACH}]")))


EACH = 99
"""What `[]` is read as; no path needs the hundredth item of a list."""


def _path(node: Any, faults: Faults) -> FhirPath:
    try:
        return link_path(str(node))
    except BadPath as error:
        faults.add(node, str(error), at=(error.offset, error.length))
        return ()


def _values(node: Any, faults: Faults) -> tuple[tuple[FhirPath, str], ...]:
    if not isinstance(node, Mapping):
        faults.add(node, "a mapping of FHIR paths to values is needed")
        return ()
    found = []
    for text, value in node.items():
        try:
            found.append((fhir_path(text), str(value)))
        except BadPath as error:
            faults.add(key_mark(node, text), str(error))
    return tuple(found)


def _refs(node: Any, faults: Faults) -> tuple[tuple[FhirPath, str, bool], ...]:
    found = []
    for text, slot in node.items() if isinstance(node, Mapping) else ():
        try:
            found.append((link_path(text), str(slot).removesuffix("!"), str(slot).endswith("!")))
        except BadPath as error:
            faults.add(key_mark(node, text), str(error))
    return tuple(found)
