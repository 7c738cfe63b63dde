"""Documents that others made: what a clinic's own resource means where it does not say what ours always say.

A document without the resource of a certain slot is not one of ours. While it is read, items of its lists get the code
that tells what they are, by what they refer to; leaves that nothing says are inferred from others. Neither is written:
`undo` takes the codes out again, and an inferred leaf is left out of what is put as long as it has not changed. Where
the event now says what only the lacking resource can, the document is one of ours from then on: all of it is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.mapping.faults import Faults
from engine.mapping.fhir.making import put_json
from engine.mapping.fhir.nodes import BUNDLE
from engine.mapping.fhir.values import json_at, put_value, value_at
from engine.mapping.paths import BadPath, fhir_path
from engine.mapping.rules import FhirPath, Path, Slot
from engine.mapping.v2.cells import ABSENT

ADDED: Final = "\x1fadded"
"""The key of an object that stands in a document only while it is read."""
_CODE: Final[FhirPath] = ("coding", 0, "code")


@dataclass(frozen=True, slots=True)
class Inferred:
    """One leaf: what an element's code means for it; `text` is what every other one does, "" for nothing."""

    path: Path
    kind: str
    place: FhirPath
    codes: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """One list of a resource: its items get a code by what they refer to, or `text` where they have no type."""

    kind: str
    name: str
    actors: Mapping[str, str]
    known: Collection[str]
    text: str


@dataclass(frozen=True, slots=True)
class Others:
    """What documents without a resource of the type `without` mean."""

    without: str
    leaves: Sequence[Inferred]
    items: Sequence[Told]

    def applies(self, document: dict[str, Any]) -> bool:
        """Say whether somebody else made the document."""
        held = [one.get("contained") for one in _resources(document)]
        inner = [one for those in held if isinstance(those, list) for one in those if isinstance(one, dict)]
        return all(one.get("resourceType") != self.without for one in (*_resources(document), *inner))

    def prepare(self, document: dict[str, Any]) -> None:
        """Add the codes by which rules tell items apart, in place."""
        for one in _resources(document):
            for told in self.items:
                items = one.get(told.name)
                if one.get("resourceType") == told.kind and isinstance(items, list):
                    _tell(told, [item for item in items if isinstance(item, dict)], document, one)

    def infer(self, document: dict[str, Any], data: dict[str, Any]) -> list[list[Any]]:
        """Add what the event does not have yet; return [path, value] of each."""
        found: list[list[Any]] = []
        for leaf in self.leaves:
            said = [
                json_at(one, leaf.place)
                for one in _resources(document)
                if one.get("resourceType") == leaf.kind
            ]
            if not said or value_at(data, leaf.path) is not ABSENT:
                continue
            value = leaf.codes.get(said[0], leaf.text) if isinstance(said[0], str) else leaf.text
            if value:
                put_value(data, leaf.path, value)
                found.append([list(leaf.path), value])
        return found


def without_inferred(data: dict[str, Any], inferred: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return an event without the leaves that were inferred and are still the same."""
    for path, value in inferred:
        if value_at(data, tuple(path)) == value:
            data = _without(data, path)
    return data


def undo(node: Any) -> None:
    """Take out of a document what was added to it while it was read, in place."""
    if isinstance(node, dict):
        for key, value in list(node.items()):
            if isinstance(value, list) and any(map(_is_added, value)):
                node[key] = [one for one in value if not _is_added(one)]
            if _is_added(value) or (isinstance(value, list) and value and not node[key]):
                del node[key]
            else:
                undo(node[key])
    elif isinstance(node, list):
        for one in node:
            undo(one)


def keep(node: Any) -> None:
    """Leave what was added in a document, as if it had always stood there, in place."""
    if isinstance(node, dict):
        node.pop(ADDED, None)
    for one in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        keep(one)


def _is_added(node: Any) -> bool:
    return isinstance(node, dict) and ADDED in node


def _without(data: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    inner = dict(data)
    if len(path) == 1:
        del inner[path[0]]
        return inner
    inner[path[0]] = _without(data[path[0]], path[1:])
    if not inner[path[0]]:
        del inner[path[0]]
    return inner


def _tell(
    told: Told, items: Sequence[dict[str, Any]], document: dict[str, Any], owner: dict[str, Any]
) -> None:
    if told.text:
        codes = [json_at(one, ("type", *_CODE)) for one in items]
        plain = next((one for one in items if "type" not in one and one.get("use") != "secondary"), None)
        if plain is not None and told.text not in codes:
            plain["type"] = _added(told.text)
        return
    for one in items:
        types = one.get("type", [])
        code = told.actors.get(_kind_of(one.get("actor"), document, owner), "")
        if code and isinstance(types, list) and json_at(one, ("type", 0, *_CODE)) not in told.known:
            one["type"] = [_added(code), *types]


def _added(code: str) -> dict[str, Any]:
    made: dict[str, Any] = {ADDED: True}
    put_json(made, _CODE, code)
    return made


def _kind_of(actor: Any, document: dict[str, Any], owner: dict[str, Any]) -> str:
    """Return the type of what a Reference leads to within the document, "" where it leads out of it."""
    text = actor.get("reference") if isinstance(actor, dict) else None
    if not isinstance(text, str):
        return ""
    if text.startswith("#"):
        contained = owner.get("contained")
        inner = [one for one in contained if isinstance(one, dict)] if isinstance(contained, list) else []
        return next((str(one.get("resourceType")) for one in inner if one.get("id") == text[1:]), "")
    entries = document.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        one = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(one, dict):
            continue
        kind = str(one.get("resourceType"))
        if entry.get("fullUrl") == text or text.split("/")[-2:] == [kind, one.get("id")]:
            return kind
    return ""


def _resources(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if document.get("resourceType") != BUNDLE:
        yield document
    entries = document.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            yield entry["resource"]


def read_others(node: Any, slots: Mapping[str, Slot], faults: Faults) -> Others | None:
    """Read `others:` of a mapper's FHIR side; what is wrong goes to `faults`."""
    if node is None:
        return None
    if (
        not isinstance(node, Mapping)
        or set(node) - {"without", "leaves", "items"}
        or node.get("without") not in slots
    ):
        faults.add(node, "others: is {without: SLOT, leaves: [...], items: [...]}")
        return None
    leaves = [_leaf(one, slots, faults) for one in node.get("leaves", ())]
    items = [_item(one, slots, faults) for one in node.get("items", ())]
    return Others(
        slots[str(node["without"])].type,
        [one for one in leaves if one is not None],
        [one for one in items if one is not None],
    )


def _leaf(node: Any, slots: Mapping[str, Slot], faults: Faults) -> Inferred | None:
    known = isinstance(node, Mapping) and {"event", "from"} <= set(node) <= {"event", "from", "codes", "else"}
    path = _place(node["from"], slots, faults) if known else None
    if path is None:
        faults.add(
            node, "a leaf of others: is {event: PATH, from: SLOT.element, codes: {code: value}, else: value}"
        )
        return None
    codes = {str(code): str(value) for code, value in dict(node.get("codes", {})).items()}
    return Inferred(tuple(str(node["event"]).split(".")), path[0], path[1], codes, str(node.get("else", "")))


def _item(node: Any, slots: Mapping[str, Slot], faults: Faults) -> Told | None:
    known = isinstance(node, Mapping) and {"list"} <= set(node) <= {"list", "actors", "known", "else"}
    path = _place(node["list"], slots, faults) if known else None
    if path is None or len(path[1]) != 1 or ("actors" in node) == ("else" in node):
        faults.add(
            node,
            "items of others: are {list: SLOT.element, actors: {Type: code}, known: [code]}, or have else:",
        )
        return None
    actors = {str(kind): str(code) for kind, code in dict(node.get("actors", {})).items()}
    known_codes = frozenset({*map(str, node.get("known", ())), *actors.values()})
    return Told(path[0], str(path[1][0]), actors, known_codes, str(node.get("else", "")))


def _place(node: Any, slots: Mapping[str, Slot], faults: Faults) -> tuple[str, FhirPath] | None:
    """Return the type of a place's slot and the path below it."""
    try:
        path = fhir_path(str(node))
    except BadPath as error:
        faults.add(node, str(error), at=(error.offset, error.length))
        return None
    slot = slots.get(str(path[0]))
    return None if slot is None or len(path) < 2 else (slot.type, path[1:])
