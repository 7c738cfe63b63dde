"""De-identification: a value planted in every attribute of the profile is gone, and what is left hangs together."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from datetime import date
from io import BytesIO
from pathlib import Path
from struct import pack
from typing import Any, get_args

import pydicom
import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from engine.codecs.dicom import CODEC
from engine.codecs.dicom.deidentifying import Deidentifier
from engine.codecs.dicom.profile import CODES, Option, Profile, table
from engine.codecs.dicom.substitutes import Substitutes, words_of
from engine.errors import MalformedMessage, Rejected
from engine.model import Body, Message
from tests.codecs.dicom.samples import BROKEN, FORMS, ct, item, part10, shipped

KEY = b"a secret of one destination"
PLANTED = {
    "AE": "PLANTED", "AS": "077Y", "AT": 0x07770777, "CS": "PLANTED", "DA": "19770707", "DS": "77.777",
    "DT": "19770707070707", "FD": 77.777, "FL": 77.777, "IS": "77777", "LO": "PLANTED lo", "LT": "PLANTED lt",
    "OB": b"PLANTED!", "OW": b"PLANTED!", "PN": "PLANTED^Zoe", "SH": "PLANTED sh", "SL": 77777, "SS": 7777,
    "ST": "PLANTED st", "TM": "070707", "UC": "PLANTED uc", "UI": "1.2.77777.7", "UL": 77777, "UN": b"PLANTED!",
    "UR": "http://PLANTED", "US": 7777, "UT": "PLANTED ut",
}  # fmt: skip
TRACES = re.compile(
    r"PLANTED|Zoe|077Y|0777,0777|19770707|77\.777|7777|070707|1\.2\.77777|50\\4c\\41\\4e\\54\\45\\44|4c50\\4e41"
)
"""What dcmdump would show of any of them, bytes and words included."""
NOT_IN_A_DATA_SET = {"00001000", "00001001", "00020003", "00041511"}
HOLDER = "SharedFunctionalGroupsSequence"


def method(*options: Option, **more: Any) -> Deidentifier:
    return Deidentifier(Profile.of(options), Substitutes(KEY), **more)


def applied(data: bytes, how: Deidentifier | None = None) -> bytes:
    document = CODEC.decode(Message("m", "l", Body.of(data), "dicom", 0))
    (how or method()).apply(document.root)
    return CODEC.encode(document)


def read(data: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(data))


def tags() -> Iterator[int]:
    """Yield every attribute of the profile that a data set can have, repeating groups by their first and last."""
    for name in table():
        if name not in NOT_IN_A_DATA_SET:
            yield int(name.replace("X", "0"), 16)
    yield from (0x601E3000, 0x60FE4000, 0x50200110)


def planted(tag: int) -> Any:
    vr = dictionary_VR(tag)
    if vr == "SQ":
        return Sequence(
            [item(PatientComments="PLANTED lt", PersonName="PLANTED^Zoe", TextValue="PLANTED ut")]
        )
    return PLANTED[vr.split(" ")[0]]


def everything() -> Dataset:
    """Return an object with a planted value in every attribute, once at its top and once three sequences below."""
    made = ct()
    inner = Dataset()
    for tag in tags():
        vr = dictionary_VR(tag) if tag >> 24 != 0x50 else "OW"
        value = planted(tag) if tag >> 24 != 0x50 else PLANTED["OW"]
        for each in (made, inner):
            each.add_new(tag, vr.split(" ")[0], value)
    inner.private_block(0x0029, "PLANTED creator", create=True).add_new(0x01, "LO", "PLANTED lo")
    made.private_block(0x0031, "PLANTED creator", create=True).add_new(
        0x01, "SQ", [item(PatientID="PLANTED")]
    )
    made.add_new(0xFFFCFFFC, "OB", b"PLANTED!")
    deep = item(FrameContentSequence=[item(ReferencedImageSequence=[inner])])
    setattr(made, HOLDER, Sequence([deep]))
    return made


def dump(data: bytes, folder: Path) -> str:
    """Return what dcmdump says of an instance: every value in full."""
    path = folder / "x.dcm"
    path.write_bytes(data)
    ran = subprocess.run(["dcmdump", "+L", "-q", str(path)], capture_output=True, check=True)
    return ran.stdout.decode("latin-1")


@pytest.mark.parametrize("syntax", FORMS)
def test_nothing_that_was_planted_remains(syntax: str, tmp_path: Path) -> None:
    data = part10(everything(), syntax)
    before = dump(data, tmp_path)
    assert len(TRACES.findall(before)) > 1000
    data = b"PLANTED!" * 16 + data[128:]
    after = applied(data)
    found = [line for line in dump(after, tmp_path).splitlines() if TRACES.search(line)]
    assert found == []
    assert b"PLANTED" not in (after if syntax != FORMS[-1] else dump(after, tmp_path).encode())


def test_every_attribute_of_the_profile_is_planted() -> None:
    made = everything()
    inner = made[HOLDER].value[0].FrameContentSequence[0].ReferencedImageSequence[0]
    assert {tag for tag in tags() if tag not in made} == set()
    assert {tag for tag in tags() if tag not in inner} == set()
    assert len(list(tags())) > 600


def test_what_the_profile_does_not_name_is_kept() -> None:
    known, made = read(part10(ct())), read(applied(part10(ct())))
    for keyword in (
        "Modality",
        "ImageType",
        "SliceThickness",
        "InstanceNumber",
        "Rows",
        "PixelData",
        "SOPClassUID",
    ):
        assert made[keyword] == known[keyword]


def test_the_instance_says_what_was_done() -> None:
    made = read(applied(part10(ct()), method("retain_device_identity", "clean_descriptors")))
    assert made.PatientIdentityRemoved == "YES"
    assert made.LongitudinalTemporalInformationModified == "REMOVED"
    codes = [
        (each.CodeValue, each.CodingSchemeDesignator) for each in made.DeidentificationMethodCodeSequence
    ]
    assert codes == [("113100", "DCM"), ("113105", "DCM"), ("113109", "DCM")]
    assert "2024b" in made.DeidentificationMethod


def test_every_option_has_its_code() -> None:
    assert set(get_args(Option)) == set(CODES)
    assert {name for rule in table().values() for name in rule.options} == set(CODES)


def test_uids_hang_together_over_a_study() -> None:
    first = ct(
        SOPInstanceUID="1.2.3.4.5", ReferencedImageSequence=[item(ReferencedSOPInstanceUID="1.2.3.4.6")]
    )
    second = ct(SOPInstanceUID="1.2.3.4.6", FrameOfReferenceUID="1.2.9")
    a, b = read(applied(part10(first))), read(applied(part10(second)))
    assert a.StudyInstanceUID == b.StudyInstanceUID != "1.2.3.4"
    assert a.SeriesInstanceUID == b.SeriesInstanceUID
    assert a.ReferencedImageSequence[0].ReferencedSOPInstanceUID == b.SOPInstanceUID
    assert b.file_meta.MediaStorageSOPInstanceUID == b.SOPInstanceUID
    uids = {
        a.StudyInstanceUID,
        a.SeriesInstanceUID,
        a.SOPInstanceUID,
        b.SOPInstanceUID,
        b.FrameOfReferenceUID,
    }
    assert len(uids) == 5 and all(re.fullmatch(r"2\.25\.[1-9]\d{36,38}", uid) for uid in uids)


def test_destinations_cannot_put_together_what_they_got() -> None:
    other = Deidentifier(Profile.of(), Substitutes(b"the secret of another"))
    a, b = read(applied(part10(ct()))), read(applied(part10(ct()), other))
    assert a.StudyInstanceUID != b.StudyInstanceUID and a.PatientID != b.PatientID


def test_studies_of_one_person_stay_together() -> None:
    a, b = read(applied(part10(ct()))), read(applied(part10(ct(StudyInstanceUID="1.2.8"))))
    c = read(applied(part10(ct(PatientID="9999"))))
    assert a.PatientID == b.PatientID == str(a.PatientName) != c.PatientID
    assert re.fullmatch(r"[A-Z2-7]{16}", a.PatientID)
    d = read(applied(part10(ct()), method(pseudonym=False)))
    assert d.PatientID == "" and str(d.PatientName) == ""


def test_uids_can_be_retained() -> None:
    made = read(applied(part10(ct()), method("retain_uids")))
    assert (made.StudyInstanceUID, made.SOPInstanceUID) == ("1.2.3.4", "1.2.3.4.5")


def test_dates_can_be_retained_or_shifted() -> None:
    data = part10(ct(SeriesDate="20260304", StudyTime="083000", AcquisitionDateTime="20260302083000.5-0500"))
    kept = read(applied(data, method("retain_full_dates")))
    assert (kept.StudyDate, kept.SeriesDate) == ("20260302", "20260304")
    made = read(applied(data, method("retain_modified_dates")))
    assert made.LongitudinalTemporalInformationModified == "MODIFIED"
    assert made.StudyDate != "20260302" and made.AcquisitionDateTime[8:] == "083000.5-0500"
    day, other = (date.fromisoformat(text) for text in (made.StudyDate, made.SeriesDate))
    assert (other - day).days == 2
    assert made.AcquisitionDateTime[:8] == made.StudyDate and made.StudyTime == "083000"


def test_texts_are_cleaned_to_words_that_are_known() -> None:
    data = part10(
        ct(
            StudyDescription="CT Thorax sans contraste, Zoé Bélanger 4711",
            SeriesDescription="Bélanger",
            ProtocolName="Tête 5mm SIMON-2",
            AdmittingDiagnosesCodeSequence=[
                item(CodeValue="T1", CodingSchemeDesignator="99HSJ", CodeMeaning="thorax of Zoé")
            ],
        )
    )
    how = Deidentifier(Profile.of(["clean_descriptors"]), Substitutes(KEY, words_of(("Simon",))))
    made = read(applied(data, how))
    assert made.StudyDescription == "CT Thorax sans contraste"
    assert made.SeriesDescription == "ANONYMIZED"
    assert made.ProtocolName == "Tête 5mm SIMON"
    assert made.AdmittingDiagnosesCodeSequence[0].CodeMeaning == "thorax of"


def test_structured_content_can_be_cleaned() -> None:
    content = item(
        ValueType="TEXT",
        ConceptNameCodeSequence=[
            item(CodeValue="121071", CodingSchemeDesignator="DCM", CodeMeaning="Finding")
        ],
        TextValue="Chest of Zoé",
        PersonName="Bélanger^Zoé",
        UID="1.2.3.4.5",
        Date="20260302",
    )
    data = part10(ct(ContentSequence=[content]))
    plain = read(applied(data))
    assert plain.ContentSequence[0].TextValue == "ANONYMIZED"
    made = read(applied(data, method("clean_structured_content")))
    cleaned = made.ContentSequence[0]
    assert cleaned.TextValue == "Chest of" and cleaned.ConceptNameCodeSequence[0].CodeValue == "121071"
    assert made.SOPInstanceUID == cleaned.UID and "Zo" not in str(cleaned) and "2026" not in str(cleaned)


def test_safe_private_attributes_stay_with_their_creator() -> None:
    dataset = ct()
    dataset.private_block(0x0029, "PASSERELLE TEST").add_new(0x11, "LO", "PLANTED")
    made = read(applied(part10(dataset), method(safe_private=((0x0029, "PASSERELLE TEST", 0x10),))))
    assert made[0x00291010].value == "private text" and made[0x00290010].value == "PASSERELLE TEST"
    assert 0x00291011 not in made
    assert made.DeidentificationMethodCodeSequence[-1].CodeValue == "113111"


@pytest.mark.parametrize("keyword", ["BurnedInAnnotation", "RecognizableVisualFeatures"])
def test_pixels_that_identify_are_refused(keyword: str) -> None:
    data = part10(ct(**{keyword: "YES"}))
    with pytest.raises(Rejected, match="pixels"):
        applied(data)
    assert read(applied(data, method(burned_in=True))).PixelData == ct().PixelData
    assert read(applied(part10(ct(**{keyword: "NO"}))))[keyword].value == "NO"


def test_what_hides_in_another_representation_is_removed() -> None:
    hidden = b"PLANTED lt"
    for tag, vr in ((0x00081140, b"UN"), (0x00080009, b"LO"), (0x00280002, b"LT"), (0x00021000, b"LO")):
        value = (
            pack("<HHL", 0xFFFE, 0xE000, 18) + pack("<HHL", 0x0010, 0x0010, 10) + hidden
            if vr == b"UN"
            else hidden
        )
        head = pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
        length = pack("<HL", 0, len(value)) if vr == b"UN" else pack("<H", len(value))
        alone = part10(item(SOPClassUID="1.2", SOPInstanceUID="1.2.3"))
        meta = 132 + 12 + int.from_bytes(alone[140:144], "little")
        made = applied(alone[:meta] + head + length + value)
        assert hidden not in made


def test_what_cannot_be_read_as_a_whole_is_refused() -> None:
    data = part10(ct())
    with pytest.raises(MalformedMessage):
        applied(data[:-3])


@pytest.mark.parametrize("path", list(shipped()), ids=lambda path: path.name)
def test_real_objects_come_out_whole(path: Path, tmp_path: Path) -> None:
    try:
        data = applied(path.read_bytes(), method(burned_in=True))
    except MalformedMessage:
        assert path.name in BROKEN
        return
    known, made = pydicom.dcmread(path), read(data)
    assert made.PatientIdentityRemoved == "YES"
    assert made.get("PixelData") == known.get("PixelData")
    texts = {str(known.get(name, "")) for name in ("PatientName", "PatientID", "StudyInstanceUID")} - {""}
    shown = dump(data, tmp_path)
    assert [text for text in texts if len(text) > 3 and f"[{text}]" in shown] == []
