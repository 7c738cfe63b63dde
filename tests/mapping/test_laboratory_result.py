"""The mapper `laboratory-result`: what was found in whom, there and back, with no value said otherwise than it was."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from tests.mapping.carried import by_fhir, contradicted
from tests.mapping.trips import (
    ROOT,
    ZONE,
    again,
    around,
    changed,
    corpus,
    event_of,
    fhir_faults,
    kept,
    schema_faults,
    shipped,
)

NAME = "laboratory-result"
GOLDEN = ROOT / "mappings" / "golden" / NAME
OWN = {path.name: path.joinpath("message.hl7").read_bytes() for path in sorted(GOLDEN.iterdir())}
CORPUS = dict(corpus("ORU_R01"))
MESSAGES = {**OWN, **CORPUS}
WITH_ORDERS = {
    name: body
    for name, body in MESSAGES.items()
    if body.startswith(b"MSH") and (b"OBR|" in body or b"ORC|" in body)
}
"""Some files of the corpus are beginnings or ends of messages and tell of no order: no result is available by them."""


def fhir(name: str) -> Any:
    return shipped(NAME).put("fhir", event_of(shipped(NAME), OWN[name]), zone=ZONE)


def resources(bundle: Any, kind: str) -> list[Any]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def referred(bundle: Any, reference: Any) -> Any:
    return next(one["resource"] for one in bundle["entry"] if one["fullUrl"] == reference["reference"])


def results(name: str, order: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = event_of(shipped(NAME), OWN[name])["orders"][order]["results"]
    return found


def made_of(body: bytes, path: str, value: Any) -> bytes:
    """Return the message after one leaf of its event was changed."""
    decoded = shipped(NAME).get("v2", parse(body), zone=ZONE)
    return write(shipped(NAME).put("v2", changed(decoded.data, path, value), decoded.complement, zone=ZONE))


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_back_from_its_event_byte_for_byte(name: str) -> None:
    assert again(shipped(NAME), MESSAGES[name]) == MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_back_from_fhir_byte_for_byte(name: str) -> None:
    assert around(shipped(NAME), MESSAGES[name]) == MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_fhir_says_nothing_else_than_the_event(name: str) -> None:
    assert contradicted(shipped(NAME), MESSAGES[name]) == []


@pytest.mark.parametrize("name", WITH_ORDERS)
def test_an_event_meets_its_schema(name: str) -> None:
    assert schema_faults(shipped(NAME), event_of(shipped(NAME), WITH_ORDERS[name])) == []


@pytest.mark.parametrize("name", WITH_ORDERS)
def test_the_bundle_of_an_event_meets_r4(name: str) -> None:
    assert fhir_faults(shipped(NAME), event_of(shipped(NAME), WITH_ORDERS[name])) == []


def test_a_number_keeps_its_digits() -> None:
    sodium, potassium, _ = results("numeric-panel")
    assert (sodium["value"]["number"], potassium["value"]["number"]) == ("140", "5.90")
    quantity = resources(fhir("numeric-panel"), "Observation")[1]["valueQuantity"]
    assert str(quantity["value"]) == "5.90"
    assert (quantity["code"], quantity["system"]) == ("mmol/L", "http://unitsofmeasure.org")


def test_a_critical_flag_and_its_note_stay_with_their_result() -> None:
    _, potassium, creatinine = results("numeric-panel")
    assert [each["code"] for each in potassium["interpretations"]] == ["HH"]
    assert [each["text"] for each in potassium["notes"]] == ["called to the ward at 9:20"]
    assert "notes" not in creatinine


def test_a_corrected_report_says_so_in_report_and_result() -> None:
    bundle = fhir("corrected-result")
    assert resources(bundle, "DiagnosticReport")[0]["status"] == "corrected"
    assert resources(bundle, "Observation")[0]["status"] == "corrected"


def test_a_cancelled_result_is_no_final_one() -> None:
    bundle = fhir("cancelled-result")
    assert resources(bundle, "DiagnosticReport")[0]["status"] == "cancelled"
    assert resources(bundle, "Observation")[0]["status"] == "cancelled"


def test_a_status_that_nobody_listed_is_unknown_in_fhir_and_itself_in_the_event() -> None:
    body = OWN["numeric-panel"].replace(b"|||F|||20260114081500\rNTE", b"|||Q|||20260114081500\rNTE")
    data = event_of(shipped(NAME), body)
    assert data["orders"][0]["results"][1]["status"] == "Q"
    bundle = shipped(NAME).put("fhir", data, zone=ZONE)
    assert resources(bundle, "Observation")[1]["status"] == "unknown"


def test_a_titre_is_a_ratio_and_never_the_number_one() -> None:
    titre = results("titre-and-range")[0]
    assert titre["value"] == {"separator": "ratio", "low": "1", "high": "160"}
    observation = resources(fhir("titre-and-range"), "Observation")[0]
    assert "valueQuantity" not in observation
    ratio = observation["valueRatio"]
    assert (str(ratio["numerator"]["value"]), str(ratio["denominator"]["value"])) == ("1", "160")


def test_an_interval_is_a_range_and_never_its_lower_limit() -> None:
    observation = resources(fhir("titre-and-range"), "Observation")[1]
    assert "valueQuantity" not in observation
    limits = observation["valueRange"]
    assert (str(limits["low"]["value"]), str(limits["high"]["value"])) == ("10", "25")


def test_a_sign_that_nobody_knows_is_no_quantity() -> None:
    body = OWN["titre-and-range"].replace(b"^1^:^160", b"^2^*")
    bundle = shipped(NAME).put("fhir", event_of(shipped(NAME), body), zone=ZONE)
    assert not {"valueQuantity", "valueRange", "valueRatio"} & resources(bundle, "Observation")[0].keys()


def test_a_number_that_is_none_stays_in_the_message_and_reaches_nobody() -> None:
    body = OWN["numeric-panel"].replace(b"||5.90|", b"||see below|")
    decoded = shipped(NAME).get("v2", parse(body), zone=ZONE)
    assert "value" not in decoded.data["orders"][0]["results"][1]
    assert any(path.startswith("OBX[2]-5") for path, _ in decoded.report.as_json()["warnings"])
    assert again(shipped(NAME), body) == body


def test_a_comparison_stays_with_its_number() -> None:
    resistant = resources(fhir("microbiology-text"), "Observation")[2]["valueQuantity"]
    assert (resistant["comparator"], str(resistant["value"])) == (">=", "32")


def test_a_coded_value_has_both_its_codes() -> None:
    value = results("coded-value")[0]["value"]["code"]
    assert (value["code"], value["alternateCode"]) == ("260373001", "POS")
    codings = resources(fhir("coded-value"), "Observation")[0]["valueCodeableConcept"]["coding"]
    assert [each["code"] for each in codings] == ["260373001", "POS"]
    assert codings[0]["system"] == "http://snomed.info/sct"


def test_a_document_is_an_attachment_with_its_media_type() -> None:
    extension = resources(fhir("document"), "Observation")[0]["extension"][0]
    assert extension["valueAttachment"]["contentType"] == "application/pdf"
    assert extension["valueAttachment"]["data"].startswith("JVBERi0")


def test_each_report_has_its_own_results_and_its_own_specimen() -> None:
    bundle = fhir("several-orders-with-specimens")
    reports = resources(bundle, "DiagnosticReport")
    found = [
        [referred(bundle, one)["code"]["coding"][0]["code"] for one in each["result"]] for each in reports
    ]
    assert found == [["2345-7"], ["5778-6", "5767-9"]]
    kinds = [
        [referred(bundle, one)["type"]["coding"][0]["display"] for one in each["specimen"]]
        for each in reports
    ]
    assert kinds == [["Blood"], ["Urine"]]


def test_who_ordered_is_one_person_even_where_two_fields_name_two() -> None:
    body = OWN["corrected-result"].replace(b"|9001^Prescripteur^Rose^^^Dr^MD", b"|9001", 1)
    body = body.replace(b"|9001^Prescripteur^Rose^^^Dr^MD", b"|7777^Autre^Ali^^^Dr^MD", 1)
    orderer = event_of(shipped(NAME), body)["orders"][0]["orderedBy"]
    assert orderer["id"] == "9001"
    assert "family" not in orderer
    assert again(shipped(NAME), body) == body


def test_a_changed_number_changes_its_own_field_and_nothing_else() -> None:
    made = made_of(OWN["numeric-panel"], "orders.0.results.1.value.number", "4.10")
    assert made == OWN["numeric-panel"].replace(b"||5.90|", b"||4.10|")


def test_a_changed_order_number_follows_in_both_segments() -> None:
    made = made_of(OWN["corrected-result"], "orders.0.placerId.value", "P7")
    assert made == OWN["corrected-result"].replace(b"|P1001^", b"|P7^")


def test_a_message_that_is_made_from_fhir_alone_tells_the_same_results() -> None:
    data = shipped(NAME).get("fhir", fhir("numeric-panel"), zone=ZONE).data
    made = write(shipped(NAME).put("v2", data, zone=ZONE, new_id=lambda: "NEW1")).decode()
    assert "|ORU^R01^ORU_R01|" in made.split("\r")[0]
    assert "OBX|2|NM|2823-3^Potassium^LN||5.90|mmol/L^" in made


def test_it_is_a_laboratory_result() -> None:
    types = {shipped(NAME).event_type(event_of(shipped(NAME), body)) for body in OWN.values()}
    assert types == {"laboratory-result-available"}


def test_the_event_carries_nearly_all_of_a_message() -> None:
    assert kept(shipped(NAME), OWN.values()) > 0.98
    assert kept(shipped(NAME), (CORPUS or OWN).values()) > 0.95


def test_fhir_alone_carries_most_of_an_event() -> None:
    assert by_fhir(shipped(NAME), (CORPUS or OWN).values()) > 0.9


def test_a_range_has_no_separator_though_an_interval_is_a_range_too() -> None:
    mapper = shipped(NAME)
    told = {"orders": [{"results": [{"valueType": "range", "value": {"range": {"low": "1"}}}]}]}
    interval = {"separator": "range", "low": "1", "high": "2"}
    earlier = {"orders": [{"results": [{"valueType": "structured", "value": interval}]}]}
    made = mapper.put("fhir", told)
    assert mapper.get("fhir", made).data == told
    over = mapper.put("fhir", told, mapper.get("fhir", mapper.put("fhir", earlier)).complement)
    assert mapper.get("fhir", over).data == told
