"""The FHIR side of a mapper: resources as plain JSON to event data and complement, and back.

`json` is the same for JSON that no standard describes: one object, no resources.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import marshal
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson

from engine.errors import Rejected
from engine.mapping.fhir.bundle import Resources, Ways
from engine.mapping.fhir.checking import Judge
from engine.mapping.fhir.composing import Composer
from engine.mapping.fhir.giving import give_scope
from engine.mapping.fhir.making import complete
from engine.mapping.fhir.nodes import BUNDLE, ScopePlan
from engine.mapping.fhir.others import keep, undo, without_inferred
from engine.mapping.fhir.plan import fhir_plan
from engine.mapping.fhir.reading import Reader
from engine.mapping.fhir.shapes import NotMade
from engine.mapping.fhir.taking import take_scope
from engine.mapping.fhir.values import HoleTaken, Turn, value_at
from engine.mapping.leaves import BadValue
from engine.mapping.losses import LossReport
from engine.mapping.rules import Definition, Slot
from engine.mapping.two_way import Complement, Side
from engine.mapping.v2.cells import ABSENT

_HOLES: Final = ("\x1f\x1f", "\x1e\x1e", "\x1d\x1d", "\x1f\x1e", "\x1e\x1d")
_INFERRED: Final = "inferred"
"""In a complement of a document that others made: what was not said there."""
_FOR_THE_GENERAL: Final = (NotMade, BadValue, TypeError, AttributeError, KeyError, IndexError)
"""What compiled functions raise where an event is not as usual: the general ones say what is wrong, if anything is."""


class FhirFormat(Side):
    """Compiled once; pure and thread-safe."""

    def __init__(self, definition: Definition, side: str, judge: Judge) -> None:
        self._definition = definition
        self._side = side
        self._plan: ScopePlan = fhir_plan(definition, side, judge)
        self._slots: dict[str, Slot] = dict(definition.slots) if side == "fhir" else {}
        roots = [slot for slot in self._slots.values() if not slot.each and not slot.contained]
        self._alone = roots[0] if definition.bundle == "none" and roots else None
        self._others = definition.others if side == "fhir" else None
        self._ways = Ways(self._slots, self._plan.referring)
        self._reader = Reader(definition.name, self._plan)
        self._composer = Composer(definition.name, self._plan, tuple(self._slots.values()))

    def get(self, root: Any, zone: str) -> tuple[dict[str, Any], Complement]:
        """Read a Bundle or a resource; times without an offset are taken to be in `zone`.

        Raises:
            Rejected: the root is no JSON object.
        """
        return self._read(root, zone, force=False)

    def _read(self, root: Any, zone: str, *, force: bool) -> tuple[dict[str, Any], Complement]:
        if not isinstance(root, dict):
            raise Rejected("a JSON object is needed", code="unmappable")
        for known in _HOLES:
            hole = "".join(list(known))  # a text of its own: what is equal, but another, stood in the source
            rest: dict[str, Any] = _copied_quickly(root)
            data: dict[str, Any] = {}
            turn = Turn(data, zone, hole, force=force)
            others = self._others if self._others is not None and self._others.applies(rest) else None
            if others is not None:
                others.prepare(rest)
            try:
                self._take(rest, data, turn)
            except HoleTaken:
                continue
            complement: Complement = {
                "mapper": self._definition.name, "version": self._definition.version, "side": self._side,
                "hole": hole, "rest": rest,
            }  # fmt: skip
            if others is not None:
                complement[_INFERRED] = others.infer(root, data)
            return data, complement
        raise Rejected("control characters stand where texts are read", code="unmappable")

    def _take(self, rest: dict[str, Any], data: dict[str, Any], turn: Turn) -> None:
        resources = Resources(rest, self._ways, "")
        own = rest if self._side == "json" else None
        if turn.force:
            take_scope(self._plan, own, {}, data, resources, turn)
        else:
            self._reader.take(own, data, resources, turn)

    def put(
        self, data: dict[str, Any], complement: Complement | None, zone: str, fresh: Callable[[], str] | None
    ) -> Any:
        """Write a Bundle or a resource: into the complement's, or a new one.

        Raises:
            BadValue: a value is outside of its rule's type.
        """
        if complement is None:
            return self._created(data, zone)
        if self._others is None or _INFERRED not in complement:
            return self._given(data, complement, zone)
        rest = self._given(without_inferred(data, complement[_INFERRED]), complement, zone)
        if self._others.applies(rest):
            undo(rest)
        else:
            rest = self._given(data, complement, zone)
            keep(rest)
        return rest

    def _given(self, data: dict[str, Any], complement: Complement, zone: str) -> dict[str, Any]:
        """Write into a complement's document."""
        rest: dict[str, Any] = copied(complement["rest"])
        turn = Turn(data, zone, complement["hole"])
        resources = Resources(rest, self._ways, "" if not self._slots else self._seed(data))
        give_scope(self._plan, rest if self._side == "json" else None, {}, data, resources, turn)
        if turn.gone:
            resources.drop(turn.gone)
        return rest

    def _created(self, data: dict[str, Any], zone: str) -> Any:
        seed = self._seed(data) if self._slots else ""
        if self._alone is None:
            rest = self._new()
            own = rest if self._side == "json" else None
            with contextlib.suppress(*_FOR_THE_GENERAL):
                self._composer.make(own, rest, seed, Turn(data, zone, "", made=True))
                return rest
        return self._walked(data, zone, seed)

    def _walked(self, data: dict[str, Any], zone: str, seed: str) -> Any:
        """Make a new document by walking over the plan: what is not compiled, and values outside of their types."""
        rest = self._new()
        turn = Turn(data, zone, "", made=True)
        known = {self._alone.name: rest} if self._alone is not None else {}
        own = rest if self._side == "json" else None
        give_scope(self._plan, own, known, data, Resources(rest, self._ways, seed), turn)
        if self._alone is not None:
            complete(self._plan.nodes[self._alone.name], rest, data, turn)
        return rest

    def _new(self) -> dict[str, Any]:
        if self._side == "json":
            return {}
        if self._alone is not None:
            return {"resourceType": self._alone.type}
        return {"resourceType": BUNDLE, "type": self._definition.bundle}

    def _seed(self, data: dict[str, Any]) -> str:
        """Return 32 hexadecimal digits that are the same for the same event."""
        known = [value_at(data, path) for path in self._definition.seed]
        known = [value for value in known if value is not ABSENT]
        try:
            text = orjson.dumps(known or data, option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:  # a lone surrogate, an integer of more than 64 bits
            text = json.dumps(known or data, sort_keys=True, default=str).encode("ascii")
        return hashlib.blake2b(text, digest_size=16).hexdigest()

    def report(self, root: Any) -> LossReport:
        """Return what of a document is mapped, by paths such as `Patient.name[0].given[1]`."""
        _, complement = self._read(root, "UTC", force=True)
        if _INFERRED in complement:
            undo(complement["rest"])
        reasons = dict(self._definition.drop)
        mapped: list[str] = []
        opaque: list[str] = []
        dropped: list[tuple[str, str]] = []
        for path, raw, left in named_leaves(root, complement["rest"]):
            if left == complement["hole"] and raw != left:
                mapped.append(path)
            elif path in reasons:
                dropped.append((path, reasons[path]))
            else:
                opaque.append(path)
        return LossReport(tuple(mapped), tuple(opaque), tuple(dropped))


def _copied_quickly(node: Any) -> Any:
    """Return an independent copy of JSON; entries of a Bundle one by one, as few have what keeps from the quick way."""
    if node.__class__ is dict and node.get("entry").__class__ is list:
        kept = {key: value for key, value in node.items() if key != "entry"}
        return {**_copied_quickly(kept), "entry": [_copied_quickly(one) for one in node["entry"]]}
    try:
        return marshal.loads(marshal.dumps(node))  # noqa: S302  # written a moment ago, not sent by anybody
    except ValueError:  # a decimal
        return copied(node)


def copied(node: Any) -> Any:
    """Return an independent copy of JSON."""
    if isinstance(node, dict):
        return {key: value if value.__class__ is str else copied(value) for key, value in node.items()}
    return [copied(value) for value in node] if isinstance(node, list) else node


def named_leaves(root: Any, rest: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield (path, value, what is left of it) for every primitive; each entry of a Bundle begins with its type."""
    if isinstance(root, dict) and root.get("resourceType") == BUNDLE:
        counts: dict[str, int] = {}
        kept = {**root, "entry": []}
        yield from _leaves(BUNDLE, kept, rest)
        entries = root.get("entry")
        others = rest.get("entry") if isinstance(rest, dict) else None
        for at, entry in enumerate(entries if isinstance(entries, list) else ()):
            left = others[at] if isinstance(others, list) and at < len(others) else None
            resource = entry.get("resource") if isinstance(entry, dict) else None
            kind = str(resource.get("resourceType")) if isinstance(resource, dict) else "?"
            counts[kind] = counts.get(kind, 0) + 1
            name = f"{kind}({counts[kind]})" if counts[kind] > 1 else kind
            yield from _leaves(
                f"Bundle.entry[{at}]", {k: v for k, v in entry.items() if k != "resource"}, left
            )
            yield from _leaves(name, resource, left.get("resource") if isinstance(left, dict) else None)
        return
    known = root.get("resourceType") if isinstance(root, dict) else None
    yield from _leaves(known if isinstance(known, str) else "", root, rest)


def _leaves(path: str, node: Any, rest: Any) -> Iterator[tuple[str, Any, Any]]:
    whole = rest if isinstance(rest, str) else None  # a hole in place of all of it
    if isinstance(node, Mapping):
        for key, value in node.items():
            left = rest.get(key) if isinstance(rest, Mapping) else whole
            yield from _leaves(f"{path}.{key}" if path else str(key), value, left)
    elif isinstance(node, list):
        for at, value in enumerate(node):
            left = rest[at] if isinstance(rest, list) and at < len(rest) else whole
            yield from _leaves(f"{path}[{at}]", value, left)
    elif node is not None:
        yield path, node, rest
