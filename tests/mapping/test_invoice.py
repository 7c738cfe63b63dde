"""The mapper `invoice`: charges of a message as an event, and the message again."""

from __future__ import annotations

import pytest

from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from tests.mapping.synthetic_billing import charges
from tests.mapping.trips import (
    ROOT,
    again,
    changed,
    corpus,
    event_of,
    kept,
    schema_faults,
    shipped,
)

GOLDEN = ROOT / "mappings" / "golden" / "invoice"
INVENTED = {f"invented-{n}": text.encode() for n, text in enumerate(charges())}
MESSAGES = {**INVENTED, **dict(corpus("DFT_P03"))}


def golden(name: str) -> bytes:
    return (GOLDEN / name / "message.hl7").read_bytes()


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_back_from_its_event_byte_for_byte(name: str) -> None:
    assert again(shipped("invoice"), MESSAGES[name]) == MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_an_event_meets_its_schema(name: str) -> None:
    mapper = shipped("invoice")
    assert schema_faults(mapper, event_of(mapper, MESSAGES[name])) == []


def test_a_charge_is_told_in_words_of_the_domain() -> None:
    mapper = shipped("invoice")
    data = event_of(mapper, golden("imaging-with-procedure-and-diagnoses"))
    assert mapper.event_type(data) == "invoice-created"
    charge = data["transactions"][0]
    assert (charge["type"], charge["total"]) == ("charge", {"amount": "98.00", "currency": "CAD"})
    assert charge["code"]["system"] == "cpt"
    assert [each["code"]["code"] for each in data["diagnoses"]] == ["R07.9", "I10"]


def test_a_changed_price_changes_its_own_field_and_nothing_else() -> None:
    mapper = shipped("invoice")
    body = golden("drug-of-the-ward")
    decoded = mapper.get("v2", parse(body))
    data = changed(decoded.data, "transactions.0.total.amount", "0.80")
    assert write(mapper.put("v2", data, decoded.complement)) == body.replace(b"|0.75&CAD|", b"|0.80&CAD|")


def test_the_event_carries_nearly_all_of_an_invented_message() -> None:
    assert kept(shipped("invoice"), INVENTED.values()) > 0.98
