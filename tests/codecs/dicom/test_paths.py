"""Paths into instances: what they give, what they set and remove, and what stays byte for byte."""

from __future__ import annotations

import subprocess
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest

from engine.codecs.dicom import CODEC, DicomDocument
from engine.codecs.dicom.scanning import DataSet
from engine.errors import ExpressionError, MalformedMessage, Rejected
from engine.model import Body, Message
from tests.codecs.dicom.samples import BIG, EXPLICIT, FORMS, IMPLICIT, ct, item, part10, shipped


def document(data: bytes) -> DicomDocument:
    return CODEC.decode(Message("m", "l", Body.of(data), "dicom", 0))


def get(made: DicomDocument, path: str) -> Any:
    return CODEC.path(path).get(made.root)


def changed(data: bytes, path: str, value: Any) -> bytes:
    made = document(data)
    CODEC.path(path).set(made.root, value)
    return CODEC.encode(made)


def back(data: bytes) -> Any:
    return pydicom.dcmread(BytesIO(data))


READ: dict[str, Any] = {
    "PatientName": "Bélanger^Zoé",
    "(0010,0010)": "Bélanger^Zoé",
    "(0010, 0020)": "4711",
    "InstanceNumber": 7,
    "SliceThickness": Decimal("1.50"),
    "Rows": 2,
    "StudyDate": "20260302",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "ImageType[2]": "AXIAL",
    "ImageType[3]": "",
    "Modality[*]": ["CT"],
    "Manufacturer": "",
    "Manufacturer[*]": [],
    "TransferSyntaxUID": EXPLICIT,
    "RequestAttributesSequence.ScheduledProcedureStepID": "S1",
    "RequestAttributesSequence[1].ScheduledProcedureStepID": "S2",
    "RequestAttributesSequence[2].ScheduledProcedureStepID": "",
    "RequestAttributesSequence[*].ScheduledProcedureStepID": ["S1", "S2"],
    'RequestAttributesSequence[.ScheduledProcedureStepID == "S2"].ScheduledProcedureStepDescription': "Tête",
    '(0029,"PASSERELLE TEST",10)': "private text",
    "(0029,1010)": "private text",
    '(0029,"SOMEBODY ELSE",10)': "",
    "ReferencedStudySequence": "",
    "ReferencedStudySequence[0].ReferencedSOPInstanceUID": "",
}


@pytest.mark.parametrize("path", READ)
def test_a_path_gives_the_value(path: str) -> None:
    assert get(document(part10(ct())), path) == READ[path]


@pytest.mark.parametrize("syntax", FORMS)
def test_every_transfer_syntax_gives_the_same_values(syntax: str) -> None:
    made = document(part10(ct(), syntax))
    for path, value in READ.items():
        if path != "TransferSyntaxUID":
            assert get(made, path) == value


def test_an_item_answers_paths_of_its_own() -> None:
    items = get(document(part10(ct())), "RequestAttributesSequence")
    assert [CODEC.path("ScheduledProcedureStepID").get(each) for each in items] == ["S1", "S2"]
    assert all(isinstance(each, DataSet) for each in items)


@pytest.mark.parametrize(
    ("path", "offset"),
    [
        ("PatientNmae", 0),
        ("", 0),
        ("PatientName.", 11),
        ("PatientName.GivenName", 0),
        ("ImageType[x]", 9),
        ("RequestAttributesSequence[0].Modalty", 29),
        ("(0010,00)", 0),
        ('(0010,"X",10)', 0),
        ("PatientName PatientID", 11),
    ],
)
def test_what_is_no_path_is_told_with_its_place(path: str, offset: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        CODEC.path(path)
    assert caught.value.offset == offset


def test_a_misspelt_keyword_is_helped_with() -> None:
    with pytest.raises(ExpressionError) as caught:
        CODEC.path("PatientNmae")
    assert "PatientName" in caught.value.help


@pytest.mark.parametrize(
    "path", ["PatientName", '(0029,"A B",10)', "RequestAttributesSequence[0].Modality", "ImageType[*]"]
)
def test_an_expression_knows_where_a_path_ends(path: str) -> None:
    assert CODEC.path_extent(f"msg.{path} == 1", 4) == 4 + len(path)


@pytest.mark.parametrize("path", list(shipped()), ids=lambda path: path.name)
def test_what_nobody_changed_keeps_its_bytes(path: Path) -> None:
    data = path.read_bytes()
    try:
        made = document(data)
        get(made, "PatientName")
    except MalformedMessage:
        assert path.name in ("meta_missing_tsyntax.dcm", "winter.dcm")
        return
    assert CODEC.encode(made) == data
    assert CODEC.encode(made.copy()) == data


SET: dict[str, Any] = {
    "PatientID": "4712",
    "PatientName": "Côté^Léo",
    "Manufacturer": "Nobody",
    "InstanceNumber": 12,
    "SliceThickness": Decimal("0.75"),
    "Rows": 512,
    "ImageType": ["DERIVED", "SECONDARY"],
    "ImageType[1]": "SECONDARY",
    "ImageType[3]": "MPR",
    "FrameIncrementPointer": "(0018,1063)",
    "RescaleSlope": "",
    "RequestAttributesSequence[1].ScheduledProcedureStepID": "S9",
    "RequestAttributesSequence[2].ScheduledProcedureStepID": "S3",
    "ReferencedStudySequence[0].ReferencedSOPInstanceUID": "1.2.840.1",
    '(0029,"PASSERELLE TEST",10)': "other",
    '(0029,"PASSERELLE TEST",11)': "more",
    '(0031,"SOMEBODY ELSE",01)': "new",
}


@pytest.mark.parametrize("syntax", FORMS)
@pytest.mark.parametrize("path", SET)
def test_a_value_that_was_set_is_read_by_us_and_by_pydicom(path: str, syntax: str) -> None:
    before = part10(ct(), syntax)
    data = changed(before, path, SET[path])
    assert get(document(data), path) == SET[path]
    known, made = back(before), back(data)
    assert made.PixelData == known.PixelData
    assert made.file_meta.TransferSyntaxUID == syntax
    differing = [tag for tag, _ in made.items() if tag not in known or made[tag] != known[tag]]
    assert 1 <= len(differing) <= 2


def test_only_what_was_set_is_written_anew() -> None:
    before = part10(ct())
    assert changed(before, "PatientID", "4712") == before.replace(b"4711", b"4712")


def test_setting_what_is_there_changes_no_byte() -> None:
    for name in ("CT_small.dcm", "MR_small_implicit.dcm", "SC_rgb_jpeg_dcmtk.dcm"):
        data = next(path for path in shipped() if path.name == name).read_bytes()
        made = document(data)
        for path in ("PatientName", "StudyInstanceUID", "InstanceNumber", "ImageType", "Rows"):
            CODEC.path(path).set(made.root, get(made, path))
        assert CODEC.encode(made) == data


def test_encapsulated_frames_are_untouched(tmp_path: Path) -> None:
    for path in shipped():
        if path.name.startswith(("693_J2KI", "JPEG", "MR_small_RLE", "SC_rgb_rle_2frame", "color3d")):
            data = changed(path.read_bytes(), "PatientID", "NEW")
            assert back(data).PixelData == pydicom.dcmread(path).PixelData
            (tmp_path / path.name).write_bytes(data)
            ran = subprocess.run(["dcmdump", str(tmp_path / path.name)], capture_output=True, check=False)
            assert ran.returncode == 0 and b"[NEW]" in ran.stdout


def test_the_file_meta_information_follows_the_identity() -> None:
    made = back(changed(part10(ct()), "SOPInstanceUID", "2.25.99"))
    assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID == "2.25.99"
    assert made.file_meta.FileMetaInformationGroupLength == len(_meta(made))


def _meta(made: Any) -> bytes:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = False, True
    rest = made.file_meta
    del rest[0x00020000]
    write_dataset(out, rest)
    return bytes(out.getvalue())


def test_removed_attributes_are_gone() -> None:
    made = document(part10(ct()))
    for path in (
        "PatientName",
        "RequestAttributesSequence[0]",
        "ImageType[1]",
        "Manufacturer",
        "(0029,1010)",
    ):
        CODEC.path(path).remove(made.root)
    CODEC.path("RequestAttributesSequence[*].ScheduledProcedureStepDescription").remove(made.root)
    known = back(CODEC.encode(made))
    assert "PatientName" not in known and (0x0029, 0x1010) not in known
    assert [each.ScheduledProcedureStepID for each in known.RequestAttributesSequence] == ["S2"]
    assert "ScheduledProcedureStepDescription" not in known.RequestAttributesSequence[0]
    assert list(known.ImageType) == ["ORIGINAL", "AXIAL"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("PatientID", "x" * 65),
        ("PatientID", "a\\b"),
        ("PatientID", "a\nb"),
        ("PatientID", ["a", object()]),
        ("PatientName", "山田"),
        ("Modality", "ct"),
        ("StudyDate", "yesterday"),
        ("StudyInstanceUID", "1.2.x"),
        ("StudyInstanceUID", "1." + "2" * 64),
        ("InstanceNumber", "many"),
        ("Rows", 70000),
        ("Rows", "many"),
        ("FrameIncrementPointer", "x"),
        ("PixelData", b"xx"),
        ("TransferSyntaxUID", EXPLICIT),
        ("EncapsulatedDocument", "text"),
        ("RequestAttributesSequence", "x"),
        ("RequestAttributesSequence[3].ScheduledProcedureStepID", "x"),
        ("RequestAttributesSequence[*].ScheduledProcedureStepID", "x"),
        ('RequestAttributesSequence[.ScheduledProcedureStepID == "S7"].Modality', "CT"),
        ("SpecificCharacterSet", "EBCDIC"),
        ("ImageType[7]", "X"),
        ("(0008,0000)", 1),
    ],
)
def test_what_cannot_be_set_is_refused_and_changes_nothing(path: str, value: Any) -> None:
    data = part10(ct())
    made = document(data)
    with pytest.raises(Rejected) as caught:
        CODEC.path(path).set(made.root, value)
    assert caught.value.faults == () or caught.value.faults[0].path == path
    assert CODEC.encode(made) == data


@pytest.mark.parametrize(
    ("path", "value", "stored"),
    [
        ("StudyDate", "2026-03-02", "20260302"),
        ("AcquisitionDateTime", "2026-03-02T08:30:00-05:00", "20260302083000-0500"),
        ("StudyTime", "2026-03-02T08:30:15.25Z", "083015.25"),
    ],
)
def test_dates_of_rules_become_those_of_dicom(path: str, value: str, stored: str) -> None:
    assert get(document(changed(part10(ct()), path, value)), path) == stored


@pytest.mark.parametrize("charset", ["ISO_IR 192", "ISO_IR 109"])
def test_another_character_set_writes_every_text_anew(charset: str) -> None:
    made = document(part10(ct()))
    CODEC.path("SpecificCharacterSet").set(made.root, charset)
    known = back(CODEC.encode(made))
    assert str(known.PatientName) == "Bélanger^Zoé"
    assert known.RequestAttributesSequence[1].ScheduledProcedureStepDescription == "Tête"
    assert known.SpecificCharacterSet == charset


def test_a_text_that_the_other_character_set_lacks_is_not_lost() -> None:
    made = document(part10(ct()))
    with pytest.raises(Rejected, match="not in the new one"):
        CODEC.path("SpecificCharacterSet").set(made.root, "ISO_IR 144")
    assert get(made, "PatientName") == "Bélanger^Zoé"


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 144", "Люкceмбypг"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        (["ISO 2022 IR 100", "ISO 2022 IR 144"], "Zoé^Люк"),
    ],
)
def test_names_in_many_scripts_are_read_and_set(charset: Any, name: str) -> None:
    data = part10(
        item(SOPClassUID="1.2", SOPInstanceUID="1.2.3", SpecificCharacterSet=charset, PatientID="1")
    )
    made = changed(data, "PatientName", name)
    assert get(document(made), "PatientName") == name
    assert str(back(made).PatientName) == name


def test_dcmtk_reads_what_pydicom_cannot(tmp_path: Path) -> None:
    charset = ["", "ISO 2022 IR 58"]
    data = part10(item(SOPClassUID="1.2", SOPInstanceUID="1.2.3", SpecificCharacterSet=charset))
    made = tmp_path / "x.dcm"
    made.write_bytes(changed(data, "PatientName", "Zhang^XiaoDong=张^小东"))
    ran = subprocess.run(["dcmdump", "+U8", str(made)], capture_output=True, text=True, check=True)
    assert "[Zhang^XiaoDong=张^小东]" in ran.stdout


@pytest.mark.parametrize(
    "path", [path for path in shipped() if path.name.startswith("chr")], ids=lambda path: path.name
)
def test_names_in_files_are_read_as_pydicom_reads_them(path: Path) -> None:
    known = pydicom.dcmread(path)
    if "PatientName" in known:
        assert get(document(path.read_bytes()), "PatientName") == str(known.PatientName)


def test_a_copy_goes_its_own_way() -> None:
    first = document(part10(ct()))
    get(first, "RequestAttributesSequence[0].ScheduledProcedureStepID")
    second = first.copy()
    CODEC.path("RequestAttributesSequence[0].ScheduledProcedureStepID").set(second.root, "X")
    CODEC.path("PatientID").set(second.root, "X")
    third = document(part10(ct()))
    fourth = third.copy()
    CODEC.path("RequestAttributesSequence[0].ScheduledProcedureStepID").set(fourth.root, "X")
    assert CODEC.encode(first) == CODEC.encode(third) == part10(ct())


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_items_can_be_copied_within_an_instance(syntax: str) -> None:
    made = document(part10(ct(), syntax))
    CODEC.path("ReferencedStudySequence").set(made.root, get(made, "RequestAttributesSequence"))
    CODEC.path("ReferencedStudySequence[0].ScheduledProcedureStepID").set(made.root, "X")
    known = back(CODEC.encode(made))
    assert [each.ScheduledProcedureStepID for each in known.ReferencedStudySequence] == ["X", "S2"]
    assert [each.ScheduledProcedureStepID for each in known.RequestAttributesSequence] == ["S1", "S2"]
