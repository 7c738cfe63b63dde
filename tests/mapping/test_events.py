"""The event catalogue: every schema is sound, says what each of its properties means, and is shown by an example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "mappings" / "events"
GOLDEN = ROOT / "mappings" / "golden"
SCHEMAS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(EVENTS.glob("*.json"))
}
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


@pytest.mark.parametrize("name", ["imaging-study-stored", "user-created"])
def test_what_hl7_does_not_carry_shows_examples_that_meet_their_own_schema(name: str) -> None:
    check = jsonschema_rs.validator_for(SCHEMAS[name], validate_formats=True)
    assert SCHEMAS[name]["examples"]
    for example in SCHEMAS[name]["examples"]:
        check.validate(example)
