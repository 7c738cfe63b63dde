"""`compute:`: what a mapper works out of the event and writes, and never reads back.

A computed value is laid over what the rules made, each time anew. Reading leaves it where it is, so the laws of a
mapper are those of its rules alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from engine.errors import ExpressionError
from engine.mapping.faults import Faults, key_mark
from engine.mapping.losses import LossReport
from engine.mapping.paths import TOP, BadPath, fhir_path, v2_leaf, v2_prefix
from engine.mapping.rules import Definition, FhirPath, Slot
from engine.spi import CompiledPath, Scope

SIDES: Final = ("v2", "fhir", "json")
"""Where a computed value may be written."""
REASON: Final = "computed from the event, and never read back"
"""What a loss report says of a computed leaf that stood in a document."""
_KEYS: Final = frozenset({*SIDES, "value"})
_ABSENT: Final = ""
_KIND: Final = frozenset({"", "event", "event.type"})
"""What a text may read of `meta` that hangs on the type of the event."""


class Rendered(Protocol):
    """A compiled template; `paths` are the (name, path) pairs that it reads."""

    @property
    def text(self) -> str: ...

    @property
    def paths(self) -> tuple[tuple[str, str], ...]: ...

    def evaluate(self, scope: Scope) -> Any: ...


class Workbench(Protocol):
    """Compiles what a mapper computes; raises ExpressionError with offset and length."""

    def template(self, text: str, tables: Collection[str]) -> Rendered:
        """Compile a text with `{expression}` parts, in which `msg` is the event's data."""

    def path(self, side: str, text: str) -> CompiledPath:
        """Compile a place in a document of a side."""


@dataclass(frozen=True, slots=True)
class Computed:
    """One value and a place that it is written to: in a document, or in the resource of a `slot` if that is there."""

    side: str
    place: str
    path: CompiledPath
    slot: Slot | None
    value: Rendered
    keys: tuple[str, ...] = ()
    """The keys of a plain place in JSON, which is written without more ado."""

    def lay(self, root: Any, scope: Scope) -> None:
        """Write the value in place; where there is none, what stood there goes."""
        if self.slot is not None and (root := resource_of(self.slot, root)) is None:
            return
        value = self.value.evaluate(scope)
        if value == _ABSENT or value is None:
            self.path.remove(root)
        elif value.__class__ is not str or not self._put(root, value):
            self.path.set(root, value)

    def _put(self, root: Any, text: str) -> bool:
        """Write a text at a place of keys alone; False where something else stands on the way."""
        for key in self.keys[:-1]:
            root = root.setdefault(key, {})
            if root.__class__ is not dict:
                return False
        if self.keys:
            root[self.keys[-1]] = text
        return bool(self.keys)


@dataclass(frozen=True, slots=True)
class Computing:
    """All that a mapper computes for one of its sides; `tables` are its own, by `NAME.COLUMN`."""

    computes: Sequence[Computed]
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    leads: bool = False
    """Whether new plain values stand before everything else, as in JSON whose head says what it is."""

    @property
    def reads_kind(self) -> bool:
        """Whether a value may hang on the type of the event."""
        return any(
            name == "meta" and path in _KIND for one in self.computes for name, path in one.value.paths
        )

    def lay(self, root: Any, data: Mapping[str, Any], scope: Scope) -> None:
        """Write every value into `root`, in place; `data` are the event's, `scope` tells everything else.

        Raises:
            Rejected: a value does not fit, or cannot be worked out.
        """
        before, known = (scope.msg, scope.tables), (len(root) if self.leads else 0)
        scope.msg, scope.tables = data, {**scope.tables, **self.tables}
        try:
            for one in self.computes:
                one.lay(root, scope)
        finally:
            scope.msg, scope.tables = before
        if self.leads and len(root) > known:
            _lead(root, known)


def _lead(root: dict[str, Any], known: int) -> None:
    """Put plain values behind the `known` first keys in front, for those who read the document."""
    items = list(root.items())
    front = [pair for pair in items[known:] if not isinstance(pair[1], dict | list)]
    ordered = dict(front)
    ordered.update(items)
    root.clear()
    root.update(ordered)


def read_computes(
    nodes: Sequence[Any], definition: Definition, workbench: Workbench | None, faults: Faults
) -> Mapping[str, Computing]:
    """Return what a mapper computes, by side; what is wrong goes to `faults`."""
    tables = table_columns(definition)
    found: dict[str, list[Computed]] = {}
    for node in nodes:
        for one in _computed(node, definition, tables, workbench, faults):
            found.setdefault(one.side, []).append(one)
    return {side: Computing(tuple(those), tables, leads=side == "json") for side, those in found.items()}


_PLAIN: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_TABLE: Final = re.compile(r"""\btable\(\s*['"]([\w-]+)\.([\w-]+)['"]""")


def columns_read(nodes: Sequence[Any]) -> frozenset[tuple[str, str]]:
    """Return (table, column) of the mapper's own tables that computed values read."""
    texts = [str(node.get("value", "")) for node in nodes if isinstance(node, Mapping)]
    return frozenset(found for text in texts for found in _TABLE.findall(text))


def table_columns(definition: Definition) -> dict[str, dict[str, str]]:
    """Return the mapper's tables as texts read them: `table('sex.fhir', 'male')` is the code that is written."""
    found: dict[str, dict[str, str]] = {}
    for table in definition.tables.values():
        for code, row in table.rows.items():
            for column, codes in row.items():
                found.setdefault(f"{table.name}.{column}", {})[code] = codes[0]
    return found


def apart(report: LossReport, computes: Collection[Computed]) -> LossReport:
    """Return a report in which computed leaves are no longer among those that only the complement has."""
    places = tuple(one.place for one in computes)
    ours = {path for path in report.opaque if path.startswith(places) and _is_at(path, places)}
    if not ours:
        return report
    computed = tuple((path, REASON) for path in report.opaque if path in ours)
    opaque = tuple(path for path in report.opaque if path not in ours)
    return replace(report, opaque=opaque, dropped=(*report.dropped, *computed))


def _is_at(path: str, places: Sequence[str]) -> bool:
    return any(path.startswith(place) and path[len(place) :][:1] in ("", ".", "[") for place in places)


def _computed(
    node: Any,
    definition: Definition,
    tables: Mapping[str, Any],
    workbench: Workbench | None,
    faults: Faults,
) -> Iterator[Computed]:
    if not isinstance(node, Mapping) or "value" not in node or not set(node) & set(SIDES):
        faults.add(node, "what is computed is {json: summary.fr, value: '{msg.start}'}: a place and a value")
        return
    for key in set(node) - _KEYS:
        faults.add(
            key_mark(node, key), f'unknown key "{key}"', help="a computed value has v2, fhir, json, value"
        )
    if workbench is None:
        faults.add(node, "compute: nothing here compiles expressions")
        return
    try:
        value = workbench.template(str(node["value"]), tuple(tables))
    except ExpressionError as error:
        faults.add(node["value"], str(error), help=error.help, at=(error.offset, error.length))
        return
    for side in SIDES:
        if side in node:
            for text in [node[side]] if isinstance(node[side], str) else node[side]:
                one = _place(side, text, value, definition, workbench, faults)
                if one is not None:
                    yield one


def _place(
    side: str, node: Any, value: Rendered, definition: Definition, workbench: Workbench, faults: Faults
) -> Computed | None:
    text, shift, slot = str(node), 0, None
    if "[]" in text:
        told = f"{text}: [] is every item of a list, and a computed value has one place"
        faults.add(node, told, help="name an item, such as notes[0].label", at=(text.index("[]"), 2))
        return None
    clash = _clash(side, text, definition)
    if clash:
        faults.add(node, f"{text} is computed, and a rule reads it: {clash}", help="take one of the two out")
        return None
    if side == "fhir" and not text.startswith("Bundle."):
        slot = definition.slots.get(text.partition(".")[0])
        if slot is None or slot.each or slot.contained:
            told = f"{text.partition('.')[0]} is no slot of a resource that is there once"
            faults.add(node, told, help=f"there are: {', '.join(_single(definition)) or 'none'}")
            return None
        shift, text = len(slot.type) - len(slot.name), slot.type + text[len(slot.name) :]
    try:
        path = workbench.path(side, text)
    except ExpressionError as error:
        faults.add(node, str(error), help=error.help, at=(max(0, error.offset - shift), error.length))
        return None
    keys = tuple(text.split(".")) if side == "json" and _PLAIN.fullmatch(text) else ()
    return Computed(side, text, path, slot, value, keys)


def _single(definition: Definition) -> list[str]:
    return sorted(slot.name for slot in definition.slots.values() if not slot.each and not slot.contained)


def resource_of(slot: Slot, document: Any) -> dict[str, Any] | None:
    """Return the first resource of a slot's type and constants, None where the document has none."""
    entries = (
        document.get("entry", ()) if document.get("resourceType") == "Bundle" else ({"resource": document},)
    )
    for entry in entries:
        found = entry.get("resource")
        if not isinstance(found, dict) or found.get("resourceType") != slot.type:
            continue
        if all(_at(found, path) == value for path, value in slot.where):
            return found
    return None


def _at(node: Any, path: FhirPath) -> Any:
    """Return what stands at a path of names and indexes, None where there is nothing."""
    for step in path:
        if isinstance(step, int):
            node = node[step] if isinstance(node, list) and step < len(node) else None
        else:
            node = node.get(step) if isinstance(node, dict) else None
    return node


def _clash(side: str, text: str, definition: Definition) -> str:
    """Return the event path of a rule that reads the place or a part of it, "" where none does."""
    try:
        if side == "v2":
            place = v2_leaf(v2_prefix(text, TOP))
            leaves = [leaf for leaf in definition.scope.leaves if place in (*leaf.v2, *leaf.v2_also)]
            return ".".join(leaves[0].path) if leaves else ""
        wanted = fhir_path(text)
    except BadPath:
        return ""  # the codec says what is wrong with it, or reads more than a rule can
    for leaf in definition.scope.leaves:
        if any(_overlap(wanted, known) for known in (leaf.json if side == "json" else leaf.fhir)):
            return ".".join(leaf.path)
    for many in definition.scope.lists:
        known = many.json if side == "json" else many.fhir
        if known and _overlap(wanted, known):
            return ".".join(many.path)
    return ""


def _overlap(one: FhirPath, other: FhirPath) -> bool:
    short = min(len(one), len(other))
    return one[:short] == other[:short]
