"""Resources made from the definitions, well formed in every type, and faults put into them one at a time."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from engine.codecs.fhir import Element, children, is_primitive
from engine.codecs.json import dotted

Trail = tuple[str | int, ...]

GOOD: dict[str, tuple[Any, ...]] = {
    "base64Binary": ("aGVsbG8=", "QUJD", "QQ =="),
    "boolean": (True, False),
    "canonical": ("http://x.example/fhir/ValueSet/one|1.0", "#one"),
    "code": ("en", "one two"),
    "date": ("2026", "2026-02", "2024-02-29"),
    "dateTime": ("2026", "2026-01-14", "2026-01-14T09:30:00+01:00", "2026-01-14T09:30:12.1234Z"),
    "decimal": (1, Decimal("1.50"), Decimal("-0.1"), Decimal("1E2")),
    "id": ("a-1.B", "x" * 64),
    "instant": ("2026-01-14T09:30:00Z", "2026-12-31T23:59:60.5-14:00"),
    "integer": (-3, 0, 2**31 - 1),
    "markdown": ("some *text*",),
    "oid": ("urn:oid:1.2.840.0",),
    "positiveInt": (1, 2**31 - 1),
    "string": ("a text", "Zoë", "tab\tand\nline"),
    "time": ("09:30:00", "23:59:59.25"),
    "unsignedInt": (0, 7),
    "uri": ("http://x.example/one", "urn:oid:1.2.3", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
    "url": ("https://x.example/one?a=b",),
    "uuid": ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520",),
    "xhtml": ('<div xmlns="http://www.w3.org/1999/xhtml">text</div>',),
}
MISSHAPEN: dict[str, tuple[Any, ...]] = {
    "base64Binary": ("a", "QUJ", "Q=JD", "über", ""),
    "canonical": ("with blank", ""),
    "code": (" en", "en ", "two  blanks", ""),
    "date": ("2026-13", "2026-1-1", "2026-02-30", "20260114", "2026-01-14T09:30:00Z", "0000", ""),
    "dateTime": (
        "2026-01-14T09:30:00",
        "2026-01-14T09:30Z",
        "2026-01-14T24:00:00Z",
        "2026-04-31",
        "14.01.2026",
        "",
    ),
    "id": ("x" * 65, "under_score", "with/slash", ""),
    "instant": ("2026-01-14", "2026-01-14T09:30:00", "2026-02-29T09:30:00Z", ""),
    "integer": (2**31, -(2**31) - 1),
    "markdown": ("", "bell\a"),
    "oid": ("1.2.3", "urn:oid:3.1", "urn:oid:1.02", ""),
    "positiveInt": (0, -1, 2**31),
    "string": ("", "nul\0"),
    "time": ("9:30:00", "09:30", "24:00:00", "09:30:00Z", ""),
    "unsignedInt": (-1, 2**31),
    "uri": ("with blank", "urn:uuid:no", "urn:oid:x", ""),
    "url": ("with blank", ""),
    "uuid": ("c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:C757873D-EC9A-4326-A141-556F43239520", ""),
    "xhtml": ("text", "<p>text</p>", ""),
}
CHOICE = re.compile(r'\["(\w+\[x\])"\]')
NUMBERS = ("decimal", "integer", "positiveInt", "unsignedInt")


@dataclass(frozen=True, slots=True)
class Made:
    """A fault to be put into a resource: where it will be found, and as what."""

    whole: dict[str, Any]
    trail: Trail
    change: Callable[[dict[str, Any]], object]
    path: str
    code: str
    how: str

    def resource(self) -> dict[str, Any]:
        """Return a copy of the whole with the fault in it."""
        made = copy.deepcopy(self.whole)
        node: Any = made
        for part in self.trail:
            node = node[part]
        self.change(node)
        return made


# --------------------------------------------------------------------------- well formed


def resource(kind: str, random: Random) -> dict[str, Any]:
    """Return a resource of a type, with about a third of what it may have; a Bundle is a collection."""
    made = {"resourceType": kind, **_members(kind, random, 0)}
    if kind == "Bundle":
        made["type"] = "collection"
        made.pop("total", None)
        made["entry"] = [
            {
                "fullUrl": f"https://x.example/fhir/Basic/{number}",
                "resource": {**resource("Basic", random), "id": number},
            }
            for number in ("1", "2")
        ]
    return made


def _members(content: str, random: Random, depth: int) -> dict[str, Any]:
    known = children(content)
    chosen = {
        item.choice: name
        for name, item in sorted(known.items(), key=lambda pair: random.random())
        if item.choice
    }
    made: dict[str, Any] = {}
    for name, item in known.items():
        if item.content == "Resource" or (item.choice and chosen[item.choice] != name):
            continue
        if item.min or (random.random() < 0.3 and (depth < 3 or not item.content)):
            made[name] = _value(item, random, depth)
    if content == "Extension":
        return {"url": "http://x.example/e", "valueString": "one"}
    return made if made.keys() - {"id"} else made | _something(content, random, depth)


def _something(content: str, random: Random, depth: int) -> dict[str, Any]:
    """Return one member, a plain one if there is any: an element with nothing but an id is empty."""
    named = [(bool(item.content), name) for name, item in children(content).items()]
    name = min(
        (complex, name) for complex, name in named if name not in ("id", "extension", "modifierExtension")
    )[1]
    return {name: _value(children(content)[name], random, depth)}


def _value(item: Element, random: Random, depth: int) -> Any:
    made = [_one(item, random, depth) for _ in range(random.choice((1, 2)))]
    return made if item.repeats else made[0]


def _one(item: Element, random: Random, depth: int) -> Any:
    kind = item.types[0]
    if is_primitive(kind):
        codes = sorted(item.binding.codes) if item.binding and item.binding.codes else GOOD[kind]
        return random.choice(codes)
    if item.binding and item.binding.coded:
        system, code = random.choice(sorted(item.binding.coded))
        return {"coding": [{"system": system, "code": code}]}
    if kind == "Reference":
        return {"reference": f"{random.choice(item.targets or ('Patient',))}/1"}
    return _members(item.content, random, depth + 1)


# --------------------------------------------------------------------------- with one fault


def faults(whole: dict[str, Any]) -> Iterator[Made]:
    """Yield every fault that can be made of a well-formed resource."""
    kind = str(whole["resourceType"])
    for trail, content, node in _objects((), kind, whole):
        at = dotted((kind, *trail, "nmae"))
        yield Made(whole, trail, _put("nmae", "x"), at, "unknown", "unknown element")
        for name, item in children(content).items():
            for change, below, code, how in _changes(name, item, node, content):
                at = dotted((kind, *trail, *below))
                at = CHOICE.sub(r".\1", at)

                yield Made(whole, trail, change, at, code, f"{how} ({item.types[0]})")


def _put(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(node: dict[str, Any]) -> None:
        node[name] = value

    return change


Change = tuple[Callable[[dict[str, Any]], object], Trail, str, str]


def _changes(name: str, item: Element, node: dict[str, Any], content: str) -> Iterator[Change]:
    if name not in node:
        taken = next(
            (other for other in node if item.choice and _choice(content, other) == item.choice), None
        )
        if taken is not None and is_primitive(item.types[0]):
            second = GOOD[item.types[0]][0]
            yield (_put(name, second), (), "choice", "second of a choice")
        return
    value = node[name]
    if item.min:
        missing: Trail = (item.choice or name,)
        yield (lambda it: it.pop(name), missing, "cardinality", "required element missing")
    if item.repeats:
        yield (_put(name, value[0]), (name,), "cardinality", "no list where R4 repeats")
        yield (_put(name, []), (name,), "empty", "empty list")
    else:
        yield (_put(name, [value]), (name,), "cardinality", "list where R4 does not repeat")
    for wrong, code, how in _wrong_values(item):
        put = [wrong] if item.repeats else wrong
        at: Trail = (name, 0) if item.repeats else (name,)
        yield (_put(name, put), at, code, how)
    if item.types == ("Reference",) and item.targets:
        other = (
            "Patient"
            if "Patient" not in item.targets
            else "Schedule"
            if "Schedule" not in item.targets
            else ""
        )
        if other:
            put = [{"reference": f"{other}/1"}] if item.repeats else {"reference": f"{other}/1"}
            at = (name, 0, "reference") if item.repeats else (name, "reference")
            yield (_put(name, put), at, "reference", "reference to another type")


def _wrong_values(item: Element) -> Iterator[tuple[Any, str, str]]:
    kind = item.types[0]
    if not is_primitive(kind):
        yield "a text", "type", "text where R4 has an object"
        if item.content != "Resource":
            yield {}, "empty", "empty object"
        if item.binding and item.binding.coded:
            yield {"coding": [{"system": "http://x.example", "code": "x"}]}, "binding", "no required coding"
        return
    yield {"value": "x"}, "type", "object where R4 has a value"
    yield None, "type", "null"
    yield (
        ("1" if kind in NUMBERS else "true") if kind in (*NUMBERS, "boolean") else 1,
        "type",
        "other kind of value",
    )
    if kind in NUMBERS:
        yield True, "type", "boolean for a number"
        yield 1.5, "type", "binary float"
    for wrong in MISSHAPEN.get(kind, ()):
        yield wrong, "format", "misshapen value"
    if item.binding and item.binding.codes:
        yield "no-such-code", "binding", "code that is not in the required value set"


def _choice(content: str, name: str) -> str:
    found = children(content).get(name)
    return found.choice if found else ""


def _objects(trail: Trail, content: str, node: dict[str, Any]) -> Iterator[tuple[Trail, str, dict[str, Any]]]:
    """Yield (trail, content, object) of all objects whose content is known, the resource itself first."""
    yield trail, content, node
    for name, item in children(content).items():
        value = node.get(name)
        if value is None or is_primitive(item.types[0]):
            continue
        for index, inner in enumerate(value) if isinstance(value, list) else ((None, value),):
            below: Trail = (*trail, name) if index is None else (*trail, name, index)
            yield from _objects(
                below, inner["resourceType"] if item.content == "Resource" else item.content, inner
            )
