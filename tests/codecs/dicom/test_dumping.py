"""An instance shown attribute by attribute: what stands in each line, in which order, and what only by its size."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from engine.codecs.dicom.dumping import BULK, Attribute, attributes, texts
from engine.codecs.dicom.instances import Instance, open_instance
from engine.codecs.dicom.source import Source
from engine.errors import MalformedMessage
from tests.codecs.dicom.samples import BROKEN, FORMS, IMPLICIT, ct, item, part10, shipped


def opened(dataset: Dataset, syntax: str = FORMS[1]) -> Instance:
    return open_instance(Source.of(part10(dataset, syntax)))


def shown(dataset: Dataset, syntax: str = FORMS[1]) -> dict[str, str]:
    return texts(opened(dataset, syntax))


@pytest.mark.parametrize("syntax", FORMS)
def test_values_are_shown_with_their_representation_whatever_the_transfer_syntax(syntax: str) -> None:
    found = shown(ct(), syntax)
    assert found["PatientID"] == "LO 4711"
    assert found["ImageType"] == "CS ORIGINAL\\PRIMARY\\AXIAL"
    assert found["Rows"] == "US 2"
    assert found["SliceThickness"] == "DS 1.50"
    assert found["TransferSyntaxUID"] == f"UI {syntax}"


def test_items_are_counted_then_shown_by_their_path() -> None:
    lines = [each for each in attributes(opened(ct())) if each.path.startswith("RequestAttributesSequence")]
    assert [(each.path, each.vr, each.value, each.depth) for each in lines] == [
        ("RequestAttributesSequence", "SQ", "2 items", 0),
        ("RequestAttributesSequence[0].ScheduledProcedureStepDescription", "LO", "Thorax", 1),
        ("RequestAttributesSequence[0].ScheduledProcedureStepID", "SH", "S1", 1),
        ("RequestAttributesSequence[1].ScheduledProcedureStepDescription", "LO", "Tête", 1),
        ("RequestAttributesSequence[1].ScheduledProcedureStepID", "SH", "S2", 1),
    ]


def test_an_empty_value_is_a_representation_alone() -> None:
    found = shown(ct(PatientName="", RequestAttributesSequence=[]))
    assert (found["PatientName"], found["RequestAttributesSequence"]) == ("PN", "SQ 0 items")


def test_file_meta_information_comes_first_and_tags_ascend() -> None:
    tags = [each.tag for each in attributes(opened(ct())) if not each.depth]
    assert tags[0] == 0x00020000
    assert tags == sorted(tags)


def test_only_the_tags_that_are_asked_for_are_shown_with_all_that_is_in_them() -> None:
    asked = {0x00100020, 0x00400275, 0x00020010}
    found = [each.path for each in attributes(opened(ct()), asked)]
    assert [path for path in found if "." not in path] == [
        "TransferSyntaxUID",
        "PatientID",
        "RequestAttributesSequence",
    ]
    assert len(found) == 7


def test_an_attribute_of_an_item_is_not_asked_for_by_its_own_tag() -> None:
    assert list(attributes(opened(ct()), {0x00400009})) == []


# --------------------------------------------------------------------------- what has no name


@pytest.mark.parametrize(("syntax", "line"), [(FORMS[1], "LO private text"), (IMPLICIT, "UN private text")])
def test_a_private_attribute_is_shown_by_its_tag(syntax: str, line: str) -> None:
    found = {each.path: each for each in attributes(opened(ct(), syntax))}
    private = found["(0029,1010)"]
    assert (private.name, f"{private.vr} {private.value}") == ("", line)
    assert found["(0029,0010)"].value == "PASSERELLE TEST"


def test_names_are_those_of_the_standard() -> None:
    names = {each.path: each.name for each in attributes(opened(ct()))}
    assert (names["PatientID"], names["StudyInstanceUID"]) == ("Patient ID", "Study Instance UID")
    assert Attribute("00090001", 0x00090001, "UN", "", 0).name == ""


# --------------------------------------------------------------------------- what is told by its size


@pytest.mark.parametrize(("size", "value"), [(4, "00 01 02 03"), (64, bytes(64).hex(" ")), (66, "66 bytes")])
def test_bytes_are_shown_as_long_as_a_line_takes_them(size: int, value: str) -> None:
    made = ct()
    made.add_new(0x00281201, "OW", bytes(range(4)) if size == 4 else bytes(size))
    assert shown(made)["RedPaletteColorLookupTableData"] == f"OW {value}"


def test_pixels_are_never_shown_however_few_they_are() -> None:
    assert shown(ct())["PixelData"] == "OW 8 bytes"


def test_a_value_that_its_representation_does_not_allow_is_shown_as_it_is() -> None:
    content = part10(ct(Rows=0x4142)).replace(b"US\x02\x00BA", b"DS\x02\x00BA")
    assert texts(open_instance(Source.of(content)))["Rows"] == "DS BA"


def test_what_was_cut_is_malformed_and_what_came_before_is_shown() -> None:
    content = part10(item(PatientID="4711", SOPInstanceUID="1.2.3", StudyID="S" * 10))
    lines = attributes(open_instance(Source.of(content[:-4])))
    seen: list[str] = []
    with pytest.raises(MalformedMessage):
        seen.extend(each.path for each in lines)
    assert "StudyID" not in seen


def test_of_every_file_that_pydicom_brings_bulk_is_told_by_its_size() -> None:
    sound = [path for path in shipped() if path.name not in BROKEN]
    lines = [line for path in sound for line in attributes(open_instance(Source.of(path)))]
    told = {line.value.endswith(" bytes") for line in lines if line.tag >= BULK}
    assert (len(sound) > 100, told) == (True, {True})
