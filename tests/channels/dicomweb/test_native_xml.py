"""Answers in the Native DICOM Model: what they say is found, and what is none is refused before it costs anything."""

from __future__ import annotations

import pytest

from channels.dicomweb.native_xml import model_of_xml

UID = '<DicomAttribute tag="00081155" vr="UI"><Value number="1">1.2.3</Value></DicomAttribute>'


def native(inside: str) -> str:
    return f'<?xml version="1.0"?><NativeDicomModel>{inside}</NativeDicomModel>'


def test_values_and_items_become_the_json_model() -> None:
    item = f'<DicomAttribute tag="00081198" vr="SQ"><Item number="1">{UID}</Item></DicomAttribute>'
    several = '<DicomAttribute tag="00080008" vr="CS"><Value> A </Value><Value>B</Value></DicomAttribute>'
    assert model_of_xml(native(item + several)) == {
        "00081198": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.3"]}}]},
        "00080008": {"vr": "CS", "Value": ["A", "B"]},
    }


def test_items_of_a_sequence_stay_apart() -> None:
    items = (
        f'<DicomAttribute tag="00081199" vr="SQ"><Item>{UID}</Item><Item/><Item>{UID}</Item></DicomAttribute>'
    )
    first, empty, last = model_of_xml(native(items))["00081199"]["Value"]
    assert (first, empty) == (last, {})


def test_what_follows_a_sequence_belongs_to_the_level_above() -> None:
    deep = f'<DicomAttribute tag="00081199" vr="SQ"><Item>{UID}</Item></DicomAttribute>{UID}'
    assert set(model_of_xml(native(deep))) == {"00081199", "00081155"}


@pytest.mark.parametrize(
    ("inside", "found"),
    [
        ("", {}),
        ("text alone", {}),
        ('<DicomAttribute tag="00100010"/>', {"00100010": {"vr": "UN", "Value": []}}),
        ('<DicomAttribute tag="00100010" vr="LO"><Value/></DicomAttribute>', {"00100010": {"vr": "LO", "Value": [""]}}),
        ("<Value>of nothing</Value>", {}),
        (f"<Item>{UID}</Item>", {"00081155": {"vr": "UI", "Value": ["1.2.3"]}}),
        ("<Unknown><Deeper>x</Deeper></Unknown>", {}),
    ],
)  # fmt: skip
def test_what_stands_at_no_place_of_its_own_is_harmless(inside: str, found: dict[str, object]) -> None:
    assert model_of_xml(native(inside)) == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no XML"),
        ('{"00081199": {}}', "no XML"),
        ("<NativeDicomModel>", "no XML"),
        ("<a></b>", "no XML"),
        (native("&undefined;"), "no XML"),
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>', "document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/hostname"><x/>', "document type"),
        (native("<Item>" * 40 + "</Item>" * 40), "too deep"),
    ],
)
def test_what_is_no_such_model_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        model_of_xml(text)
