"""A clinic's own Appointment, without a header and without types, becomes a message that a hospital takes."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from engine.codecs.hl7v2.writing import write
from engine.errors import ConfigurationError
from engine.mapping.fhir.others import ADDED
from tests.mapping.trips import CORPUS, shipped
from tests.mapping.visits import mapper_of

ZONE = "America/Toronto"
HOUSE = "https://clinic.example/fhir/"
APPOINTMENT: dict[str, Any] = {
    "resourceType": "Appointment",
    "id": "1",
    "status": "booked",
    "identifier": [{"value": "RDV-1"}],
    "start": "2030-11-12T09:00:00-05:00",
    "end": "2030-11-12T09:30:00-05:00",
    "participant": [
        {"actor": {"reference": "Patient/1"}, "status": "accepted"},
        {
            "type": [{"coding": [{"code": "ATND"}]}],
            "actor": {"reference": "Practitioner/2"},
            "status": "accepted",
        },
    ],
}
PATIENT = {
    "resourceType": "Patient",
    "id": "1",
    "name": [{"family": "Essai"}],
    "identifier": [{"value": "T-1"}],
}
DOCTOR = {"resourceType": "Practitioner", "id": "2", "name": [{"family": "Exemple"}]}


def bundle(**keys: Any) -> dict[str, Any]:
    resources = [{**APPOINTMENT, **keys}, PATIENT, DOCTOR]
    entries = [{"fullUrl": f"{HOUSE}{one['resourceType']}/{one['id']}", "resource": one} for one in resources]
    return copy.deepcopy({"resourceType": "Bundle", "type": "collection", "entry": entries})


def segments(document: dict[str, Any]) -> dict[str, str]:
    mapper = shipped("appointment")
    made = write(mapper.put("v2", mapper.get("fhir", document, zone=ZONE).data)).decode()
    return {line[:3]: line for line in made.split("\r") if line}


def test_it_becomes_a_message_with_its_trigger_number_status_and_people() -> None:
    found = segments(bundle())
    assert found["MSH"].split("|")[8] == "SIU^S12^SIU_S12"
    assert found["SCH"].split("|")[2] == "RDV-1"
    assert found["SCH"].split("|")[11] == "^^^20301112090000-0500^20301112093000-0500"
    assert found["SCH"].split("|")[25] == "Booked"
    assert found["PID"].split("|")[3:6] == ["T-1", "", "Essai"]
    assert found["AIP"].split("|")[3:5] == ["^Exemple", "ATND"]


@pytest.mark.parametrize(
    ("status", "trigger", "said"),
    [("cancelled", "S15", "Cancelled"), ("noshow", "S26", "Noshow"), ("entered-in-error", "S17", "Deleted")],
)
def test_its_status_tells_what_happened(status: str, trigger: str, said: str) -> None:
    found = segments(bundle(status=status))
    assert found["MSH"].split("|")[8].split("^")[1] == trigger
    assert found["SCH"].split("|")[25] == said


def test_alone_it_says_what_it_can() -> None:
    found = segments(copy.deepcopy(APPOINTMENT))
    assert set(found) == {"MSH", "SCH"}, "who is only referred to is nobody that a message could name"
    assert found["MSH"].split("|")[8] == "SIU^S12^SIU_S12"


@pytest.mark.parametrize("document", [bundle(), APPOINTMENT], ids=["bundle", "alone"])
def test_it_is_written_as_it_was(document: dict[str, Any]) -> None:
    mapper, before = shipped("appointment"), copy.deepcopy(document)
    decoded = mapper.get("fhir", document, zone=ZONE)
    assert document == before
    assert mapper.put("fhir", decoded.data, decoded.complement, zone=ZONE) == before


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kind", "rescheduled"),
        ("appointment.start", "2030-11-12T10:00:00-05:00"),
        ("appointment.id", "RDV-2"),
        ("appointment.status", "arrived"),
        ("people", []),
    ],
)
def test_a_change_of_the_event_reaches_it(path: str, value: Any) -> None:
    mapper = shipped("appointment")
    decoded = mapper.get("fhir", bundle(), zone=ZONE)
    data = copy.deepcopy(decoded.data)
    *above, last = path.split(".")
    owner = data
    for key in above:
        owner = owner[key]
    owner[last] = value
    if value == []:
        del data["people"]
    written = mapper.put("fhir", data, decoded.complement, zone=ZONE)
    assert ADDED not in str(written)
    assert mapper.get("fhir", written, zone=ZONE).data == data


def test_what_was_added_is_no_leaf_of_the_report() -> None:
    report: Any = shipped("appointment").get("fhir", bundle(), zone=ZONE).report
    assert "Appointment.participant[1].type[0].coding[0].code" in report.mapped
    assert not any(ADDED in path for path in (*report.mapped, *report.opaque))


def test_appointments_of_r4s_examples_become_messages() -> None:
    for path in sorted((CORPUS / "fhir-r4").glob("Appointment-*.json")):
        document = json.loads(path.read_text())
        found = segments(document)
        assert found["MSH"].split("|")[8].startswith("SIU^S12"), path.name
        assert found["SCH"].split("|")[25], path.name


WRONG = """
mapper: wrong
version: 1.0.0
v2: {{messages: [SIU^S12]}}
fhir: {{bundle: collection, others: {others}, slots: {{Patient: {{type: Patient}}}}}}
rules:
  - {{event: family, v2: PID-5, fhir: 'Patient.name[0].family'}}
"""


@pytest.mark.parametrize(
    "others",
    [
        "{without: Header}",
        "{without: Patient, leaves: [{event: family}]}",
        "{without: Patient, leaves: [{event: family, from: Visit.status}]}",
        "{without: Patient, items: [{list: Patient.name}]}",
        "{without: Patient, item: []}",
    ],
)
def test_what_is_wrong_with_it_is_told_at_its_line(others: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        mapper_of(WRONG.format(others=others))
    assert [one.line for one in refused.value.problems] == [5]
