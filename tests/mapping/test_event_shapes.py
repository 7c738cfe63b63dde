"""One shape of a patient, a place, a name: the schemas of the events repeat shapes.json word for word."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest

from tests.mapping.event_shapes import EVENTS, SHAPES, references, schemas, used_shapes

KNOWN = schemas()


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_schema_repeats_the_shapes_that_it_uses_and_no_other(name: str) -> None:
    assert KNOWN[name].get("$defs", {}) == used_shapes(KNOWN[name])


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_reference_of_a_schema_has_its_shape(name: str) -> None:
    known = set(KNOWN[name].get("$defs", {}))
    assert set(references(KNOWN[name])) <= known


def test_the_shapes_are_a_schema_that_refers_to_itself_only() -> None:
    whole = json.loads((EVENTS / "shapes" / "shapes.json").read_text())
    jsonschema_rs.meta.validate(whole)
    assert set(references(list(SHAPES.values()))) <= set(SHAPES)


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_property_of_a_shape_says_what_it_is(shape: str) -> None:
    silent = [
        name for name, each in SHAPES[shape].get("properties", {}).items() if not each.get("description")
    ]
    assert SHAPES[shape]["description"]
    assert silent == []
