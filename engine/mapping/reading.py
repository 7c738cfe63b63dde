"""Turns a mapper's rules as written into scopes of leaves and lists; every fault is told with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.mapping.drafting import LEAF_KEYS, Draft, Paper, shaped
from engine.mapping.faults import Faults, key_mark
from engine.mapping.paths import (
    SEGMENT,
    TOP,
    BadPath,
    TooDeep,
    V2Prefix,
    event_path,
    fhir_path,
    v2_leaf,
    v2_prefix,
)
from engine.mapping.rules import ABSENT_CODE, Default, FhirPath, Leaf, Many, Path, Scope, Table, V2Place, When

KINDS: Final = ("text", "ts", "time", "num", "int", "bool", "oid", "any")
_DEPTH: Final = 16


@dataclass(frozen=True, slots=True)
class Around:
    """What encloses a rule: prefixes of its three paths within the scope.

    `fhir` is None where a list or an object has no FHIR side, so that relative paths have nothing to stand in.
    """

    event: Path = ()
    v2: V2Prefix = TOP
    fhir: FhirPath | None = ()
    json: FhirPath | None = ()
    when: When | None = None
    path: str = ""
    depth: int = 0
    others: tuple[V2Prefix, ...] = ()
    together: tuple[V2Place, ...] = ()


class RuleReader:
    """Reads the rules of one mapper; `slots` are the names that a FHIR path may begin with."""

    def __init__(
        self, paper: Paper, tables: Mapping[str, Table], slots: Sequence[str], faults: Faults
    ) -> None:
        self._paper = paper
        self._tables = tables
        self._slots = frozenset(slots)
        self._faults = faults
        self.sides: set[str] = set()

    def read(self) -> Scope:
        """Return the scope of the whole event."""
        scope = Scope()
        for rule in self._paper.rules:
            self._rule(rule, Around(), scope)
        return scope

    def _rule(self, rule: Draft, around: Around, scope: Scope) -> None:
        if around.depth > _DEPTH:
            self._faults.add(rule.node, "rules are nested too deep: does a shape hold itself?")
            return
        try:
            path, many = ((), False) if rule.event == "." else event_path(rule.event)
        except BadPath as error:
            self._faults.add(rule.node["event"], str(error), at=(error.offset, error.length))
            return
        below = shaped(rule, self._paper.shapes, self._faults, around.depth)
        grouped = isinstance(rule.keys.get("v2"), Mapping)
        if many or grouped:
            self._many(rule, replace(around, event=around.event + path), scope, below, many=many)
        elif "rules" in rule.keys or "shape" in rule.keys:
            self._object(rule, replace(around, event=around.event + path), scope, below)
        else:
            self._leaf(rule, around.event + path, around, scope)

    def _object(self, rule: Draft, around: Around, scope: Scope, below: Sequence[Draft]) -> None:
        self._only(
            rule, {"event", "v2", "fhir", "json", "rules", "shape", "without", "when", "fhir_constants"}
        )
        inner = self._inside(rule, around)
        if inner is None:
            return
        self._constants(rule, inner, scope)
        bare = replace(
            inner,
            fhir=inner.fhir if "fhir" in rule.keys else None,
            json=inner.json if "json" in rule.keys else None,
        )
        for one in below:
            self._rule(one, bare if one.shaped and "shape" in rule.keys else inner, scope)

    def _inside(self, rule: Draft, around: Around) -> Around | None:
        """Return what surrounds the rules below an object."""
        v2, others, together = around.v2, around.others, around.together
        if "v2" in rule.keys:
            prefixes = self._prefixes(rule.keys["v2"], around, rule)
            if not prefixes:
                return None
            v2, others = prefixes[0], tuple(prefixes[1:])
            if others and not around.others:
                together = tuple(v2_leaf(one) for one in prefixes)
        fhir, json = self._place(rule, "fhir", around.fhir), self._place(rule, "json", around.json)
        when = self._when(rule, around) or around.when
        return Around(around.event, v2, fhir, json, when, rule.event, around.depth + 1, others, together)

    def _prefixes(self, node: Any, around: Around, rule: Draft) -> list[V2Prefix]:
        """Return the places of an object: of a relative path one within each of the places around it."""
        if isinstance(node, str) and node.startswith(".") and around.others:
            found = [self._prefix(node, replace(around, v2=one), rule) for one in (around.v2, *around.others)]
        else:
            found = [self._prefix(one, around, rule) for one in ([node] if isinstance(node, str) else node)]
        return [one for one in found if one is not None]

    def _place(self, rule: Draft, key: str, outer: FhirPath | None) -> FhirPath | None:
        node = rule.keys.get(key)
        if node is None:
            return outer
        if str(node) == "none":
            return None
        return self._fhir(node, outer, rule, key)

    def _many(self, rule: Draft, around: Around, scope: Scope, below: Sequence[Draft], *, many: bool) -> None:
        allowed = {"event", "v2", "fhir", "json", "rules", "shape", "without", "when", "key", "number"}
        plain = many and not ("rules" in rule.keys or "shape" in rule.keys)
        self._only(
            rule, allowed | {"v2_constants", "fhir_constants"} | ({"type", "table"} if plain else set())
        )
        made = Many(
            around.event, many, Scope(), rule.node, plain=plain, when=self._when(rule, around) or around.when
        )
        made.full = ".".join(around.event)
        inner = self._v2_of(rule, made, around)
        made.fhir, made.json = self._place(rule, "fhir", around.fhir), self._place(rule, "json", around.json)
        if "fhir" not in rule.keys:
            made.fhir = None
        if "json" not in rule.keys:
            made.json = None
        within = Around(
            (), inner, () if made.fhir is not None else None, () if made.json is not None else None,
            None, rule.event, around.depth + 1,
        )  # fmt: skip
        self._constants(rule, within, made.scope)
        if plain:
            self._plain(rule, made, within)
        for one in below:
            self._rule(one, within, made.scope)
        self._key(rule, made)
        scope.lists.append(made)

    def _v2_of(self, rule: Draft, made: Many, around: Around) -> V2Prefix:
        node = rule.keys.get("v2")
        if isinstance(node, Mapping):
            anchors = node.get("group", ())
            names = [anchors] if isinstance(anchors, str) else list(anchors)
            until = node.get("until", ())
            for name in [*names, *([until] if isinstance(until, str) else until)]:
                if not SEGMENT.fullmatch(name):
                    self._faults.add(name, "no name of a segment: three capital letters or digits")
            for key in node.keys() - {"group", "until"}:
                self._faults.add(
                    key_mark(node, key), f'unknown key "{key}"', help="a group has group: and until:"
                )
            if not names:
                self._faults.add(node, "a group names the segment that it begins with: {group: OBX}")
            made.anchors, made.until = (
                tuple(map(str, names)),
                frozenset(map(str, until if not isinstance(until, str) else [until])),
            )
            self.sides.add("v2")
            if "number" in rule.keys:
                prefix = self._prefix(rule.keys["number"], around, rule)
                made.number = v2_leaf(prefix) if prefix else None
            made.v2_constants = self._v2_constants(rule)
            return TOP
        if node is None:
            return TOP
        prefix = self._prefix(node, around, rule)
        if prefix is None:
            return TOP
        if prefix[0] == "" or (prefix[2] and not made.plain):
            self._faults.add(node, "repetitions are of a whole field: write PID-3, or a group of segments")
            return TOP
        made.place = V2Place(prefix[0], prefix[1])
        self.sides.add("v2")
        return V2Prefix(("", 0, prefix[2]))

    def _plain(self, rule: Draft, made: Many, within: Around) -> None:
        """Add the only leaf of a list of plain values."""
        leaf = self._typed(rule, ("",), within)
        leaf.when = None
        if made.place is not None:
            leaf.v2 = (v2_leaf(within.v2),)
        if made.fhir is not None:
            leaf.fhir = ((),)
        if made.json is not None:
            leaf.json = ((),)
        made.scope.leaves.append(leaf)

    def _key(self, rule: Draft, made: Many) -> None:
        node = rule.keys.get("key")
        if node is None:
            return
        path = tuple(str(node).split("."))
        for leaf in made.scope.leaves:
            if leaf.path == path:
                made.key = path
                leaf.pinned.update(("v2", "fhir", "json"))
                if len(leaf.v2) > 1:
                    self._faults.add(node, "a key has one place in the message")
                return
        self._faults.add(node, f"the items have no leaf {node} to be aligned by")

    def _leaf(self, rule: Draft, path: Path, around: Around, scope: Scope) -> None:
        self._only(rule, LEAF_KEYS)
        leaf = self._typed(rule, path, around)
        leaf.v2, leaf.v2_also = self._v2_places(rule, "v2", around), self._v2_places(rule, "v2_also", around)
        if leaf.v2 and around.others and str(rule.keys["v2"]).startswith("."):
            leaf.v2, leaf.together = self._v2_together(rule, around), around.together
        node = rule.keys.get("fhir")
        if isinstance(node, Mapping):
            present = dict(node.get("present", {}))
            leaf.present = {
                str(key): (str(one),) if isinstance(one, str) else tuple(map(str, one))
                for key, one in present.items()
            }
            leaf.present_at = around.fhir
            self._fhir_used(leaf.present_at)
        else:
            leaf.fhir = self._fhir_places(rule, "fhir", around.fhir)
        leaf.fhir_also = self._fhir_places(rule, "fhir_also", around.fhir)
        leaf.json = self._fhir_places(rule, "json", around.json)
        if leaf.v2_also and not leaf.v2:
            self._faults.add(rule.keys["v2_also"], "v2_also: comes beside v2:")
        scope.leaves.append(leaf)

    def _typed(self, rule: Draft, path: Path, around: Around) -> Leaf:
        kind = str(rule.keys.get("type", "text"))
        if kind not in KINDS:
            self._faults.add(
                rule.keys["type"], f"there is no type {kind}", help=f"there are: {', '.join(KINDS)}"
            )
            kind = "text"
        leaf = Leaf(path, kind, rule.node, fresh=str(rule.keys.get("fresh", "")) == "true")
        if "fresh" in rule.keys and not leaf.fresh:
            self._faults.add(rule.keys["fresh"], "fresh: is true, or is left out")
        name = rule.keys.get("table")
        if name is not None:
            leaf.table, leaf.kind = self._tables.get(str(name)), "code"
            if leaf.table is None:
                self._faults.add(
                    name,
                    f"there is no table {name}",
                    help=f"there are: {', '.join(sorted(self._tables)) or 'none'}",
                )
            if "type" in rule.keys:
                self._faults.add(rule.keys["type"], "a rule has a type or a table, not both")
        leaf.default = self._defaults(rule)
        if "yields_to" in rule.keys:
            leaf.yields_to = (*path[:-1], *str(rule.keys["yields_to"]).split("."))
        leaf.when = self._when(rule, around) or around.when
        return leaf

    def _v2_places(self, rule: Draft, key: str, around: Around) -> tuple[V2Place, ...]:
        node = rule.keys.get(key)
        if node is None:
            return ()
        prefixes = [self._prefix(one, around, rule) for one in ([node] if isinstance(node, str) else node)]
        places = tuple(v2_leaf(prefix) for prefix in prefixes if prefix is not None)
        if places:
            self.sides.add("v2")
        return places

    def _defaults(self, rule: Draft) -> dict[str, Default]:
        node = rule.keys.get("default", {})
        if not isinstance(node, Mapping) or set(node) - {"v2", "fhir", "json"}:
            self._faults.add(node, "a default names its side: default: {fhir: unknown}")
            return {}
        found = {}
        for side, value in node.items():
            if isinstance(value, Mapping):
                codes = {str(code): str(text) for code, text in value.items() if code not in ("by", "else")}
                found[side] = Default(
                    str(value.get("else", "")), tuple(str(value.get("by", "")).split(".")), codes
                )
            else:
                found[side] = Default(str(value))
        return found

    def _v2_together(self, rule: Draft, around: Around) -> tuple[V2Place, ...]:
        found = [
            self._prefix(rule.keys["v2"], replace(around, v2=one), rule)
            for one in (around.v2, *around.others)
        ]
        return tuple(v2_leaf(one) for one in found if one is not None)

    def _prefix(self, node: Any, around: Around, rule: Draft) -> V2Prefix | None:
        if not isinstance(node, str):
            self._faults.add(node, "a place of a message is a text: PID-3.4")
            return None
        try:
            return v2_prefix(node, around.v2)
        except TooDeep as error:
            if not rule.shaped:
                self._faults.add(node, str(error), at=(error.offset, error.length))
        except BadPath as error:
            self._faults.add(node, str(error), at=(error.offset, error.length))
        return None

    def _fhir_places(self, rule: Draft, key: str, outer: FhirPath | None) -> tuple[FhirPath, ...]:
        node = rule.keys.get(key)
        if node is None:
            return ()
        side = "json" if key == "json" else "fhir"
        found = [self._fhir(one, outer, rule, side) for one in ([node] if isinstance(node, str) else node)]
        return tuple(path for path in found if path is not None)

    def _fhir(self, node: Any, outer: FhirPath | None, rule: Draft, side: str) -> FhirPath | None:
        """Return a path that begins with its slot, or is relative to the item that it stands in."""
        try:
            path = fhir_path(str(node))
        except BadPath as error:
            self._faults.add(node, str(error), at=(error.offset, error.length))
            return None
        first = str(path[0])
        if side == "fhir" and first in self._slots:
            self.sides.add(side)
            return path
        if side == "fhir" and first[:1].isupper():
            self._faults.add(
                node,
                f"there is no slot {first}",
                at=(0, len(first)),
                help=f"slots: {', '.join(sorted(self._slots)) or 'none'}",
            )
            return None
        if outer is None:
            if not rule.shaped:
                self._faults.add(
                    node,
                    "this path is relative, and nothing around it has a place in FHIR",
                    at=(0, len(str(node))),
                )
            return None
        if side == "fhir" and outer == () and "" in self._slots:
            return path
        self.sides.add(side)
        return outer + path

    def _fhir_used(self, path: FhirPath | None) -> None:
        if path is not None:
            self.sides.add("fhir")

    def _when(self, rule: Draft, around: Around) -> When | None:
        node = rule.keys.get("when")
        if node is None:
            return None
        if not isinstance(node, Mapping) or not node:
            self._faults.add(node, "a condition is {leaf: code} or {leaf: [code, code]}")
            return None
        above = around.event[: len(around.event) - self._own(rule)]
        tests = []
        for name, values in node.items():
            codes = [str(one) for one in ([values] if isinstance(values, str) else values)]
            path = (*above, *str(name).split("."))
            tests.append((path, frozenset(None if one == ABSENT_CODE else one for one in codes)))
        outer = around.when.tests if around.when else ()
        return When((*outer, *tests))

    def _own(self, rule: Draft) -> int:
        """Return how many keys of the enclosing path are the rule's own: an object's condition stands beside it."""
        if rule.event == ".":
            return 0
        nested = (
            "rules" in rule.keys
            or "shape" in rule.keys
            or rule.event.endswith("[]")
            or isinstance(rule.keys.get("v2"), Mapping)
        )
        return len(event_path(rule.event)[0]) if nested else 0

    def _constants(self, rule: Draft, within: Around, scope: Scope) -> None:
        node = rule.keys.get("fhir_constants")
        if node is None:
            return
        if not isinstance(node, Mapping) or within.fhir is None:
            self._faults.add(node, "constants are a mapping of FHIR paths below a rule with fhir:")
            return
        for text, value in node.items():
            try:
                scope.constants.append((within.fhir, within.fhir + fhir_path(text), str(value)))
            except BadPath as error:
                self._faults.add(key_mark(node, text), str(error))

    def _v2_constants(self, rule: Draft) -> tuple[tuple[V2Place, str], ...]:
        found = []
        node = rule.keys.get("v2_constants", {})
        for text, value in node.items() if isinstance(node, Mapping) else ():
            try:
                found.append((v2_leaf(v2_prefix(text, TOP)), str(value)))
            except BadPath as error:
                self._faults.add(key_mark(node, text), str(error))
        return tuple(found)

    def _only(self, rule: Draft, allowed: Set[str]) -> None:
        for key in rule.keys:
            if key not in allowed:
                self._faults.add(key_mark(rule.node, key), f'"{key}" has no meaning on this kind of rule')
