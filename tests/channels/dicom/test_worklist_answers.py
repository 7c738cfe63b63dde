"""Answers that are written straight from the JSON model read as pydicom would have written them."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from channels.dicom.worklist.answers import Wanted, Writer, chosen, wanted_of
from engine.codecs.dicom.encoding import decode, encode
from engine.codecs.dicom.json_model import to_json

SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


def answer(**keys: Any) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = "CTCHEST", "CT thorax"
    made = Dataset()
    made.PatientID, made.PatientSex, made.StudyInstanceUID = "700123", "F", "1.2.826.0.1"
    made.PregnancyStatus = 4
    made.RequestedProcedureCodeSequence = [item, item]
    made.ReferencedStudySequence = []
    made.PatientComments = ""
    for keyword, value in keys.items():
        setattr(made, keyword, value)
    return made


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_bytes_are_those_of_pydicom(syntax: str) -> None:
    assert Writer(syntax).write(to_json(answer())) == encode(answer(), syntax)


@pytest.mark.parametrize(
    ("name", "charset"),
    [
        ("Tremblay^Luc", None),
        ("Côté^Noémie", "ISO_IR 100"),
        ("Łuczak^Józef", "ISO_IR 192"),
        ("Wang^XiaoDong=王^小東", "ISO_IR 192"),
    ],
)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_smallest_character_set_that_holds_a_name_is_chosen(
    name: str, charset: str | None, syntax: str
) -> None:
    model = to_json(answer(SpecificCharacterSet="ISO_IR 192", PatientName=name))
    model.pop("00080005", None)
    read = decode(Writer(syntax).write(model), syntax)
    assert (read.get("SpecificCharacterSet"), str(read.PatientName)) == (charset, name)


def test_what_is_wanted_is_what_a_query_names() -> None:
    asked, item = Dataset(), Dataset()
    item.CodeValue = ""
    asked.SpecificCharacterSet = "ISO_IR 100"
    asked.PatientID = ""
    asked.RequestedProcedureCodeSequence = [item]
    asked.ReferencedStudySequence = []
    asked.private_block(0x0029, "MADE UP", create=True).add_new(0x10, "LO", "x")
    assert wanted_of(asked) == (
        Wanted("00081110", "SQ"),
        Wanted("00100020", "LO"),
        Wanted("00321064", "SQ", (Wanted("00080100", "SH"),)),
    )


def test_items_are_cut_to_what_is_asked_of_them() -> None:
    wanted = (Wanted("00321064", "SQ", (Wanted("00080100", "SH"),)), Wanted("00401004", "LO"))
    code = {"00080100": {"vr": "SH", "Value": ["CTCHEST"]}}
    assert chosen(to_json(answer()), wanted) == {
        "00321064": {"vr": "SQ", "Value": [code, code]},
        "00401004": {"vr": "LO"},
    }
