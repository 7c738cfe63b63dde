"""The schema that editors have for mapper files: what is shipped is right, and what the loader refuses is marked."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from engine.config.schema import configuration_schemas
from engine.mapping.drafting import RULE_KEYS, TOP_KEYS
from engine.mapping.slots import SLOT_KEYS
from tests.config.test_schema import read

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "mappings").glob("*.yaml"))
SCHEMA = configuration_schemas()["mapper"]
ORDER = read(ROOT / "mappings" / "order.yaml")
CHECK = jsonschema_rs.validator_for(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_an_editor_finds_nothing_wrong_with_a_shipped_mapper(path: Path) -> None:
    assert [f"{one.instance_path}: {one.message}" for one in CHECK.iter_errors(read(path))] == []


def rule(**keys: Any) -> Callable[[Any], None]:
    return lambda mapper: mapper["rules"].append({"event": "fault", **keys})


def head(side: str, **keys: Any) -> Callable[[Any], None]:
    return lambda mapper: mapper[side].update(keys)


def top(**keys: Any) -> Callable[[Any], None]:
    return lambda mapper: mapper.update(keys)


FAULTS: dict[str, Callable[[Any], None]] = {
    "an unknown key at the top": top(rule=[]),
    "an unknown key of a rule": rule(v3="PID-3"),
    "a rule without an event": lambda mapper: mapper["rules"].append({"v2": "PID-3"}),
    "a path of an event that is none": rule(event="patient..name"),
    "a path of a message that is none": rule(v2="PID3"),
    "a type that is not there": rule(type="decimal"),
    "a type and a table": rule(type="num", table="sex"),
    "a group with a wrong word": rule(v2={"group": "OBX", "til": "ORC"}),
    "a segment that is none": rule(v2={"group": "obx"}),
    "a condition without leaves": rule(when={}),
    "a default of no side": rule(default={"hl7": "x"}),
    "a kind of Bundle that is not there": head("fhir", bundle="history"),
    "a slot without a type": lambda mapper: mapper["fhir"]["slots"].update(Fault={}),
    "a slot with a small letter": lambda mapper: mapper["fhir"]["slots"].update(fault={"type": "Patient"}),
    "codes of a catalogue without their leaf": top(events={"types": {"a": "b"}}),
    "a row of a table that is no row": top(tables={"sex": {"male": "M"}}),
    "a loss without a reason": top(drop=[{"path": "ZPV-3"}]),
    "a computed value without a place": top(compute=[{"value": "x"}]),
    "a mapper without a version": lambda mapper: mapper.pop("version"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_editor_marks_a_fault(name: str) -> None:
    mapper = copy.deepcopy(ORDER)
    FAULTS[name](mapper)
    assert not CHECK.is_valid(mapper)


def test_the_schema_has_the_keys_that_the_loader_reads() -> None:
    definitions = SCHEMA["definitions"]
    assert set(definitions["TwoWayMapper"]["properties"]) == TOP_KEYS
    assert set(definitions["MapperRule"]["properties"]) == RULE_KEYS
    assert set(definitions["MapperSlot"]["properties"]) == SLOT_KEYS


def test_a_one_way_mapper_is_still_one() -> None:
    one_way = {"mapper": "note", "version": "1", "document": {"a": "{msg.a}"}}
    assert CHECK.is_valid(one_way)
    assert not CHECK.is_valid({**one_way, "rules": []})
