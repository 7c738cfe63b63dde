"""What the generated functions make of an event is what the general ones, which walk over the plan, make of it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, cast

import pytest

from engine.errors import MalformedMessage, Rejected
from engine.mapping.fhir_giving import give_scope
from engine.mapping.fhir_side import FhirFormat
from engine.mapping.two_way import TwoWayMapper
from tests.mapping.trips import ROOT, corpus, event_of, shipped

GOLDEN = ROOT / "mappings" / "golden"
MAPPERS = sorted(folder.name for folder in GOLDEN.iterdir())
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


def _walked(side: FhirFormat, event: Any, zone: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    def walk(own: Any, x: dict[str, Any], known: Any, resources: Any, turn: Any) -> None:
        give_scope(side._plan, own, known, x, resources, turn)

    with monkeypatch.context() as patch:
        patch.setattr(side, "_maker", walk)
        return _made(side, event, zone)


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
def test_generated_and_general_functions_make_the_same(
    name: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = _formats(name)
    events = _events(name)
    assert events
    for event in events:
        assert _made(side, event, zone) == _walked(side, event, zone, monkeypatch)


@pytest.mark.parametrize("name", MAPPERS)
def test_they_make_the_same_of_odd_values(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    side = _formats(name)
    event = max(_events(name), key=lambda one: len(_leaves(one)))
    leaves = _leaves(event)
    for number, (node, key) in enumerate(leaves[:: 1 + len(leaves) // SPOTS]):
        kept, node[key] = node[key], ODD[number % len(ODD)]
        assert _made(side, event, "UTC") == _walked(side, event, "UTC", monkeypatch), (key, node[key])
        node[key] = kept
