"""Charges of the mapper `invoice` as FHIR R4: an Invoice with a ChargeItem for each, and back."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codecs.hl7v2.writing import write
from tests.mapping.synthetic_billing import charges
from tests.mapping.trips import (
    ROOT,
    ZONE,
    around,
    corpus,
    event_of,
    fhir_faults,
    shipped,
)

GOLDEN = ROOT / "mappings" / "golden" / "invoice"
INVENTED = {f"invented-{n}": text.encode() for n, text in enumerate(charges())}
MESSAGES = {**INVENTED, **dict(corpus("DFT_P03"))}


def golden(name: str) -> bytes:
    return (GOLDEN / name / "message.hl7").read_bytes()


def bundle_of(name: str) -> Any:
    mapper = shipped("invoice")
    return mapper.put("fhir", event_of(mapper, golden(name)), zone=ZONE)


def resources(bundle: Any, kind: str) -> list[Any]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_back_from_fhir_byte_for_byte(name: str) -> None:
    assert around(shipped("invoice"), MESSAGES[name]) == MESSAGES[name]


def tells_what_is_charged(body: bytes) -> bool:
    """Whether each FT1 has the FT1-7 that HL7 requires, as R4 requires ChargeItem.code."""
    charged = [
        segment.split(b"|") for segment in body.replace(b"\n", b"\r").split(b"\r") if segment[:4] == b"FT1|"
    ]
    return all(fields[7] for fields in charged)


@pytest.mark.parametrize("name", [name for name, body in MESSAGES.items() if tells_what_is_charged(body)])
def test_a_bundle_meets_r4(name: str) -> None:
    mapper = shipped("invoice")
    assert fhir_faults(mapper, event_of(mapper, MESSAGES[name])) == []


def test_an_invoice_has_a_line_for_each_charge() -> None:
    bundle = bundle_of("two-insurances-and-a-guarantor")
    (invoice,) = resources(bundle, "Invoice")
    urls = [
        entry["fullUrl"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "ChargeItem"
    ]
    assert [line["chargeItemReference"]["reference"] for line in invoice["lineItem"]] == urls
    assert len(urls) == len(resources(bundle, "Coverage")) == 2


def test_a_price_keeps_its_digits_and_its_currency() -> None:
    (charge,) = resources(bundle_of("imaging-with-procedure-and-diagnoses"), "ChargeItem")
    assert (str(charge["priceOverride"]["value"]), charge["priceOverride"]["currency"]) == ("98.00", "CAD")


def test_charges_that_are_made_from_fhir_alone_have_their_segments() -> None:
    mapper = shipped("invoice")
    data = mapper.get("fhir", bundle_of("credit-of-a-charge"), zone=ZONE).data
    made = write(mapper.put("v2", data, zone=ZONE, new_id=lambda: "NEW1")).decode().split("\r")
    (charge,) = [segment for segment in made if segment.startswith("FT1|")]
    assert "|CD|08090^Examen ordinaire^RAMQ|" in charge and "|-42.15&CAD" in charge
