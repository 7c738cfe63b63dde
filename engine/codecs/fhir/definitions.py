"""What FHIR R4 says of every element: how often it may stand there, of which types, with which codes.

The table `definitions.tsv` holds the official definitions of all resources and data types; each type is read on its
first use. Source: HL7 FHIR R4 (4.0.1), StructureDefinitions; JSON names as in its 2.6.2 (JSON representation).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType

VERSION = "4.0.1"
_REFERENCE = re.compile(r"Reference(?:\(([\w,]+)\))?")


@dataclass(frozen=True, slots=True)
class Binding:
    """The codes that an element should, or must, hold.

    `codes` is None where the specification lists none (MIME types, currencies) and where the binding is not required;
    `coded` has the same codes as pairs (system, code), for Coding and CodeableConcept.
    """

    strength: str
    value_set: str
    codes: frozenset[str] | None = None
    coded: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Element:
    """An element as R4 defines it.

    `path` is where it is defined (`HumanName.given`, `Observation.value[x]`), `max` None for `*`. A choice by its own
    name has all its `types`; `valueQuantity` has the one, and `choice` says `value[x]`. `targets` are the resource
    types that a Reference may point to, () for any. `content` is the type or path whose `children` it has, "" where
    it has none or a choice leaves it open; a Quantity that may have no comparator has those of `SimpleQuantity`.
    """

    path: str
    min: int
    max: int | None
    types: tuple[str, ...]
    targets: tuple[str, ...] = ()
    binding: Binding | None = None
    content: str = ""
    choice: str = ""

    @property
    def repeats(self) -> bool:
        """Whether it is a list in JSON."""
        return self.max != 1


@cache
def element(path: str) -> Element | None:
    """Return what R4 says of a path of names as JSON writes them, None where R4 has no such element.

    It follows data types (`Patient.name.given`), choices (`Observation.valueQuantity.unit`; `Observation.value[x]` is
    the choice itself), contentReferences, extensions (`Patient.extension.valueString`) and the siblings of primitive
    values (`Patient._birthDate.extension`). A type alone (`Patient`, `HumanName`) is an element without bounds.
    """
    name, *rest = path.split(".")
    if name not in _sections():
        return None
    found: Element | None = Element(name, 0, None, (name,), content=name)
    for step in rest:
        if found is None:
            return None
        found = (
            children(found.content).get(step) or _choice(found.content, step) or _sibling(found.content, step)
        )
    return found


@cache
def children(content: str) -> Mapping[str, Element]:
    """Return JSON name -> element of a type (`HumanName`) or of a path with content of its own (`Patient.contact`).

    Choices stand under each name that they can have (`valueQuantity`, `valueString`); an element that R4 forbids there
    is left out. Empty for primitive types and what R4 does not have.
    """
    found: dict[str, Element] = {}
    if is_primitive(content):
        return found
    for item in _defined(content).values():
        name = item.path.rpartition(".")[2]
        if item.max == 0:
            found.pop(name, None)
        elif name.endswith("[x]"):
            found |= {f"{name[:-3]}{kind[0].upper()}{kind[1:]}": _narrowed(item, kind) for kind in item.types}
        else:
            found[name] = item
    return MappingProxyType(found)


@cache
def resource_types() -> frozenset[str]:
    """Return the names of all resources that exist as such: without `Resource` and `DomainResource`."""
    kinds = {name for name, (kind, _, _) in _sections().items() if kind == "resource"}
    return frozenset(kinds - {"Resource", "DomainResource"})


@cache
def element_names() -> frozenset[str]:
    """Return what JSON members are called anywhere in R4 (`birthDate`, `valueQuantity`, `resourceType`)."""
    found = {"resourceType"}
    for _, _, rows in _sections().values():
        for row in rows:
            path, _, _, kinds = f"{row}\t".split("\t")[:4]
            name = path.rpartition(".")[2]
            types = _REFERENCE.sub("Reference", kinds).replace("SimpleQuantity", "Quantity").split("|")
            chosen = {f"{name[:-3]}{kind[0].upper()}{kind[1:]}" for kind in types}
            found |= chosen if name.endswith("[x]") else {name}
    return frozenset(found)


@cache
def is_primitive(name: str) -> bool:
    """Say whether a type is a JSON string, number or boolean (`date`, `decimal`, `xhtml`)."""
    return name in _sections() and _sections()[name][0] == "primitive"


def _choice(content: str, name: str) -> Element | None:
    found = _defined(content).get(name) if name.endswith("[x]") else None
    return found and replace(found, content="")


def _sibling(content: str, name: str) -> Element | None:
    """Return `_birthDate`: the id and the extensions of a primitive value (R4 2.6.2.3)."""
    value = children(content).get(name[1:]) if name.startswith("_") else None
    if value is None or not is_primitive(value.types[0]):
        return None
    return Element(value.path, 0, value.max, ("Element",), content="Element", choice=value.choice)


def _narrowed(item: Element, kind: str) -> Element:
    """Return a choice for the one type that was chosen."""
    return replace(
        item,
        types=(kind,),
        targets=item.targets if kind == "Reference" else (),
        content="" if is_primitive(kind) else (kind == "Quantity" and item.content) or kind,
        choice=item.path.rpartition(".")[2],
    )


@cache
def _defined(content: str) -> Mapping[str, Element]:
    """Return name -> element as defined, choices as `value[x]`, with what the base of the type defines first."""
    name, _, below = content.partition(".")
    if name not in _sections():
        return {}
    _, base, rows = _sections()[name]
    if below:
        parent = next((row for row in rows if row.startswith(f"{below}\t")), None)
        if parent is None:
            return {}
        base = parent.split("\t")[3]
    found = dict(_defined(base)) if base else {}
    prefix = f"{below}." if below else ""
    for row in rows:
        path = row[: row.index("\t")]
        if path.startswith(prefix) and "." not in path[len(prefix) :]:
            found[path[len(prefix) :]] = _element(name, row)
    return found


def _element(owner: str, row: str) -> Element:
    path, least, most, kinds, strength = f"{row}\t".split("\t")[:5]
    max_ = None if most == "*" else int(most)
    if kinds.startswith("#"):  # as another path of the same resource has it
        return Element(f"{owner}.{path}", int(least), max_, ("BackboneElement",), content=kinds[1:])
    names = [kind.partition("(")[0] for kind in kinds.split("|")]
    content = "" if len(names) > 1 or is_primitive(names[0]) else names[0]
    if content in ("BackboneElement", "Element"):
        content = f"{owner}.{path}"
    elif "SimpleQuantity" in names:
        content = "SimpleQuantity"
    types = tuple("Quantity" if name == "SimpleQuantity" else name for name in names)
    reference = _REFERENCE.search(kinds)
    targets = tuple(reference[1].split(",")) if reference and reference[1] else ()
    return Element(f"{owner}.{path}", int(least), max_, types, targets, _binding(strength), content)


@cache
def _binding(text: str) -> Binding | None:
    if not text:
        return None
    strength, _, value_set = text.partition(" ")
    listed = _value_sets().get(value_set) if strength == "required" else None
    if listed is None:
        return Binding(strength, value_set)
    coded = frozenset(
        (system, code) for system, codes in (line.split("\t") for line in listed) for code in codes.split(" ")
    )
    return Binding(strength, value_set, frozenset(code for _, code in coded), coded)


@cache
def _parts() -> tuple[list[str], list[str]]:
    """Return the texts of the types, then of the value sets; each starts with its name."""
    text = files("engine.codecs.fhir").joinpath("definitions.tsv").read_text("utf-8")
    structures, *value_sets = text.split("\n=")
    return structures.split("\n@")[1:], value_sets


@cache
def _sections() -> Mapping[str, tuple[str, str, tuple[str, ...]]]:
    """Return type -> its kind (primitive, complex, resource), its base, its rows."""
    found: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    for part in _parts()[0]:
        head, *rows = part.split("\n")
        name, kind, base = head.split("\t")
        found[name] = (kind, base, tuple(row for row in rows if row))
    return found


@cache
def _value_sets() -> Mapping[str, list[str]]:
    """Return URL -> lines of a code system and its codes."""
    return {
        lines[0]: [line for line in lines[1:] if line] for lines in (part.split("\n") for part in _parts()[1])
    }
