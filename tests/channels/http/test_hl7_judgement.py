"""What an acknowledgement in an HTTP answer's body means: which word counts where body, status and message disagree."""

from __future__ import annotations

import pytest

from channels._hl7.modes import Acks
from channels._http.client import Response
from channels._http.hl7_judgement import judge_acknowledgement
from engine.codecs.hl7v2.header import header
from engine.errors import PasserelleError, Permanent, Rejected, Transient
from engine.model import Reply

HEADERS = {"content-type": "x-application/hl7-v2+er7", "retry-after": "7", "set-cookie": "secret"}


def message(control_id: str = "M1", accept: str = "", application: str = "") -> bytes:
    text = (
        f"MSH|^~\\&|A|B|C|D|20260114||ADT^A01^ADT_A01|{control_id}|P|2.5.1|||{accept}|{application}\rPID|1\r"
    )
    return text.encode()


def ack(msa: str, *more: str, msh: str = "MSH|^~\\&|C|D|A|B|20260114||ACK|R1|P|2.5.1") -> bytes:
    return "\r".join((msh, msa, *more, "")).encode("latin-1")


def judged(body: bytes, *, status: int = 200, sent: bytes | None = None, acks: Acks = "auto") -> Reply:
    response = Response(status, HEADERS, body)
    return judge_acknowledgement(response, header(sent or message()), acks=acks, now_ms=0)


def failed(body: bytes, *, status: int = 200, sent: bytes | None = None) -> PasserelleError:
    with pytest.raises(PasserelleError) as caught:
        judged(body, status=status, sent=sent)
    return caught.value


# --------------------------------------------------------------------------- the acknowledgement decides


@pytest.mark.parametrize("status", [200, 301, 401, 404, 410, 500, 504])
def test_a_positive_acknowledgement_wins_over_every_status(status: int) -> None:
    reply = judged(ack("MSA|AA|M1"), status=status)
    assert (reply.code, reply.awaiting) == ("AA", False)


@pytest.mark.parametrize("status", [200, 202, 404])
def test_a_rejection_wins_over_every_status(status: int) -> None:
    failure = failed(ack("MSA|AR|M1"), status=status)
    assert type(failure) is Rejected and failure.code == "AR"


def test_only_headers_that_are_evidence_are_kept_with_the_whole_body() -> None:
    reply = judged(ack("MSA|AA|M1"))
    assert set(reply.headers) == {"content-type", "retry-after"}
    assert reply.body == ack("MSA|AA|M1")


@pytest.mark.parametrize("ending", [b"", b"\r", b"\r\n", b"\n"])
def test_line_ends_of_those_who_read_no_standard_are_understood(ending: bytes) -> None:
    body = ack("MSA|AA|M1").replace(b"\r", ending or b"\r").rstrip(b"\r\n") + ending
    assert judged(body).code == "AA"


def test_letters_that_no_charset_explains_do_not_spoil_a_positive_answer() -> None:
    assert judged(ack("MSA|AA|M1|re\xe7u")).code == "AA"


def test_other_delimiters_than_ours_are_the_partners_right() -> None:
    assert judged(b"MSH#*~\\&#C#D#A#B#20260114##ACK#R1#P#2.5.1\rMSA#AA#M1\r").code == "AA"


def test_an_answer_in_the_frame_of_mllp_is_understood() -> None:
    assert judged(b"\x0b" + ack("MSA|AA|M1") + b"\x1c\r").code == "AA"


# --------------------------------------------------------------------------- commit acknowledgements


@pytest.mark.parametrize(
    ("application", "acks", "awaiting"),
    [
        ("AL", "auto", True),
        ("SU", "auto", True),
        ("ER", "auto", False),
        ("NE", "auto", False),
        ("", "auto", False),
        ("", "enhanced", True),
        ("NE", "enhanced", False),
        ("AL", "original", False),
    ],
)
def test_a_commit_waits_for_the_application_where_the_message_asked_for_it(
    application: str, acks: Acks, awaiting: bool
) -> None:
    sent = message(accept="AL", application=application)
    assert judged(ack("MSA|CA|M1"), sent=sent, acks=acks).awaiting is awaiting


def test_an_application_acknowledgement_is_the_last_word_whatever_was_asked() -> None:
    assert not judged(ack("MSA|AA|M1"), sent=message(accept="AL", application="AL")).awaiting


# --------------------------------------------------------------------------- unknown outcomes


@pytest.mark.parametrize("msa", ["MSA|AA|M2", "MSA|AA|", "MSA|AA", "MSA|AR|M2", "MSA|AA|m1"])
def test_an_answer_to_another_message_says_nothing_of_ours(msa: str) -> None:
    failure = failed(ack(msa))
    assert isinstance(failure, Transient)
    assert (failure.code, failure.sent) == ("other_id", True)
    assert failure.reply is not None and failure.reply.body == ack(msa)


@pytest.mark.parametrize("code", ["", "ok", "aa", "A", "AAA", "Muster Hans"])
def test_a_code_that_is_none_is_no_answer_and_is_not_repeated(code: str) -> None:
    failure = failed(ack(f"MSA|{code}|M1"))
    assert isinstance(failure, Transient)
    assert (failure.code, failure.sent) == ("garbage", True)
    assert "Muster" not in str(failure)


@pytest.mark.parametrize(
    "body",
    [b"", b"OK", b"\x00\xff", b"<html></html>", ack("PID|1"), b"MSH", b"MSH|"],
    ids=["empty", "text", "bytes", "html", "no MSA", "MSH alone", "no delimiters"],
)
@pytest.mark.parametrize("status", [200, 204, 299])
def test_2xx_without_an_acknowledgement_is_no_answer(body: bytes, status: int) -> None:
    failure = failed(body, status=status)
    assert isinstance(failure, Transient)
    assert (failure.code, failure.sent) == ("garbage", True)
    assert failure.reply is not None and failure.reply.body == body


# --------------------------------------------------------------------------- no acknowledgement


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [(302, Permanent, "302"), (401, Permanent, "401"), (415, Rejected, "415"), (503, Transient, "503")],
)
def test_the_status_decides_where_nothing_else_is_said(
    status: int, kind: type[PasserelleError], code: str
) -> None:
    failure = failed(b"{}", status=status)
    assert type(failure) is kind
    assert isinstance(failure, Permanent | Rejected | Transient) and failure.code == code


def test_a_busy_partner_without_an_acknowledgement_is_asked_when_it_says() -> None:
    failure = failed(b"", status=429)
    assert isinstance(failure, Transient)
    assert (failure.retry_after, failure.sent) == (7.0, False)


# --------------------------------------------------------------------------- errors that the answer names


@pytest.mark.parametrize(
    ("msa", "number", "kind", "code"),
    [
        ("AE", "102", Rejected, "AE_102"),
        ("AR", "207", Transient, "AR_207"),
        ("CR", "206", Transient, "CR_206"),
        ("CE", "", Transient, "CE"),
        ("AR", "Muster Hans", Rejected, "AR_another_code"),
    ],
)
def test_err_3_decides_before_msa_1(msa: str, number: str, kind: type[PasserelleError], code: str) -> None:
    more = [f"ERR||PID^1^5|{number}|E|||Muster"] if number else []
    failure = failed(ack(f"MSA|{msa}|M1", *more))
    assert type(failure) is kind
    assert isinstance(failure, Rejected | Transient) and failure.code == code
    assert "Muster" not in str(failure)


def test_what_was_answered_in_time_is_no_unknown_outcome() -> None:
    failure = failed(ack("MSA|AE|M1"))
    assert isinstance(failure, Transient) and not failure.sent
