"""The DICOM JSON model, both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydicom.dataset import Dataset

from engine.codecs.dicom.encoding import decode, encode
from engine.codecs.dicom.json_model import from_json, to_json
from engine.codecs.dicom.reading import read_head
from engine.errors import MalformedMessage
from tests.codecs.dicom.samples import EXPLICIT, ct, item, shipped

KNOWN = {
    "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
    "00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]},
    "00100020": {"vr": "LO"},
    "00180050": {"vr": "DS", "Value": [1.5]},
    "00200013": {"vr": "IS", "Value": [7]},
    "00280009": {"vr": "AT", "Value": ["00181063"]},
    "00400275": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["S1"]}}]},
    "00420011": {"vr": "OB", "InlineBinary": "JVBERg=="},
}
"""By hand, from PS3.18 F.2."""


def known() -> Dataset:
    return item(
        SpecificCharacterSet="ISO_IR 192",
        ImageType=["ORIGINAL", "", "AXIAL"],
        PatientName="Yamada^Tarou=山田^太郎",
        PatientID="",
        SliceThickness="1.50",
        InstanceNumber="7",
        FrameIncrementPointer=0x00181063,
        RequestAttributesSequence=[item(ScheduledProcedureStepID="S1")],
        EncapsulatedDocument=b"%PDF",
    )


def test_a_data_set_becomes_the_model_of_the_standard() -> None:
    assert to_json(known()) == KNOWN


def test_the_model_becomes_the_data_set() -> None:
    made = from_json(KNOWN)
    assert to_json(made) == KNOWN
    assert decode(encode(made, EXPLICIT), EXPLICIT).PatientName == known().PatientName


@pytest.mark.parametrize(
    "path", [path for path in shipped() if path.name.startswith(("CT", "MR_small.", "rt", "chr"))]
)
def test_what_files_hold_survives_the_model(path: Any) -> None:
    try:
        model = to_json(read_head(path))
    except MalformedMessage:
        assert path.name == "rtplan_truncated.dcm"
        return
    text = json.dumps(model, allow_nan=False)
    assert to_json(from_json(json.loads(text))) == model


def test_binary_values_may_stand_elsewhere() -> None:
    model = to_json(ct(), bulk=lambda element: "/bulk/1" if element.VR == "OW" else None)
    assert model["7FE00010"] == {"vr": "OW", "BulkDataURI": "/bulk/1"}
    assert from_json(model).PixelData == b""


def test_a_value_that_is_none_keeps_its_bytes() -> None:
    data = b"\x28\x00\x08\x00IS\x02\x001A"
    made = read_head_of(data)
    assert to_json(made) == {"00280008": {"vr": "UN", "InlineBinary": "MUE="}}


def read_head_of(data: bytes) -> Dataset:
    from engine.codecs.dicom.instances import data_set
    from engine.codecs.dicom.reading import dataset_of

    return dataset_of(data_set(data, EXPLICIT))


def test_texts_beyond_ascii_get_a_character_set() -> None:
    assert from_json({"00100020": {"vr": "LO", "Value": ["é"]}}).SpecificCharacterSet == "ISO_IR 192"
    assert "SpecificCharacterSet" not in from_json({"00100020": {"vr": "LO", "Value": ["e"]}})


DEEP: dict[str, Any] = {}
for _ in range(100):
    DEEP = {"00400275": {"vr": "SQ", "Value": [DEEP]}}


@pytest.mark.parametrize(
    "model",
    [
        [],
        {"PatientID": {"vr": "LO"}},
        {"00100020": "4711"},
        {"00100020": {"vr": "XX"}},
        {"00100020": {"vr": "LO", "Value": "4711"}},
        {"00100020": {"vr": "LO", "Value": [{}]}},
        {"00100010": {"vr": "PN", "Value": [{"Alphabetic": 1}]}},
        {"00280010": {"vr": "US", "Value": ["many"]}},
        {"00280010": {"vr": "US", "Value": [True]}},
        {"00180050": {"vr": "DS", "Value": ["NaN"]}},
        {"7FE00010": {"vr": "OB", "InlineBinary": "*"}},
        {"00400275": {"vr": "SQ", "Value": ["x"]}},
        DEEP,
    ],
)
def test_what_is_no_model_is_refused(model: Any) -> None:
    with pytest.raises(MalformedMessage):
        from_json(model)
