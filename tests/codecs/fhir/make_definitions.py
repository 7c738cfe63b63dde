"""Write what R4 says of every resource and data type into `engine/codecs/fhir/definitions.tsv`.

    .venv/bin/python -m tests.codecs.fhir.make_definitions DIR

DIR holds the official definitions of FHIR 4.0.1 (CC0) as the specification publishes them:
`profile/profiles-types.xml`, `profile/profiles-resources.xml`, `valueset/valuesets.xml`,
`valueset/v3-codesystems.xml`. The Java archive
`ca.uhn.hapi.fhir:hapi-fhir-validation-resources-r4` has all four unchanged, in `org/hl7/fhir/r4/model`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

TARGET = Path(__file__).parents[3] / "engine" / "codecs" / "fhir" / "definitions.tsv"
HEAD = """\
; HL7 FHIR R4 (4.0.1): elements of all resources and data types, and the codes of required bindings.
; Made by tests/codecs/fhir/make_definitions.py from the official StructureDefinitions, ValueSets and CodeSystems.
; Source: HL7 FHIR Release 4 (v4.0.1, 2019-11-01), definitions in XML; licence: CC0 1.0. FHIR is HL7's trade mark.
; @TYPE kind base, then what it adds to its base: path, min, max, types, binding.
; Reference(A,B): targets, none named = any; SimpleQuantity: a Quantity without comparator; #PATH: content as there.
; =VALUE-SET, then per code system: its URL and the codes.
"""
RESOURCES = "profile/profiles-resources.xml"
FILES = ("profile/profiles-types.xml", RESOURCES, "valueset/valuesets.xml", "valueset/v3-codesystems.xml")
TYPE_OF_VALUE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
STRENGTHS = ("required", "extensible", "preferred", "example")
Node = ElementTree.Element


def inner(node: Node, path: str) -> list[Node]:
    return node.findall("/".join(f"{{http://hl7.org/fhir}}{part}" for part in path.split("/")))


def said(node: Node, path: str) -> str:
    found = inner(node, path)
    return found[0].get("value", "") if found else ""


class Published:
    """The specification's own files, by id and by URL."""

    def __init__(self, folder: Path) -> None:
        self.structures: dict[str, Node] = {}
        self.value_sets: dict[str, Node] = {}
        self.code_systems: dict[str, Node] = {}
        for name in FILES:
            for holder in inner(ElementTree.parse(folder / name).getroot(), "entry/resource"):
                self.keep(holder[0])

    def keep(self, resource: Node) -> None:
        kind = resource.tag.partition("}")[2]
        if kind == "ValueSet":
            self.value_sets.setdefault(said(resource, "url"), resource)
        elif kind == "CodeSystem":
            self.code_systems.setdefault(said(resource, "url"), resource)
        elif kind == "StructureDefinition" and is_a_type(resource):
            self.structures[said(resource, "id")] = resource

    def rows(self, name: str) -> dict[str, str]:
        """Return path below the type -> the rest of its line, inherited elements included."""
        structure = self.structures[name]
        elements = inner(structure, "snapshot/element")
        return {
            said(node, "path").partition(".")[2]: row(node, said(structure, "kind")) for node in elements[1:]
        }

    def added(self, name: str) -> dict[str, str]:
        """Return what a type adds to, or changes of, its base; a backbone's base is the type that it names."""
        rows = self.rows(name)
        base = base_of(self.structures[name])
        known = self.rows(base) if base else {}
        kept = {path: text for path, text in rows.items() if known.get(path) != text}
        for path, text in list(kept.items()):
            if text.split("\t")[2] in ("BackboneElement", "Element"):
                for inherited, what in self.rows(text.split("\t")[2]).items():
                    if kept.get(f"{path}.{inherited}") == what:
                        del kept[f"{path}.{inherited}"]
        return kept


def is_a_type(structure: Node) -> bool:
    return said(structure, "kind") != "logical" and said(structure, "derivation") != "constraint"


def base_of(structure: Node) -> str:
    return said(structure, "baseDefinition").rpartition("/")[2]


def row(node: Node, kind: str) -> str:
    """Return `min max types binding` of an element."""
    types = [type_text(one) for one in inner(node, "type")]
    if said(node, "path").endswith(".id") and said(node, "path").count(".") == 1 and kind == "resource":
        types = [
            "id"
        ]  # 4.0.1 says string here, and id in its text and its schemas (a known fault of that release)
    content = said(node, "contentReference")
    strength = said(node, "binding/strength")
    assert not strength or strength in STRENGTHS
    binding = f"{strength} {said(node, 'binding/valueSet').partition('|')[0]}" if strength else ""
    return "\t".join((said(node, "min"), said(node, "max"), content or "|".join(types), binding)).rstrip("\t")


def type_text(node: Node) -> str:
    for extension in inner(node, "extension"):
        if extension.get("url") == TYPE_OF_VALUE:
            return extension[0].get("value", "")
    code = said(node, "code")
    if code == "Reference":
        targets = [one.get("value", "").rpartition("/")[2] for one in inner(node, "targetProfile")]
        return f"Reference({','.join(targets)})" if targets and "Resource" not in targets else "Reference"
    if code == "Quantity" and said(node, "profile").endswith("/SimpleQuantity"):
        return "SimpleQuantity"
    return code


def codes(value_set: Node, systems: dict[str, Node]) -> Iterator[str]:
    """Yield `system code code ...`; nothing where the specification lists no codes (currencies, MIME types, UCUM)."""
    for include in inner(value_set, "compose/include"):
        assert not inner(include, "filter") and not inner(include, "valueSet")
        system = said(include, "system")
        listed = [said(one, "code") for one in inner(include, "concept")]
        if not listed and system in systems:
            listed = [
                said(one, "code")
                for one in systems[system].iter("{http://hl7.org/fhir}concept")
                if said(one, "code")
            ]
        if listed:
            assert not any(set("\t\n ") & set(code) for code in listed)
            yield f"{system}\t{' '.join(listed)}\n"
    assert not inner(value_set, "compose/exclude")


def main(folder: Path) -> None:
    published = Published(folder)
    lines = [HEAD]
    required: set[str] = set()
    for name, structure in sorted(published.structures.items()):
        kind = said(structure, "kind").removesuffix("-type")
        lines.append(f"@{name}\t{kind}\t{base_of(structure)}\n")
        for path, text in {} if kind == "primitive" else published.added(name).items():
            lines.append(f"{path}\t{text}\n")
            binding = text.split("\t")[3] if text.count("\t") == 3 else ""
            required |= {binding.partition(" ")[2]} if binding.startswith("required ") else set()
        lines += ["@SimpleQuantity\tcomplex\tQuantity\ncomparator\t0\t0\tcode\n"] * (name == "Quantity")
    for url in sorted(required & set(published.value_sets)):
        listed = list(codes(published.value_sets[url], published.code_systems))
        lines += [f"={url}\n", *listed] if listed else []
    TARGET.write_text("".join(lines), encoding="utf-8")
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
