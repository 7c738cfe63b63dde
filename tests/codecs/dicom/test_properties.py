"""What is set is read again, in every transfer syntax and character set, and nothing else changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.dicom import CODEC
from engine.codecs.dicom.encoding import decode, encode
from engine.codecs.dicom.json_model import from_json, to_json
from engine.codecs.dicom.substitutes import Substitutes, shifted
from engine.errors import MalformedMessage, Rejected
from engine.model import Body, Message
from tests.codecs.dicom.samples import EXPLICIT, FORMS, ct, part10

UNICODE = {syntax: part10(ct(SpecificCharacterSet="ISO_IR 192"), syntax) for syntax in FORMS}
TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\\"), max_size=64)
LEAVES = st.one_of(TEXTS, st.integers(-(2**31), 2**31 - 1), st.booleans(), st.none(), st.floats())
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["00100010", "00100020", "00280010", "00180050", "00400275", "7FE00010", "00280009"]),
    st.fixed_dictionaries(
        {"vr": st.sampled_from(["PN", "LO", "US", "DS", "SQ", "OB", "AT", "XX"])},
        optional={"Value": st.lists(JSON, max_size=3), "InlineBinary": TEXTS},
    ),
    max_size=4,
)


@given(syntax=st.sampled_from(FORMS), value=TEXTS)
def test_a_text_that_was_set_is_read_again(syntax: str, value: str) -> None:
    document = CODEC.decode(Message("m", "l", Body.of(UNICODE[syntax]), "dicom", 0))
    path = CODEC.path("RequestAttributesSequence[1].ScheduledProcedureStepDescription")
    path.set(document.root, value)
    again = CODEC.decode(Message("m", "l", Body.of(CODEC.encode(document)), "dicom", 0))
    assert path.get(again.root) == value.strip(" ")
    for other in (
        "PatientName",
        "RequestAttributesSequence[0].ScheduledProcedureStepDescription",
        "InstanceNumber",
    ):
        assert CODEC.path(other).get(again.root) == CODEC.path(other).get(document.root)


@given(
    path=st.sampled_from(["PatientID", "Rows", "StudyDate", "SliceThickness", "ImageType", "PatientName"]),
    value=JSON,
)
def test_any_value_is_written_or_refused(path: str, value: Any) -> None:
    document = CODEC.decode(Message("m", "l", Body.of(UNICODE[EXPLICIT]), "dicom", 0))
    try:
        CODEC.path(path).set(document.root, value)
    except Rejected:
        assert CODEC.encode(document) == UNICODE[EXPLICIT]
        return
    CODEC.decode(Message("m", "l", Body.of(CODEC.encode(document)), "dicom", 0))


@given(model=ATTRIBUTES)
def test_any_json_is_a_data_set_or_refused(model: dict[str, Any]) -> None:
    try:
        made = from_json(model)
    except MalformedMessage:
        return
    try:
        again = decode(encode(made, EXPLICIT), EXPLICIT)
    except Rejected:
        return
    assert set(to_json(again)) - {"00080005"} <= set(model)


@given(uid=st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,8})){1,6}", fullmatch=True), days=st.integers(1, 3650))
def test_substitutes_are_uids_and_dates(uid: str, days: int) -> None:
    made = Substitutes(b"k" * 16).uid(uid)
    assert made == Substitutes(b"k" * 16).uid(uid) and len(made) <= 64
    assert made == uid if uid.startswith("1.2.840.10008.") else made.startswith("2.25.")
    assert len(shifted("20260302", days)) == 8 and shifted("20260302", days) < "20260302"
