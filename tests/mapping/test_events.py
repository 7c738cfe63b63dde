"""The event catalogue: every schema is sound, says what each of its properties means, and is shown by an example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from engine.mapping.rules import Scope
from engine.mapping.two_way import TwoWayMapper
from tests.mapping.trips import event_of, schema_faults, shipped

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "mappings" / "events"
GOLDEN = ROOT / "mappings" / "golden"
SCHEMAS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(EVENTS.glob("*.json"))
}
MAPPERS = (
    "appointment", "patient-encounter", "laboratory-result", "order", "imaging-order", "medication", "invoice",
)  # fmt: skip
MADE_OF_NO_HL7 = {
    "imaging-completed", "imaging-discontinued", "imaging-started", "imaging-study-stored", "imaging-updated",
    "user-created",
}  # fmt: skip
GOLDEN_MESSAGES = sorted(GOLDEN.glob("*/*/message.hl7"))
CATALOGUE = re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", (EVENTS / "README.md").read_text(), re.MULTILINE)


def undescribed(schema: Any, trail: str = "") -> Iterator[str]:
    """Give the place of every property that says nothing about itself; what it refers to does not speak for it."""
    if not isinstance(schema, dict):
        return
    for name, shape in schema.get("properties", {}).items():
        here = f"{trail}.{name}"
        if not shape.get("description"):
            yield here
        yield from undescribed(shape, here)
    yield from undescribed(schema.get("items"), f"{trail}[]")
    for name, shape in schema.get("$defs", {}).items():
        yield from undescribed(shape, f"#{name}")


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_schema_is_valid_json_schema_2020_12_and_bears_its_name_and_version(name: str) -> None:
    schema = SCHEMAS[name]
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["title"], schema["$id"].rsplit(":", 1)[0]) == (name, f"urn:passerelle:event:{name}")


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_property_of_a_schema_is_described(name: str) -> None:
    assert list(undescribed(SCHEMAS[name])) == []


def test_the_catalogue_names_every_schema_with_its_version_and_no_other() -> None:
    versions = {name: schema["$id"].rsplit(":", 1)[1] for name, schema in SCHEMAS.items()}
    assert dict(CATALOGUE) == versions


def test_no_schema_takes_a_secret() -> None:
    words = re.compile(r'"(password|secret|token|credential)s?":', re.IGNORECASE)
    assert [name for name in SCHEMAS if words.search(json.dumps(SCHEMAS[name]))] == []


@pytest.mark.parametrize("name", sorted(MADE_OF_NO_HL7))
def test_what_hl7_does_not_carry_shows_examples_that_meet_their_own_schema(name: str) -> None:
    check = jsonschema_rs.validator_for(SCHEMAS[name], validate_formats=True)
    assert SCHEMAS[name]["examples"]
    for example in SCHEMAS[name]["examples"]:
        check.validate(example)


def event_paths(scope: Scope, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give the path of every leaf that a mapper's rules have, lists without their brackets."""
    yield from (above + tuple(key for key in leaf.path if key) for leaf in scope.leaves)
    for many in scope.lists:
        yield from event_paths(many.scope, above + many.path)


def described(schema: dict[str, Any], path: tuple[str, ...]) -> bool:
    """Say whether a schema has a leaf there."""
    node: dict[str, Any] = schema
    for key in (*path, ""):
        while "$ref" in node or "items" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node["items"]
        if key:
            node = node.get("properties", {}).get(key, {})
    return "type" in node and "properties" not in node


@pytest.mark.parametrize("name", MAPPERS)
def test_every_leaf_that_a_mapper_has_is_described_by_the_schemas_of_its_events(name: str) -> None:
    mapper = shipped(name)
    assert isinstance(mapper, TwoWayMapper)
    definition = mapper.definition
    types = {*definition.event_types.values(), definition.event_else} - {""}
    paths = set(event_paths(definition.scope))
    assert types <= set(SCHEMAS)
    lacking = {
        f"{kind}: {'.'.join(path)}" for kind in types for path in paths if not described(SCHEMAS[kind], path)
    }
    assert lacking == set()


@pytest.mark.parametrize("path", GOLDEN_MESSAGES, ids=lambda path: f"{path.parts[-3]}/{path.parts[-2]}")
def test_the_event_of_a_golden_message_meets_the_schema_of_its_type(path: Path) -> None:
    mapper = shipped(path.parts[-3])
    assert schema_faults(mapper, event_of(mapper, path.read_bytes())) == []


def test_every_event_that_a_mapper_makes_has_a_golden_message() -> None:
    made = {
        shipped(path.parts[-3]).event_type(event_of(shipped(path.parts[-3]), path.read_bytes()))
        for path in GOLDEN_MESSAGES
    }
    assert set(SCHEMAS) - made == MADE_OF_NO_HL7 - {"imaging-study-stored"}  # which is made back into HL7
