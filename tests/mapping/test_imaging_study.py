"""Imaging studies: DICOM, event, FHIR ImagingStudy and an HL7 ORU, in both directions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.codecs.dicom.searching import instance_of
from engine.codecs.dicom.studies import study_of
from engine.codecs.fhir import structural_faults
from engine.codecs.hl7v2.writing import write
from engine.codecs.json import Schema
from engine.config.two_way import two_way
from engine.errors import ConfigurationError, Rejected
from engine.mapping.two_way import TwoWayMapper
from engine.runtime.images.studies import data_of
from engine.store.protocol import InstanceRow
from tests.instances import part10
from tests.mapping.visits import mapper_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def mapper() -> TwoWayMapper:
    found = two_way(ROOT, "study-to-imagingstudy")
    assert isinstance(found, TwoWayMapper)
    return found


def row(uid: str, **more: Any) -> InstanceRow:
    """Return an instance as the store gives it."""
    said = instance_of(part10(uid, **more))
    assert said is not None
    return InstanceRow(1, "M1", "images", "", 1_793_628_000_000, 100, bytes(32), said.attributes)


ROWS = [
    row("2.25.1"),
    row("2.25.2", InstanceNumber=2),
    row("2.25.3", SeriesInstanceUID="2.25.21", Modality="SR"),
]
STUDY = study_of([each.attributes for each in ROWS])


def test_a_study_comes_back_as_it_was(mapper: TwoWayMapper) -> None:
    decoded = mapper.get("dicom", STUDY)

    assert mapper.put("dicom", decoded.data, decoded.complement) == STUDY
    assert json.loads(json.dumps(decoded.complement)) == decoded.complement


def test_the_mapper_and_the_engine_say_the_same_of_a_study(mapper: TwoWayMapper) -> None:
    told = data_of(ROWS, version=1)
    for key in ("storedAt", "bytes", "version"):
        del told["study"][key]
    for series in told["study"]["series"]:
        for instance in series["instances"]:
            del instance["sha256"]

    assert mapper.get("dicom", STUDY).data == told


def test_a_changed_event_is_a_changed_study(mapper: TwoWayMapper) -> None:
    decoded = mapper.get("dicom", STUDY)
    data = json.loads(json.dumps(decoded.data))
    data["study"] |= {"description": "Thorax, relu", "startedAt": "2026-11-02T10:00+01:00"}
    data["patient"]["names"][0]["family"] = "Essai-Nouveau"

    again = mapper.put("dicom", data, decoded.complement)

    assert mapper.get("dicom", again).data == data
    assert again["00080201"]["Value"] == ["+0100"]


def test_fhir_has_the_study_with_its_series_and_instances(mapper: TwoWayMapper) -> None:
    bundle = mapper.put("fhir", mapper.get("dicom", STUDY).data)

    study = bundle["entry"][0]["resource"]
    assert list(structural_faults(bundle)) == []
    assert study["resourceType"] == "ImagingStudy"
    assert study["identifier"][0]["value"] == "urn:oid:2.25.10"
    assert [len(series["instance"]) for series in study["series"]] == [2, 1]
    assert study["started"] == "2026-11-02T09:15:00.250-05:00"


def test_fhir_says_the_study_again(mapper: TwoWayMapper) -> None:
    data = mapper.get("dicom", STUDY).data
    back = mapper.get("fhir", mapper.put("fhir", data)).data

    for key in ("modalities", "referrers"):  # FHIR has no place for them here
        del data["study"][key]
    assert back == data


def test_an_oru_tells_of_the_study(mapper: TwoWayMapper) -> None:
    text = write(mapper.put("v2", mapper.get("dicom", STUDY).data, new_id=lambda: "ID1")).decode()

    segments = {line[:3]: line for line in text.split("\r") if line}
    assert segments["OBX"].split("|")[3:6] == ["113014^DICOM Study^DCM", "", "2.25.10"]
    assert segments["OBR"].split("|")[3] == "A26-1"
    assert segments["PID"].split("|")[5] == "Essai^Zoé^Marie"


def test_the_event_is_of_its_type_and_meets_its_schema(mapper: TwoWayMapper) -> None:
    data = mapper.get("dicom", STUDY).data
    data["study"]["storedAt"] = "2026-11-02T14:00:00+00:00"
    schema = Schema(json.loads((ROOT / "mappings/events/imaging-study-stored.json").read_text()))

    assert mapper.event_type(data) == "imaging-study-stored"
    assert mapper.event_subject(data) == "2.25.10"
    assert list(schema.faults(data)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"startedAt": "2026-11"},
        {"startedAt": "2026-11-02T09:15:00.1234567"},
    ],
)
def test_what_dicom_cannot_say_is_refused(mapper: TwoWayMapper, change: dict[str, str]) -> None:
    data = mapper.get("dicom", STUDY).data
    data["study"] |= change

    with pytest.raises(Rejected):
        mapper.put("dicom", data)


MIXED = """
mapper: mixed
version: 1.0.0
v2: {messages: [ORU^R01]}
rules:
  - {event: a, dicom: StudyID}
  - {event: b, json: other}
"""


def test_dicom_and_other_json_in_one_mapper_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="not both"):
        mapper_of(MIXED)
    with pytest.raises(ConfigurationError, match="not both"):
        mapper_of(MIXED.replace("dicom: StudyID", "dicom: StudyID, json: x"))
