"""What studies are looked up by: whatever a query finds has one of the texts that it asks for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from engine.codecs.dicom.json_model import to_json
from engine.codecs.dicom.looking_up import asked, sought_of
from engine.codecs.dicom.matching import keys_of, matches_json


def study(**attributes: Any) -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"PatientID": "4711"}, [("00100020", "4711")]),
        ({"PatientID": "1\\2"}, [("00100020", "1"), ("00100020", "2")]),
        ({"AccessionNumber": "A1", "StudyDate": "20261103"}, [("00080050", "A1")]),
        ({"PatientName": "CÔTÉ^No\u00e9mie"}, [("00100010", "cote^noemie")]),
        ({"PatientName": "Roy^*"}, [("00100010", "roy^")]),
        ({"StudyDate": "20261231-20270101"}, [("00080020", day) for day in ("20261231", "20270101", "?")]),
        ({"PatientID": "47*"}, []),
        ({"PatientName": "Roy*"}, [("00100010", "roy*")]),
        ({"PatientName": "Tremblay*^Z"}, [("00100010", "trembl*")]),
        ({"PatientName": "C*"}, []),
        ({"StudyDate": "20261103-"}, []),
        ({"StudyDate": "20200101-20261231"}, []),
        ({"StudyDescription": "THORAX"}, []),
    ],
)
def test_a_query_asks_for_the_texts_of_its_most_telling_key(
    query: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert list(asked(keys_of(study(**query)))) == expected


def test_an_instance_is_sought_by_numbers_day_and_every_writing_of_its_name() -> None:
    says = study(
        PatientID="1", AccessionNumber="A1", StudyDate="20261103", PatientName="Roy^Zo\u00e9=\u738b^\u5c0f"
    )
    assert sought_of(to_json(says)) == (
        ("00100020", "1"),
        ("00080050", "A1"),
        ("00080020", "20261103"),
        ("00100010", "roy^zoe"),
        ("00100010", "roy^"),
        ("00100010", "roy^zo*"),
        ("00100010", "roy*"),
        ("00100010", "\u738b^\u5c0f"),
        ("00100010", "\u738b^"),
        ("00100010", "\u738b^\u5c0f*"),
    )


_NAMES = st.sampled_from(
    [
        "Roy^Zoé",
        "ROY^ZOE^^Dr",
        "Roy",
        "Roy^",
        "Côté^Ana=王^小",
        "roy^*",
        "R?y^Zoe",
        "*",
        "C*",
        "Roy^Z*=王*",
        "=王^小",
    ]
)
_DAYS = st.sampled_from(["20261103", "20261031-20261104", "20261131", "20261101-20261231", "-20261201"])
_NUMBERS = st.sampled_from(["1", "2", "1\\2", "?", "1*"])


@given(_NAMES, _DAYS, _NUMBERS, st.sets(st.sampled_from(["PatientName", "StudyDate", "PatientID"])))
def test_what_a_query_finds_has_a_text_that_it_asks_for(
    name: str, day: str, number: str, keys: set[str]
) -> None:
    said = {"PatientName": "Roy^Zoé", "StudyDate": "20261131", "PatientID": "1"}
    query = {"PatientName": name, "StudyDate": day, "PatientID": number}
    wanted = keys_of(study(**{key: query[key] for key in keys}))
    for found in (said, {**said, "PatientName": "Côté^Ana=王^小", "StudyDate": "20261103"}):
        model = to_json(study(**found))
        lookups = asked(wanted)
        assert not matches_json(model, wanted) or not lookups or set(lookups) & set(sought_of(model))
