"""What the generated functions make of an event is what the general ones, which walk over the plan, make of it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, cast

import pytest

from engine.errors import MalformedMessage, Rejected
from engine.mapping.fhir import composing as fhir_composing
from engine.mapping.fhir.side import FhirFormat
from engine.mapping.fhir.values import Turn
from engine.mapping.two_way import TwoWayMapper
from tests.mapping.trips import ROOT, corpus, event_of, shipped

GOLDEN = ROOT / "mappings" / "golden"
MAPPERS = sorted({path.parts[-3] for path in GOLDEN.glob("*/*/fhir.json")})
ODD: list[Any] = [
    "",
    " ",
    "\n",
    "a\tb",
    "\x00",
    "é\u00a0",
    None,
    True,
    0,
    1,
    "2026-01-14T09:30",
    "2026-02-30",
    [],
    {},
]
"""What may stand in an event that somebody else wrote."""
SPOTS = 20
"""How many leaves of an event are made odd, one at a time."""


def _formats(name: str) -> FhirFormat:
    return cast(FhirFormat, cast(TwoWayMapper, shipped(name)).formats["fhir"])


def _made(side: FhirFormat, event: Any, zone: str) -> Any:
    try:
        return side.put(event, None, zone, None)
    except (ValueError, TypeError, AttributeError):
        return Rejected  # what `TwoWayMapper.put` makes of all three


def _walked(side: FhirFormat, event: Any, zone: str) -> Any:
    """Return what the general functions make, which walk over the plan."""
    try:
        return side._walked(event, zone, side._seed(event))
    except (ValueError, TypeError, AttributeError):
        return Rejected


def _composed(side: FhirFormat, event: Any, zone: str) -> Any:
    """Return what compiled functions make, without the general ones to fall back on."""
    document = side._new()
    side._composer.make(None, document, side._seed(event), Turn(event, zone, "", made=True))
    return document


def _events(name: str) -> list[Any]:
    kept: list[Path] = sorted((GOLDEN / name).glob("*/event.json"))
    found = [json.loads(path.read_text()) for path in kept]
    mapper = shipped(name)
    types = {one.replace("^", "_") for one in cast(TwoWayMapper, mapper).messages}
    for _, body in list(corpus(*types))[:12]:
        with contextlib.suppress(MalformedMessage, Rejected):
            found.append(event_of(mapper, body))
    return found


def _leaves(node: Any) -> list[tuple[Any, Any]]:
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found = []
    for key, value in pairs:
        found += [(node, key), *_leaves(value)]
    return found


@pytest.mark.parametrize("name", MAPPERS)
@pytest.mark.parametrize("zone", ["UTC", "America/Toronto"])
def test_generated_and_general_functions_make_the_same(name: str, zone: str) -> None:
    side = _formats(name)
    events = _events(name)
    assert events
    for event in events:
        assert _made(side, event, zone) == _walked(side, event, zone)


@pytest.mark.parametrize("name", MAPPERS)
def test_usual_events_need_no_general_functions(name: str) -> None:
    side = _formats(name)
    for path in sorted((GOLDEN / name).glob("*/event.json")):
        text = path.read_text()
        if "null" not in text:  # a list that is null is for the general functions
            event = json.loads(text)
            assert _composed(side, event, "UTC") == _walked(side, event, "UTC"), path.parent.name


@pytest.mark.parametrize("name", MAPPERS)
def test_they_make_the_same_of_odd_values(name: str) -> None:
    side = _formats(name)
    event = max(_events(name), key=lambda one: len(_leaves(one)))
    leaves = _leaves(event)
    for number, (node, key) in enumerate(leaves[:: 1 + len(leaves) // SPOTS]):
        kept, node[key] = node[key], ODD[number % len(ODD)]
        assert _made(side, event, "UTC") == _walked(side, event, "UTC"), (key, node[key])
        node[key] = kept


@pytest.mark.parametrize("name", MAPPERS)
def test_they_make_the_same_of_events_with_less_in_them(name: str) -> None:
    side = _formats(name)
    event = max(_events(name), key=lambda one: len(_leaves(one)))
    leaves = _leaves(event)
    for node, key in leaves[:: 1 + len(leaves) // SPOTS]:
        if isinstance(node, dict):
            kept = node.pop(key)
            assert _made(side, event, "UTC") == _walked(side, event, "UTC"), key
            node[key] = kept


def test_the_order_of_keys_needs_nothing_to_be_compiled_anew() -> None:
    side = _formats("appointment")
    event = json.loads((GOLDEN / "appointment" / "booking" / "event.json").read_text())
    made = _composed(side, event, "UTC")
    before = side._composer.compiled
    turned = dict(reversed(event.items()))
    turned["patient"] = dict(reversed(event["patient"].items()))
    assert _composed(side, turned, "UTC") == made
    assert side._composer.compiled == before


def test_when_too_much_was_compiled_it_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    side = _formats("appointment")
    event = json.loads((GOLDEN / "appointment" / "booking" / "event.json").read_text())
    made = _composed(side, event, "UTC")
    monkeypatch.setattr(fhir_composing, "MOST_COMPILED", 0)
    assert _composed(side, event, "UTC") == made
    assert 0 < side._composer.compiled < 100
