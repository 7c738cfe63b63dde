"""Steps on DICOM instances, and `copy` and `prefix` on every format."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

import pydicom
import pytest
from pydantic import ValidationError
from pydicom.dataset import Dataset

from engine.codecs import codec
from engine.codecs.dicom import CODEC
from engine.errors import ExpressionError, Rejected
from engine.expressions import compile_expression
from engine.model import Body, Message
from engine.spi import Document, Scope
from engine.steps import build, step_type
from tests.codecs.dicom.samples import ct, part10
from tests.steps.test_steps import Bench

SECRET = "a secret of one destination"


def instance(**values: Any) -> Document:
    return CODEC.decode(Message("m", "l", Body.of(part10(ct(**values))), "dicom", 0))


def scope(found: Document, **meta: Any) -> Scope:
    return Scope(msg=found.root, source=found.root, meta=meta, now_ms=0)


def after(found: Document, *steps: dict[str, Any]) -> Dataset:
    """Return the instance after steps, as pydicom reads it."""
    bench = Bench(codec(found.codec))
    written = [
        {name: step_type(name).config.model_validate(each)} for step in steps for name, each in step.items()
    ]
    for step in build(written, bench):
        (found,) = step(found, scope(found))
    return pydicom.dcmread(BytesIO(CODEC.encode(found)))


def test_tags_are_set_copied_prefixed_and_removed() -> None:
    made = after(
        instance(),
        {
            "set": {
                "values": {
                    "InstitutionName": "HSJ",
                    "ImageType": "DERIVED\\SECONDARY",
                    "StationName": "{msg.Modality}-1",
                }
            }
        },
        {
            "copy": {
                "values": {
                    "StudyID": "AccessionNumber",
                    "ReferencedStudySequence": "RequestAttributesSequence",
                }
            }
        },
        {"prefix": {"values": {"AccessionNumber": "HSJ-", "PatientID": "H", "Manufacturer": "X"}}},
        {"remove": {"paths": ["PatientSex", '(0029,"PASSERELLE TEST",10)']}},
    )
    assert (made.InstitutionName, list(made.ImageType)) == ("HSJ", ["DERIVED", "SECONDARY"])
    assert (made.StationName, made.StudyID, made.AccessionNumber) == ("CT-1", "A-1001", "HSJ-A-1001")
    assert (made.PatientID, "PatientSex" in made, (0x0029, 0x1010) in made) == ("H4711", False, False)
    assert [each.ScheduledProcedureStepID for each in made.ReferencedStudySequence] == ["S1", "S2"]
    assert "Manufacturer" not in made and made.PixelData == ct().PixelData


def test_each_changes_the_items_of_a_sequence() -> None:
    made = after(
        instance(),
        {"each": {"of": "msg.RequestAttributesSequence", "when": 'it.ScheduledProcedureStepID == "S2"',
                  "set": {"ScheduledProcedureStepDescription": "{it.ScheduledProcedureStepID} bis"},
                  "remove": ["ScheduledProcedureStepID"]}},
    )  # fmt: skip
    assert [dict(_texts(each)) for each in made.RequestAttributesSequence] == [
        {"ScheduledProcedureStepID": "S1", "ScheduledProcedureStepDescription": "Thorax"},
        {"ScheduledProcedureStepDescription": "S2 bis"},
    ]


def _texts(found: Dataset) -> list[tuple[str, str]]:
    return [(each.keyword, str(each.value)) for each in found]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('msg.Modality == "CT"', True),
        ('msg.Modality in ["MR", "US"]', False),
        ('"AXIAL" in msg.ImageType', True),
        ("msg.SliceThickness < 2 and msg.Rows == 2", True),
        ('msg.RequestAttributesSequence[1].ScheduledProcedureStepID == "S2"', True),
        ('msg.(0029,"PASSERELLE TEST",10) == "private text"', True),
        ('msg.(0010,0020) == "4711" and meta.calling_ae == "CT1"', True),
        ('msg.Manufacturer == ""', True),
        ('msg.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2" and meta.called_ae == "OTHER"', False),
    ],
)
def test_routes_decide_on_any_tag_and_on_ae_titles(text: str, holds: bool) -> None:
    found = instance()
    compiled = compile_expression(text, CODEC)
    assert bool(compiled.evaluate(scope(found, calling_ae="CT1", called_ae="PASSERELLE"))) is holds


def test_a_misspelt_keyword_in_an_expression_has_its_place() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression('msg.Modalty == "CT"', CODEC)
    assert caught.value.offset == 4


def test_deidentify_makes_it_one_of_nobody() -> None:
    made = after(instance(), {"deidentify": {"secret": SECRET, "options": ["retain_full_dates"]}})
    assert made.PatientIdentityRemoved == "YES" and made.StudyDate == "20260302"
    assert re.fullmatch(r"[A-Z2-7]{16}", made.PatientID) and made.StudyInstanceUID.startswith("2.25.")
    again = after(instance(), {"deidentify": {"secret": SECRET, "patient": "empty"}})
    assert again.StudyInstanceUID == made.StudyInstanceUID and again.PatientID == ""


def test_deidentify_keeps_safe_private_attributes() -> None:
    safe = ['(0029,"PASSERELLE TEST",10)']
    made = after(instance(), {"deidentify": {"secret": SECRET, "safe_private": safe}})
    assert made[0x00291010].value == "private text"


def test_words_are_kept_where_texts_are_cleaned() -> None:
    found = instance(StudyDescription="Thorax Zorglub Bélanger")
    step = {"secret": SECRET, "options": ["clean_descriptors"], "words": ["Zorglub"]}
    assert after(found, {"deidentify": step}).StudyDescription == "Thorax Zorglub"


def test_burned_in_annotations_pass_only_where_it_is_said() -> None:
    with pytest.raises(Rejected):
        after(instance(BurnedInAnnotation="YES"), {"deidentify": {"secret": SECRET}})
    made = after(instance(BurnedInAnnotation="YES"), {"deidentify": {"secret": SECRET, "burned_in": "pass"}})
    assert made.BurnedInAnnotation == "YES"


@pytest.mark.parametrize(
    "written",
    [
        {"secret": "short"},
        {"secret": SECRET, "options": ["retain_full_dates", "retain_modified_dates"]},
        {"secret": SECRET, "options": ["retain_everything"]},
        {"secret": SECRET, "words": ["x"]},
        {},
    ],
)
def test_what_cannot_be_meant_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        step_type("deidentify").config.model_validate(written)


def test_a_secret_does_not_stand_in_a_file() -> None:
    from engine.config.text import Text

    with pytest.raises(ValidationError, match="in clear"):
        step_type("deidentify").config.model_validate({"secret": Text("a secret that stands in the file")})


@pytest.mark.parametrize("safe", ["PatientName", "(0029,1010)"])
def test_only_private_attributes_are_safe_private(safe: str) -> None:
    config = step_type("deidentify").config.model_validate({"secret": SECRET, "safe_private": [safe]})
    with pytest.raises(ExpressionError, match="private"):
        build([{"deidentify": config}], Bench(CODEC))


def test_only_dicom_is_deidentified() -> None:
    config = step_type("deidentify").config.model_validate({"secret": SECRET})
    with pytest.raises(ExpressionError, match="json"):
        build([{"deidentify": config}], Bench())


def run_json(name: str, written: Any, root: Any) -> Any:
    from tests.steps.test_steps import run

    [made] = run(name, {"values": written}, root)
    return made


def test_copy_and_prefix_know_json() -> None:
    assert run_json("copy", {"b": "a", "c": "none"}, {"a": {"x": [1]}}) == {"a": {"x": [1]}, "b": {"x": [1]}}
    assert run_json("copy", {"a": "b", "b": "a"}, {"a": 1, "b": 2}) == {"a": 2, "b": 1}
    assert run_json("prefix", {"a": "H-", "b": "H-", "n": "H-"}, {"a": "1", "b": ["2", "H-3"], "n": ""}) == {
        "a": "H-1",
        "b": ["H-2", "H-3"],
        "n": "",
    }
    with pytest.raises(Rejected, match="a: only texts"):
        run_json("prefix", {"a": "H-"}, {"a": {"x": 1}})


def test_copy_and_prefix_know_hl7() -> None:
    hl7 = codec("hl7v2")
    data = b"MSH|^~\\&|A|B|||20261102||ADT^A01|1|P|2.5\rPID|1||7^^^H^MR\r"
    found = hl7.decode(Message("m", "l", Body.of(data), "hl7v2", 0))
    bench = Bench(hl7)
    for name, written in (("copy", {"PID-2": "PID-3"}), ("prefix", {"PID-3.1": "HSJ-"})):
        (step,) = build([{name: step_type(name).config.model_validate({"values": written})}], bench)
        step(found, scope(found))
    assert hl7.encode(found) == data.replace(b"PID|1||7^^^H^MR", b"PID|1|7^^^H^MR|HSJ-7^^^H^MR")
