"""The laws of MAPPING on the FHIR side, for events that nobody thought of, over all shipped mappers.

What is made conforms to R4, comes back as the event that it was made of, also where it was written into a document of
another event, and a HL7 message comes back byte for byte over FHIR.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.cli.map.inventing import within
from engine.codecs.fhir import structural_faults
from engine.codecs.hl7v2.writing import write
from engine.mapping.laws import check_across, check_create, check_getput, check_putget
from engine.mapping.two_way import TwoWayMapper
from tests.mapping.made_events import events
from tests.mapping.test_laws import SHIPPED, mapper_named
from tests.mapping.trips import CORPUS

ZONE = "America/Toronto"
FEW = settings(
    max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None, print_blob=False
)
MANY = settings(FEW, derandomize=False, max_examples=int(os.environ.get("PASSERELLE_LAW_EVENTS", "10000")))


def drawn(mapper: TwoWayMapper, data: st.DataObject) -> Any:
    return within(mapper.definition, data.draw(events(mapper.definition)), "fhir")


def same(one: Any, other: Any) -> bool:
    return bool(one == other)


def holds_for(name: str, data: st.DataObject) -> None:
    mapper = mapper_named(name)
    event, earlier = drawn(mapper, data), drawn(mapper, data)
    made = mapper.put("fhir", event, zone=ZONE)
    assert structural_faults(made) == ()
    assert check_create(mapper, "fhir", event, zone=ZONE) is None
    assert check_getput(mapper, "fhir", made, same, zone=ZONE) is None
    complement = mapper.get("fhir", mapper.put("fhir", earlier, zone=ZONE), zone=ZONE).complement
    assert check_putget(mapper, "fhir", event, complement, zone=ZONE) is None
    written = mapper.put("fhir", event, complement, zone=ZONE)
    assert structural_faults(written) == ()
    assert check_getput(mapper, "fhir", written, same, zone=ZONE) is None


@pytest.mark.parametrize("name", SHIPPED)
def test_the_laws_hold_for_generated_events(name: str) -> None:
    FEW(given(st.data())(lambda data: holds_for(name, data)))()


@pytest.mark.soak
@pytest.mark.parametrize("name", SHIPPED)
def test_the_laws_hold_for_very_many_events(name: str) -> None:
    MANY(given(st.data())(lambda data: holds_for(name, data)))()


def comes_back(name: str, data: st.DataObject) -> None:
    mapper = mapper_named(name)
    event = within(mapper.definition, data.draw(events(mapper.definition)), "v2")
    root = mapper.put("v2", event)
    assert check_across(mapper, root, lambda one, other: write(one) == write(other), zone=ZONE) is None


@pytest.mark.parametrize("name", SHIPPED)
def test_a_generated_message_comes_back_over_fhir(name: str) -> None:
    settings(FEW, max_examples=20)(given(st.data())(lambda data: comes_back(name, data)))()


@pytest.mark.soak
@pytest.mark.parametrize("name", SHIPPED)
def test_very_many_generated_messages_come_back_over_fhir(name: str) -> None:
    MANY(given(st.data())(lambda data: comes_back(name, data)))()


@pytest.mark.parametrize("name", SHIPPED)
def test_what_others_wrote_comes_back_as_it_was(name: str) -> None:
    mapper = mapper_named(name)
    for path in sorted((CORPUS / "fhir-r4").glob("*.json"))[::8]:
        document = json.loads(path.read_text())
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": document}]}
        assert check_getput(mapper, "fhir", document, same, zone=ZONE) is None, path.name
        assert check_getput(mapper, "fhir", bundle, same, zone=ZONE) is None, path.name


@pytest.mark.parametrize("name", SHIPPED)
def test_bundles_that_others_made_of_messages_come_back_as_they_were(name: str) -> None:
    mapper = mapper_named(name)
    for path in sorted((CORPUS / "pairs").glob("*.expected.json"))[::40]:
        document = json.loads(path.read_text())
        assert check_getput(mapper, "fhir", document, same, zone=ZONE) is None, path.name
