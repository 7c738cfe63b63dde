"""The mapper `medication`: what a pharmacy is told and tells, there and back, in the event's words."""

from __future__ import annotations

import pytest

from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from tests.mapping.synthetic_pharmacy import dispenses, prescriptions
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

GOLDEN = ROOT / "mappings" / "golden" / "medication"
INVENTED = {f"invented-{n}": text.encode() for n, text in enumerate([*prescriptions(), *dispenses()])}
MESSAGES = {**INVENTED, **dict(corpus("RDE_O11", "RDE_O01", "RDS_O13"))}


def golden(name: str) -> bytes:
    return (GOLDEN / name / "message.hl7").read_bytes()


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_back_from_its_event_byte_for_byte(name: str) -> None:
    assert again(shipped("medication"), MESSAGES[name]) == MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_an_event_meets_its_schema(name: str) -> None:
    mapper = shipped("medication")
    assert schema_faults(mapper, event_of(mapper, MESSAGES[name])) == []


def test_an_order_is_told_in_words_of_the_domain() -> None:
    order = event_of(shipped("medication"), golden("new-order-by-mouth"))["orders"][0]
    assert order["control"]["code"] == "new"
    assert order["control"]["orderedBy"]["family"] == "Gagnon"
    encoded = order["encoded"]
    assert encoded["medication"]["system"] == "din"
    assert (encoded["doseMinimum"], encoded["doseMaximum"], encoded["substitution"]) == ("1", "2", "generic")
    assert encoded["timing"]["priority"] == "routine"
    assert encoded["administration"]["route"]["code"] == "PO"


def test_a_message_says_by_its_kind_which_event_it_is() -> None:
    mapper = shipped("medication")
    types = {
        path.name: mapper.event_type(event_of(mapper, path.joinpath("message.hl7").read_bytes()))
        for path in sorted(GOLDEN.iterdir())
    }
    assert types["discontinued-for-a-reaction"] == "prescription-ordered"
    assert types["first-fill-dispensed"] == "medication-dispensed"


def test_a_changed_dose_changes_its_own_field_and_nothing_else() -> None:
    mapper = shipped("medication")
    body = golden("new-order-by-mouth")
    decoded = mapper.get("v2", parse(body))
    data = changed(decoded.data, "orders.0.encoded.doseMaximum", "3")
    made = write(mapper.put("v2", data, decoded.complement))
    assert made == body.replace(b"|1|2|TAB^tablet", b"|1|3|TAB^tablet")


def test_the_event_carries_nearly_all_of_an_invented_message() -> None:
    assert kept(shipped("medication"), INVENTED.values()) > 0.98
