"""The laws of MAPPING on the FHIR side, for events that nobody thought of, over all shipped mappers.

What is made conforms to R4, comes back as the event that it was made of, also where it was written into a document of
another event, and a HL7 message comes back byte for byte over FHIR.
"""

from __future__ import annotations

import json
import os
import secrets
from typing import Any

import pytest

from engine.codecs.fhir import structural_faults
from engine.mapping.laws import check_across, check_create, check_getput, check_putget
from engine.mapping.two_way import TwoWayMapper
from tests.mapping.test_laws import SHIPPED, Event, equal, hold, mapper_named, same_bytes
from tests.mapping.trips import CORPUS

ZONE = "America/Toronto"
MANY = int(os.environ.get("PASSERELLE_LAW_EVENTS", "10000"))


def broken(mapper: TwoWayMapper, event: Event, earlier: Event) -> str | None:
    """Return what law of the side fhir an event breaks, alone or put into the Bundle of an earlier one."""
    made = mapper.put("fhir", event, zone=ZONE)
    complement = mapper.get("fhir", mapper.put("fhir", earlier, zone=ZONE), zone=ZONE).complement
    written = mapper.put("fhir", event, complement, zone=ZONE)
    return (
        refused(made)
        or check_create(mapper, "fhir", event, zone=ZONE)
        or check_getput(mapper, "fhir", made, equal, zone=ZONE)
        or check_putget(mapper, "fhir", event, complement, zone=ZONE)
        or refused(written)
        or check_getput(mapper, "fhir", written, equal, zone=ZONE)
    )


def refused(bundle: Any) -> str | None:
    return next((f"R4: {one.path}: {one.text}" for one in structural_faults(bundle)), None)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_laws_hold_for_generated_events(name: str) -> None:
    hold(name, 40, 2, broken, "fhir")


@pytest.mark.soak
@pytest.mark.parametrize("name", SHIPPED)
def test_the_laws_hold_for_very_many_events(name: str) -> None:
    hold(name, MANY, secrets.randbits(32), broken, "fhir")


def test_what_only_kept_the_place_of_another_goes_with_it() -> None:
    """The second coding is gone: what stood for the first one must not stay beside a value of another type."""
    earlier = {"orders": [{"results": [{"valueType": "coded", "value": {"code": {"alternateSystem": "x"}}}]}]}
    event = {"orders": [{"results": [{"valueType": "structured", "unit": {"text": "mg"}}]}]}
    assert broken(mapper_named("laboratory-result"), event, earlier) is None


def lost(mapper: TwoWayMapper, event: Event, _: Event) -> str | None:
    """Return what is wrong with the way of an event's message over FHIR and back."""
    return check_across(mapper, mapper.put("v2", event), same_bytes, zone=ZONE)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_generated_message_comes_back_over_fhir(name: str) -> None:
    hold(name, 20, 3, lost)


@pytest.mark.soak
@pytest.mark.parametrize("name", SHIPPED)
def test_very_many_generated_messages_come_back_over_fhir(name: str) -> None:
    hold(name, MANY, secrets.randbits(32), lost)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_others_wrote_comes_back_as_it_was(name: str) -> None:
    mapper = mapper_named(name)
    for path in sorted((CORPUS / "fhir-r4").glob("*.json"))[::8]:
        document = json.loads(path.read_text())
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": document}]}
        assert check_getput(mapper, "fhir", document, equal, zone=ZONE) is None, path.name
        assert check_getput(mapper, "fhir", bundle, equal, zone=ZONE) is None, path.name


@pytest.mark.parametrize("name", SHIPPED)
def test_bundles_that_others_made_of_messages_come_back_as_they_were(name: str) -> None:
    mapper = mapper_named(name)
    for path in sorted((CORPUS / "pairs").glob("*.expected.json"))[::40]:
        document = json.loads(path.read_text())
        assert check_getput(mapper, "fhir", document, equal, zone=ZONE) is None, path.name
