"""Compiles a mapper's file: every fault is told at once, with file, line and column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.mapping.cataloguing import read_catalogue
from engine.mapping.checking import check_definition
from engine.mapping.computing import Workbench, columns_read, read_computes
from engine.mapping.dicom.side import DICOM, DicomFormat, Spelling, speaks_dicom
from engine.mapping.drafting import Find, Paper, read_paper
from engine.mapping.faults import Faults
from engine.mapping.fhir.checking import Judge
from engine.mapping.fhir.others import read_others
from engine.mapping.fhir.side import FhirFormat
from engine.mapping.paths import SEGMENT
from engine.mapping.reading import RuleReader
from engine.mapping.rules import Definition
from engine.mapping.slots import R4, Children, read_slots
from engine.mapping.tables import read_tables
from engine.mapping.two_way import Side, TwoWayMapper
from engine.mapping.v2.reporting import V2Format
from engine.mapping.v2.side import V2Codec


def is_two_way(tree: Any) -> bool:
    """Say whether a mapper's file is of this kind: it has rules, or extends one that has."""
    return isinstance(tree, Mapping) and ("rules" in tree or "extends" in tree)


def compile_mapper(
    tree: Any,
    *,
    v2: V2Codec,
    r4: R4 | None = None,
    children: Children | None = None,
    find: Find = lambda name: None,
    workbench: Workbench | None = None,
    dicom: Spelling | None = None,
    file: str = "mapper",
) -> TwoWayMapper:
    """Compile the tree of a mapper's file, whose nodes know where they stand.

    `v2` takes messages apart, `r4` says what FHIR R4 has (None: FHIR paths are not checked), `children` what each of
    its types must have, `find` gives the tree of a mapper that is extended or of a file that is included, `workbench`
    compiles what is computed, `dicom` spells data sets by keywords (None: rules of a DICOM side are a `json` one).

    Raises:
        ConfigurationError: with every problem that was found.
    """
    faults = Faults(file)
    definition = read_definition(tree, faults, find=find, r4=r4, workbench=workbench)
    formats: dict[str, Side] = {}
    for side in sorted(definition.sides & {"fhir", "json"}):
        formats[side] = FhirFormat(definition, side, Judge(r4, faults, children))
    faults.raise_any()
    if definition.dicom and dicom is not None:
        formats[DICOM] = DicomFormat(formats.pop("json"), dicom)
        definition.sides = definition.sides - {"json"} | {DICOM}
    if "v2" in definition.sides:
        formats["v2"] = V2Format(definition, v2)
    _check_creation(formats, tree, faults)
    faults.raise_any()
    return TwoWayMapper(
        definition.name, definition.version, definition.messages, definition.sides, definition, formats
    )


def read_definition(
    tree: Any, faults: Faults, *, find: Find, r4: R4 | None, workbench: Workbench | None = None
) -> Definition:
    """Read a mapper's tree; what is wrong goes to `faults`."""
    paper = read_paper(tree, faults, find)
    tables = read_tables(paper.tables, faults, columns_read(paper.compute))
    slots, bundle, seed = read_slots(paper.fhir, faults)
    by_keywords = speaks_dicom(paper.rules, faults)
    names = [*slots, "Bundle"] if bundle != "none" else list(slots)
    reader = RuleReader(paper, tables, names, faults)
    scope = reader.read()
    definition = Definition(paper.name, paper.version, scope, tables, slots=slots, bundle=bundle, seed=seed)
    definition.dicom = by_keywords
    definition.others = read_others(paper.fhir.get("others"), slots, faults)
    definition.sides = frozenset({"event", *reader.sides})
    for key in ("mapper", "version"):
        if not getattr(paper, {"mapper": "name"}.get(key, key)):
            faults.add(tree, f"{key}: is missing")
    _head(paper, definition, faults)
    definition.computing = read_computes(paper.compute, definition, workbench, faults)
    definition.sides |= definition.computing.keys()
    check_definition(definition, faults)
    return definition


def _head(paper: Paper, definition: Definition, faults: Faults) -> None:
    v2 = paper.v2
    for key in v2.keys() - {"messages", "order", "create"}:
        faults.add(v2[key], f'unknown key "{key}"', help="v2: has messages, order and create")
    messages = v2.get("messages", ())
    definition.messages = tuple(map(str, [messages] if isinstance(messages, str) else messages))
    definition.order = tuple(map(str, v2.get("order", ())))
    for name in v2.get("order", ()):
        if not SEGMENT.fullmatch(name):
            faults.add(name, "no name of a segment: three capital letters or digits")
    definition.create = str(v2.get("create", "MSH|^~\\&|\r"))
    read_catalogue(paper.events, definition, faults)
    definition.drop = tuple(
        (str(one.get("path")), str(one.get("reason"))) for one in paper.drop if _dropped(one, faults)
    )


def _dropped(node: Any, faults: Faults) -> bool:
    if isinstance(node, Mapping) and set(node) == {"path", "reason"}:
        return True
    faults.add(node, "what is dropped is {path: ZPV-3, reason: why}")
    return False


def _check_creation(formats: Mapping[str, Side], tree: Any, faults: Faults) -> None:
    """A message that is made must say nothing of its own where a rule reads."""
    v2 = formats.get("v2")
    if not isinstance(v2, V2Format):
        return
    node = tree.get("v2", {}) if isinstance(tree, Mapping) else {}
    at = node.get("create", node) if isinstance(node, Mapping) else node
    try:
        data = v2.said_by_creation()
    except Exception as error:  # noqa: BLE001  # whatever the codec says of the text is the author's to mend
        faults.add(at, f"create: is no message: {error}")
        return
    if data:
        faults.add(
            at,
            f"create: holds values where rules read: {', '.join(sorted(data))}",
            help="leave the leaf empty there",
        )
