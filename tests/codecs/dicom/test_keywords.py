"""Data sets by keywords: easier to map, and the same data set again, whatever it holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.dicom.instances import open_instance
from engine.codecs.dicom.keywords import from_keywords, to_keywords
from engine.codecs.dicom.source import Source
from engine.codecs.dicom.studies import study_in
from tests.instances import part10


def of(**elements: Any) -> dict[str, Any]:
    """Return the model of elements by tag, `_00100020=("LO", ["1"])`."""
    return {
        tag.removeprefix("_"): {"vr": vr, "Value": values} if values else {"vr": vr}
        for tag, (vr, values) in elements.items()
    }


def test_elements_stand_under_their_keywords_in_plain_values() -> None:
    words = to_keywords(
        of(
            _00080020=("DA", ["20261102"]),
            _00080030=("TM", ["091500.25"]),
            _00080201=("SH", ["-0500"]),
            _00100010=("PN", [{"Alphabetic": "Essai^Zoé^^Dre", "Phonetic": "e-se"}]),
            _00100020=("LO", ["1"]),
            _00100021=("LO", ["CHUX"]),
            _00100030=("DA", ["19840302"]),
            _00081115=("SQ", [{"00080060": {"vr": "CS", "Value": ["CT"]}}]),
            _00200010=("SH", []),
        )
    )

    assert words == {
        "StudyDateTime": ["2026-11-02T09:15:00.25-05:00"],
        "PatientName": [{"Phonetic": "e-se", "family": "Essai", "given": "Zoé", "prefix": "Dre"}],
        "PatientIDs": [{"value": "1", "issuer": "CHUX"}],
        "PatientBirthDate": ["1984-03-02"],
        "ReferencedSeriesSequence": [{"Modality": ["CT"]}],
        "StudyID": [],
    }


_DATES = st.sampled_from(["20261102", "2026.11.02", "2026-11-02", "19", "", None])
_TIMES = st.sampled_from(["09", "0915", "091500", "091500.250", "9:15", "2026-11-02", None])
_NAMES = st.sampled_from(
    [
        {"Alphabetic": "A^B"},
        {"Alphabetic": "A^^^^"},
        {"Alphabetic": "A^B^C^D^E^F"},
        {"Ideographic": "x"},
        {},
        None,
        "A^B",
    ]
)
_TEXTS = st.sampled_from(["a", "-0500", "-05:00", "", None])
_ELEMENTS = st.one_of(
    st.tuples(
        st.sampled_from(["00080020", "00100030", "00080021"]), st.just("DA"), st.lists(_DATES, max_size=2)
    ),
    st.tuples(st.sampled_from(["00080030", "00080031"]), st.just("TM"), st.lists(_TIMES, max_size=2)),
    st.tuples(st.sampled_from(["00100010", "00080090"]), st.just("PN"), st.lists(_NAMES, max_size=2)),
    st.tuples(
        st.sampled_from(["00080201", "00100020", "00100021", "00091001", "00200010"]),
        st.sampled_from(["LO", "SH", "UN"]),
        st.lists(_TEXTS, max_size=2),
    ),
    st.tuples(
        st.sampled_from(["00200013", "00280010"]), st.sampled_from(["IS", "US"]), st.lists(st.integers(0, 9))
    ),
)
_FLAT = st.lists(_ELEMENTS, max_size=8).map(
    lambda found: {tag: {"vr": vr, "Value": values} if values else {"vr": vr} for tag, vr, values in found}
)
_SETS = st.recursive(
    _FLAT,
    lambda inner: st.tuples(_FLAT, st.lists(st.one_of(inner, st.none()), min_size=1, max_size=2)).map(
        lambda pair: {**pair[0], "00081115": {"vr": "SQ", "Value": pair[1]}}
    ),
    max_leaves=4,
)


@given(model=_SETS)
def test_what_is_spelt_by_keywords_is_the_same_data_set_again(model: dict[str, Any]) -> None:
    assert from_keywords(to_keywords(model)) == dict(sorted(model.items()))


def test_bulk_data_and_what_has_no_keyword_stand_as_they_are() -> None:
    model = {
        "00091001": {"vr": "LO", "Value": ["private"]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "frames/1"},
        "00100020": {"vr": "UN", "InlineBinary": "AA=="},
    }

    assert to_keywords(model) == model
    assert from_keywords(model) == dict(sorted(model.items()))


@pytest.mark.parametrize(
    "words",
    [
        {"NoSuchWord": ["1"]},
        {"StudyID": "1"},
        {"PatientBirthDate": ["1984"]},
        {"SeriesTime": ["noon"]},
        {"StudyDateTime": ["2026-01"]},
        {"StudyDateTime": ["2026-01-02T09:15:00.1234567"]},
        {"PatientIDs": [{"value": "1"}, {"value": "2"}]},
        {"PatientName": [{"family": "A^B"}]},
        {"PatientName": ["A^B"]},
        {"PatientIDs": ["Zelie"]},
        {"PatientIDs": [7]},
        {"PatientIDs": [None]},
        {"PatientIDs": [{"value": "1", "type": "Zelie"}]},
        {"PatientIDs": [{"value": ["Zelie"]}]},
        {"StudyDateTime": ["Zelie"]},
        {"StudyDateTime": [7]},
    ],
)
def test_what_dicom_cannot_say_is_refused_without_its_value(words: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as refused:
        from_keywords(words)

    assert "A^B" not in str(refused.value) and "1984" not in str(refused.value).replace("2026-01-14", "")


def test_one_instance_is_a_study_of_one_series() -> None:
    words = to_keywords(study_in(open_instance(Source.of(part10("2.25.1")))))

    (series,) = words["ReferencedSeriesSequence"]
    (instance,) = series["ReferencedInstanceSequence"]
    assert words["NumberOfStudyRelatedInstances"] == [1]
    assert (series["Modality"], instance["ReferencedSOPInstanceUID"]) == (["CT"], ["2.25.1"])
    assert "Modality" not in words
