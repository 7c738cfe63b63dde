"""Acknowledgements, byte for byte as the standard's sections have them, in the sender's spelling."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from engine.codecs.hl7v2.acknowledging import acknowledge, timestamp
from engine.codecs.hl7v2.answers import AckError, read_ack
from engine.codecs.hl7v2.header import header, unknown_header
from engine.errors import MalformedMessage
from engine.model import Fault

NOW = "20260114093012-0500"
FAULT = Fault("PID-5[2].1", "is missing", "missing")


def message(version: str, event: str = "ADT^A01", charset: str = "") -> bytes:
    return (
        f"MSH|^~\\&|ADT1^x|HSJ|LAB|CHUQ^2.16&1|2026||{event}|C1|P|{version}|7||AL|NE|CAN|{charset}\rPID|1\r"
    ).encode()


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("2.1", "ACK"),
        ("2.2", "ACK^A01"),
        ("2.3", "ACK^A01"),
        ("2.3.1", "ACK^A01^ACK"),
        ("2.5.1^CAN", "ACK^A01^ACK"),
        ("2.8", "ACK^A01^ACK"),
    ],
)
def test_an_accept_is_answered_in_the_sender_s_version(version: str, kind: str) -> None:
    # v2.5.1 2.9.2.2: MSH-3..6 swapped, MSH-11 and MSH-12 echoed, MSA-2 is the sender's MSH-10
    answer = acknowledge(header(message(version)), "AA", id="OUR1", now=NOW)
    expected = f"MSH|^~\\&|LAB|CHUQ^2.16&1|ADT1^x|HSJ|{NOW}||{kind}|OUR1|P|{version}\rMSA|AA|C1\r"
    assert answer.decode() == expected


def test_text_sequence_and_charset_take_their_places() -> None:
    sender = header(message("2.4", charset="8859/1"))
    answer = acknowledge(sender, "AE", id="O", now=NOW, text="a|b", sequence="8")
    # v2.5.1 2.15.8: MSA-3 text, MSA-4 expected sequence number; MSH-18 as the sender's
    assert answer == (
        b"MSH|^~\\&|LAB|CHUQ^2.16&1|ADT1^x|HSJ|20260114093012-0500||ACK^A01^ACK|O|P|2.4||||||8859/1\r"
        b"MSA|AE|C1|a\\F\\b|8\r"
    )
    assert acknowledge(sender, "CA", id="O", now=NOW, sequence="8").endswith(b"MSA|CA|C1||8\r")


def test_msa_3_is_withdrawn_from_2_7() -> None:
    answer = acknowledge(header(message("2.7")), "AE", id="O", now=NOW, text="why", faults=[FAULT])
    assert b"MSA|AE|C1\rERR||PID^1^5^2^1|101^Required field missing^HL70357|E|||is missing|why\r" in answer


@pytest.mark.parametrize("version", ["2.5", "2.5.1", "2.6", "2.8", ""])
def test_errors_are_segments_from_2_5(version: str) -> None:
    # v2.5.1 2.15.5: ERR-2 ERL, ERR-3 table 0357, ERR-4 severity, ERR-7 diagnostic, ERR-8 user message
    other = Fault("MSH-9", "no route takes it", "unmatched")
    answer = acknowledge(header(message(version)), "AR", id="O", now=NOW, faults=[FAULT, other])
    assert answer.endswith(
        b"MSA|AR|C1\r"
        b"ERR||PID^1^5^2^1|101^Required field missing^HL70357|E|||is missing\r"
        b"ERR||MSH^1^9^1|200^Unsupported message type^HL70357|E|||no route takes it\r"
    )


def test_an_event_that_nobody_takes_is_told_apart_from_a_type() -> None:
    # v2.5.1 table 0357: 200 unsupported message type, 201 unsupported event code
    other = Fault("MSH-9.2", "no route takes it", "unmatched")
    answer = acknowledge(header(message("2.5.1")), "AR", id="O", now=NOW, faults=[other])
    assert b"|201^Unsupported event code^HL70357|E|||no route takes it\r" in answer


@pytest.mark.parametrize("version", ["2.1", "2.2", "2.3", "2.3.1", "2.4"])
def test_errors_are_repetitions_before_2_5(version: str) -> None:
    # v2.4 2.16.5.1: ERR-1 ELD, segment ID ^ sequence ^ field position ^ code identifying error
    other = Fault("", "the store is down", "207")
    answer = acknowledge(header(message(version)), "AE", id="O", now=NOW, faults=[FAULT, other])
    assert answer.endswith(
        b"ERR|PID^1^5^101&Required field missing&HL70357~^^^207&Application internal error&HL70357\r"
    )


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("PID-3", "x", "103"), "103"),
        (Fault("", "x", "malformed"), "100"),
        (Fault("PID-3", "x", "whatever"), "102"),
        (Fault("", "x", "whatever"), "207"),
    ],
)
def test_a_fault_has_a_code_of_table_0357(fault: Fault, code: str) -> None:
    [error] = read_ack(acknowledge(header(message("2.5")), "AE", id="O", now=NOW, faults=[fault])).errors
    assert (error.location, error.code, error.severity) == (fault.path, code, "E")


def test_the_sender_s_own_delimiters_are_used() -> None:
    sender = header(b"MSH#!@%*#APP#FAC#RECV#FAC2#2026##ADT!A01#C1#P#2.5\rPID#1\r")
    answer = acknowledge(sender, "AE", id="O", now=NOW, faults=[Fault("PID-3", "a#b", "missing")])
    assert answer == (
        b"MSH#!@%*#RECV#FAC2#APP#FAC#20260114093012-0500##ACK!A01!ACK#O#P#2.5\rMSA#AE#C1\r"
        b"ERR##PID!1!3!1#101!Required field missing!HL70357#E###a%F%b\r"
    )


@pytest.mark.parametrize(
    ("charset", "codec", "written"),
    [
        ("8859/1", "latin-1", b"refus\xe9"),
        ("UNICODE UTF-8", "utf-8", b"refus\xc3\xa9"),
        ("", "ascii", b"refuse"),
    ],
)
def test_text_is_written_in_the_sender_s_character_set(charset: str, codec: str, written: bytes) -> None:
    sender = header(message("2.4", charset=charset))
    assert written in acknowledge(sender, "AE", id="O", now=NOW, text="refusé")


def test_names_of_the_sender_come_back_in_its_bytes() -> None:
    data = "MSH|^~\\&|A|HÔP|B|C|2026||ADT^A01|1|P|2.3||||||\r".encode("cp1252")
    assert acknowledge(header(data), "AA", id="O", now=NOW).count(b"H\xd4P") == 1


@pytest.mark.parametrize(
    "data", [b"MSH|^~\\&|A\n", b"MSH|\r", b"\xef\xbb\xbf\r\nMSH|^~\\&|A|B", b"MSH|^~|A|B|||^^"]
)
def test_a_poor_header_is_answered_too(data: bytes) -> None:
    answer = acknowledge(header(data), "AR", id="O", now=NOW, text="x", faults=[FAULT])
    assert read_ack(answer).code == "AR"


def test_what_has_no_header_is_answered_with_the_recommended_delimiters() -> None:
    answer = acknowledge(
        unknown_header(), "AR", id="O", now=NOW, faults=[Fault("", "unreadable", "malformed")]
    )
    assert answer == (
        b"MSH|^~\\&|||||20260114093012-0500||ACK|O||\rMSA|AR|\r"
        b"ERR|||100^Segment sequence error^HL70357|E|||unreadable\r"
    )


@pytest.mark.parametrize("data", [b"", b"PID|1\r", b"MSH", b"MSHx", b"\x00\x01\x02"])
def test_what_begins_otherwise_has_no_header(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        header(data)


def test_a_header_tells_what_routing_needs() -> None:
    found = header(message("2.5.1^CAN", "ADT^A01^ADT_A01", "8859/1"))
    assert (found.sending_application, found.sending_facility, found.type, found.event) == (
        "ADT1",
        "HSJ",
        "ADT",
        "A01",
    )
    assert (found.control_id, found.processing, found.version, found.sequence) == ("C1", "P", "2.5.1", "7")
    assert (found.accept_acknowledgement, found.application_acknowledgement, found.charset) == (
        "AL",
        "NE",
        "8859/1",
    )


def test_a_time_stamp_has_an_offset() -> None:
    assert timestamp(datetime(2026, 1, 14, 9, 30, 12, tzinfo=timezone(timedelta(hours=-5)))) == NOW


def test_an_answer_is_read_in_both_forms() -> None:
    new = read_ack(
        b"MSH|^~\\&|A|B|C|D|2026||ACK^A01^ACK|9|P|2.5\rMSA|AE|C1|no good|3\r"
        b"ERR||PID^1^5^1^2~PID^2^3|204^Unknown key^HL70357|E||||Patient inconnu\rERR||OBX^^5|103|W\r"
    )
    assert (new.code, new.control_id, new.text, new.sequence, new.version) == (
        "AE",
        "C1",
        "no good",
        "3",
        "2.5",
    )
    assert new.errors == (
        AckError("PID-5.2", "204", "E", "Patient inconnu"),
        AckError("PID[2]-3", "204", "E", "Patient inconnu"),
        AckError("OBX-5", "103", "W"),
    )
    old = read_ack(
        b"MSH|^~\\&|A|B|C|D|2026||ACK|9|P|2.3\rMSA|AR|C1\rERR|PID^1^5^103&Value not found&HL70357~ORC^1\r"
    )
    assert old.errors == (AckError("PID-5", "103", "E", "Value not found"), AckError("ORC", ""))
    bare = read_ack(b"MSH|^~\\&|A\rMSA|AA|C1")
    assert (bare.code, bare.text, bare.sequence, bare.errors) == ("AA", "", "", ())


def test_an_answer_without_msa_is_none() -> None:
    with pytest.raises(MalformedMessage, match="MSA"):
        read_ack(b"MSH|^~\\&|A\rPID|1\r")
