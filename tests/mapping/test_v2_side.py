"""A mapper's v2 side gives back the bytes that came, and every change goes where its rule says."""

from __future__ import annotations

import pytest

from engine.codecs.hl7v2.reading import parse
from engine.errors import Rejected
from tests.mapping.visits import MESSAGE, SEGMENTS, VISITS, decoded, encoded


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("lead", ["", "\r\n"])
def test_what_was_decoded_is_encoded_as_the_same_bytes(end: str, lead: str) -> None:
    text = lead + end.join(SEGMENTS) + end
    assert encoded(*decoded(text)) == text


def test_mixed_line_ends_are_kept() -> None:
    text = MESSAGE.replace("ZZZ|a^b\r", "ZZZ|a^b\r\n") + "\n"
    assert encoded(*decoded(text)) == text


def test_a_message_that_is_made_says_the_same_event() -> None:
    data, _ = decoded(MESSAGE)
    assert decoded(encoded(data))[0] == data


def test_every_kind_of_rule_is_read() -> None:
    data, _ = decoded(MESSAGE)
    system = {"name": "LAB", "oid": "1.2"}
    assert data["message"] == {"id": "ID1", "sender": system, "sentAt": "2026-01-14T09:30:12"}
    assert data["patient"]["sex"] == "other"
    authority = {"name": "HSJ", "oid": "1.2.3"}
    assert data["patient"]["identifiers"][0] == {"value": "0001", "authority": authority, "type": "MR"}
    assert data["patient"]["names"][1] == {"family": None}
    assert data["patient"]["races"] == ["W", "B"]
    assert data["start"] == "2026-01-14T09:30"
    first, second = data["reports"]
    assert first["orderer"] == {"id": "9", "family": "DOC"}
    assert second["orderer"] == {"id": "8", "family": "OTHER"}
    values = [one.get("number", one.get("texts", one.get("concept"))) for one in first["results"]]
    assert values == ["5.50", ["a", "b"], {"code": "c", "text": "d"}]
    assert first["results"][0]["notes"] == [{"text": "hey&"}]


def test_what_is_not_mapped_follows_its_item_by_key() -> None:
    data, complement = decoded(MESSAGE)
    data["contacts"].reverse()
    assert "NK1|1|CC\rNK1|2|AA^BB^C\r" in encoded(data, complement)


def test_an_odd_spelling_stays_until_its_meaning_changes() -> None:
    data, complement = decoded(MESSAGE)
    data["patient"]["sex"] = "female"
    assert "| 19700101|F|" in encoded(data, complement)
    data["patient"]["birthDate"] = "1970-01-02"
    assert "|19700102|F|" in encoded(data, complement)


def test_a_value_of_another_type_leaves_nothing_of_the_old_one() -> None:
    data, complement = decoded(MESSAGE)
    data["reports"][0]["results"][2] = {"type": "numeric", "number": "7"}
    text = encoded(data, complement)
    assert "OBX|7|NM|||7^^L|\r" in text
    assert decoded(text)[0] == data


def test_all_leaves_of_an_object_with_two_places_come_from_one() -> None:
    text = MESSAGE.replace("|9^DOC\rOBR|1||f1|||||||||||||9^DOC", "|9\rOBR|1||f1|||||||||||||8^OTHER")
    data, complement = decoded(text)
    assert data["reports"][0]["orderer"] == {"id": "9"}
    assert encoded(data, complement) == text
    del data["reports"][0]["orderer"]
    assert decoded(encoded(data, complement))[0] == data


def test_a_value_outside_of_its_type_is_refused_by_its_path() -> None:
    data, complement = decoded(MESSAGE)
    data["reports"][0]["results"][0]["number"] = "many"
    with pytest.raises(Rejected) as refused:
        encoded(data, complement)
    assert refused.value.faults[0].path == "reports[0].results[0].number"
    assert "many" not in str(refused.value)


def test_the_report_names_what_only_the_complement_has() -> None:
    report = VISITS.get("v2", parse(MESSAGE.replace("|A||W~B|", "|Q||W~B|").encode())).report
    assert "PID-3[1].4.2" in report.mapped
    assert "OBX-1" in report.mapped
    assert {"ZZZ-1.1", "MSH-3.2.2", "PID-8", "OBX[3]-1"} <= set(report.opaque)
    assert ("PID-8", "not in table sex") in report.warnings
    assert not report.complete


def test_the_type_of_the_event_comes_from_its_catalogue() -> None:
    assert VISITS.event_type({"trigger": "admitted"}) == "encounter-started"
    assert VISITS.event_type({"trigger": "registered"}) == "encounter-updated"


def test_a_new_message_gets_a_new_id_where_a_rule_asks_for_one() -> None:
    made = VISITS.put("v2", {}, new_id=lambda: "NEW")
    assert VISITS.get("v2", made).data == {"message": {"id": "NEW"}}


def test_delimiters_that_are_letters_leave_the_message_alone() -> None:
    text = "MSH|abcd|LAB\rPID|1\r"
    data, complement = decoded(text)
    assert data == {}
    assert encoded(data, complement) == text
