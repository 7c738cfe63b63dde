"""The laws of MAPPING hold for events that nobody thought of: put is undone by get, and get by put."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.cli.map.inventing import within
from engine.codecs.fhir import structural_faults
from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.rebuilding import REBUILDING
from engine.codecs.hl7v2.writing import write
from engine.mapping.laws import (
    check_across,
    check_create,
    check_getput,
    check_locality,
    check_putget,
    coverage,
)
from engine.mapping.two_way import TwoWayMapper
from engine.mapping.v2.reporting import leaves_of_message
from tests.mapping.admissions import ADMISSIONS
from tests.mapping.made_events import events
from tests.mapping.trips import shipped
from tests.mapping.visits import MESSAGE, VISITS, mapper_of

ZONE = "America/Toronto"
SHIPPED = ("appointment", "patient-encounter", "laboratory-result", "order", "medication", "invoice")
OWN = {"visit": VISITS, "admission": ADMISSIONS}
EACH = 650
"""Examples of two events each, for each of the six shipped mappers and of two small ones: more than 10,000 events."""
FEW = settings(
    max_examples=EACH, deadline=None, suppress_health_check=list(HealthCheck), database=None, print_blob=False
)
MANY = settings(FEW, derandomize=False, max_examples=int(os.environ.get("PASSERELLE_LAW_EVENTS", "16700")))


def mapper_named(name: str) -> TwoWayMapper:
    found: Any = OWN.get(name) or shipped(name)
    assert isinstance(found, TwoWayMapper)
    return found


def raw_leaves(root: Any) -> dict[str, str]:
    return leaves_of_message(root, REBUILDING)


def same_bytes(one: Any, other: Any) -> bool:
    return write(one) == write(other)


def holds_for(name: str, data: st.DataObject) -> None:
    mapper = mapper_named(name)
    event = within(mapper.definition, data.draw(events(mapper.definition)), "v2")
    earlier = within(mapper.definition, data.draw(events(mapper.definition)), "v2")
    new = mapper.get("v2", mapper.put("v2", event)).data
    assert new == event or check_create(mapper, "v2", event) is None
    before = mapper.get("v2", mapper.put("v2", earlier))
    assert before.data == earlier or check_create(mapper, "v2", earlier) is None
    put = mapper.put("v2", event, before.complement)
    after = mapper.get("v2", put)
    assert after.data == event or check_putget(mapper, "v2", event, before.complement) is None
    again = mapper.put("v2", after.data, after.complement)
    assert same_bytes(again, put) or check_getput(mapper, "v2", put, same_bytes) is None


@pytest.mark.parametrize("name", [*OWN, *SHIPPED])
def test_the_laws_hold_for_generated_events(name: str) -> None:
    FEW(given(st.data())(lambda data: holds_for(name, data)))()


@pytest.mark.soak
@pytest.mark.parametrize("name", SHIPPED)
def test_the_laws_hold_for_very_many_events(name: str) -> None:
    MANY(given(st.data())(lambda data: holds_for(name, data)))()


@settings(FEW, max_examples=300)
@given(st.data())
def test_fhir_gives_back_what_its_rules_say(data: st.DataObject) -> None:
    event = data.draw(events(ADMISSIONS.definition))
    bundle = ADMISSIONS.put("fhir", event, zone=ZONE)
    assert check_create(ADMISSIONS, "fhir", event, zone=ZONE) is None
    assert check_getput(ADMISSIONS, "fhir", bundle, lambda one, other: bool(one == other), zone=ZONE) is None
    assert structural_faults(bundle) == ()


def test_a_changed_leaf_changes_one_leaf_of_the_message() -> None:
    root = parse(MESSAGE.encode())
    before = VISITS.get("v2", root).data
    after = VISITS.get("v2", root).data
    after["reports"][0]["results"][0]["number"] = "6"
    assert check_locality(VISITS, before, after, root, raw_leaves, most=1) is None
    assert check_locality(VISITS, before, after, root, raw_leaves, most=0) is not None


def test_a_message_comes_back_over_fhir() -> None:
    root = ADMISSIONS.put(
        "v2", {"message": {"id": "1"}, "visit": {"class": "emergency"}, "contacts": [{"family": "X"}]}
    )
    assert check_across(ADMISSIONS, root, same_bytes, zone=ZONE) is None


def test_coverage_counts_what_only_the_complement_has() -> None:
    found = coverage(VISITS, [parse(MESSAGE.encode())])
    assert found.sources == 1
    assert 0.5 < found.share < 1
    assert found.unmapped["ZZZ-1.1"] == 1


TWO_MEANINGS = """
mapper: two-meanings
version: 1.0.0
v2: {messages: [ADT^A01]}
rules:
  - {event: village, v2: PID-12, default: {v2: none}}
"""


def test_a_mapper_that_breaks_a_law_is_caught_by_it() -> None:
    broken = mapper_of(TWO_MEANINGS)
    assert check_create(broken, "v2", {"village": "here"}) is None
    assert (
        check_create(broken, "v2", {"village": "none"})
        == "L3: village is not the same after put and get on side v2"
    )
