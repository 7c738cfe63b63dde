"""The JSON Schemas: draft-07, made from the models, and right about the samples as an editor reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from engine.config import plugins as plugins_module
from engine.config.compose import compose_file
from engine.config.nodes import ListNode, MapNode, Node
from engine.config.plugins import installed
from engine.config.schema import configuration_schemas
from engine.errors import Problem
from tests.config.project import SAMPLES
from tests.config.sample_plugins import plugins

BROKEN = Path(__file__).parent / "broken"
KINDS = {"config.yaml": "config", "partners": "partner", "routes": "route", "mappings": "mapper"}


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """The schemas with the sample channels in the place of the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins_module, "installed", plugins)
        return configuration_schemas()


def as_an_editor_reads(node: Node) -> Any:
    """Return a tree with the types of YAML 1.2's core schema, which editors use."""
    if isinstance(node, MapNode):
        return {key: as_an_editor_reads(child) for key, child in node.items()}
    if isinstance(node, ListNode):
        return [as_an_editor_reads(child) for child in node]
    text = str(node)
    if node.mark is None or node.mark.style:
        return text
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    return {"true": True, "false": False, "null": None, "": None}.get(text, text)


def read(path: Path) -> Any:
    problems: list[Problem] = []
    node = compose_file(path, path.name, problems)
    assert node is not None and not problems
    return as_an_editor_reads(node)


@pytest.mark.parametrize("kind", ["config", "route", "partner", "mapper"])
def test_a_schema_is_draft_07_with_a_description_for_every_key(schemas: dict[str, Any], kind: str) -> None:
    schema = schemas[kind]

    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert list(undescribed(schema)) == []


def undescribed(schema: Any) -> Iterator[str]:
    """Give the keys of all models of a schema that have no description."""
    if isinstance(schema, list):
        for item in schema:
            yield from undescribed(item)
    elif isinstance(schema, dict):
        properties = schema.get("properties", {}) if schema.get("additionalProperties") is False else {}
        yield from (key for key, of_key in properties.items() if not described(of_key))
        for child in schema.values():
            yield from undescribed(child)


def described(schema: dict[str, Any]) -> bool:
    """Tell whether a key says what it is for, itself or by its only shape."""
    return bool(
        schema.get("description") or any(choice.get("description") for choice in schema.get("anyOf", []))
    )


@pytest.mark.parametrize(
    "path",
    [
        SAMPLES / "config.yaml",
        *SAMPLES.glob("partners/*"),
        *SAMPLES.glob("routes/*"),
        *SAMPLES.glob("mappings/*.yaml"),
    ],
    ids=lambda path: path.name,
)
def test_an_editor_finds_nothing_wrong_with_a_sample(schemas: dict[str, Any], path: Path) -> None:
    kind = KINDS.get(path.name) or KINDS[path.parent.name]

    errors = [
        f"{error.instance_path}: {error.message}"
        for error in jsonschema_rs.iter_errors(schemas[kind], read(path))
    ]

    assert errors == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("route", "route-unknown-key"),
        ("route", "route-bad-duration"),
        ("route", "route-wrong-kind"),
        ("route", "route-missing-key"),
        ("route", "route-not-a-choice"),
        ("route", "route-step-key"),
        ("config", "config-unknown-channel"),
        ("config", "config-scalars"),
        ("config", "config-secret-in-clear"),
        ("config", "config-exception-wrong"),
        ("partner", "partner-unknown-key"),
    ],
)
def test_an_editor_marks_what_a_schema_can_see(schemas: dict[str, Any], kind: str, name: str) -> None:
    assert not jsonschema_rs.is_valid(schemas[kind], read(BROKEN / f"{name}.yaml"))


def test_the_real_channels_are_in_the_schema_by_their_own_keys() -> None:
    config = configuration_schemas()["config"]
    names = set(installed().models("endpoint"))

    assert names
    assert names <= set(required(config))


def required(schema: Any) -> Iterator[str]:
    """Give every key that some model of a schema requires."""
    if isinstance(schema, list):
        for item in schema:
            yield from required(item)
    elif isinstance(schema, dict):
        yield from (key for key in schema.get("required", []) if isinstance(key, str))
        for child in schema.values():
            yield from required(child)
