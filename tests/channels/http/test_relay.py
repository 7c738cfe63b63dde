"""What an HTTP sender is told that waited for a partner: the partner's answer, or that there is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from channels._http.replies import HttpExchange, Writer, from_stored
from engine.model import Disposition, Fault, Reply, Verdict
from engine.testing.virtual_clock import VirtualClock

EXCHANGE = HttpExchange()
ID = "01JD00000000000000AB"


def head_and_body(stored: bytes) -> tuple[list[bytes], bytes]:
    response = Writer(VirtualClock(datetime(2026, 11, 2, tzinfo=UTC))).response(stored, close=False)
    head, _, body = response.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


def test_a_partners_answer_goes_on_with_its_media_type() -> None:
    answer = Reply("200", b"MSH|", {"content-type": "x-application/hl7-v2+er7"})
    head, body = head_and_body(EXCHANGE.relay(answer))
    assert head[:2] == [b"HTTP/1.1 200 OK", b"content-type: x-application/hl7-v2+er7"]
    assert body == b"MSH|"


def test_an_answer_without_content_has_none() -> None:
    head, body = head_and_body(EXCHANGE.relay(Reply("204")))
    assert head[0] == b"HTTP/1.1 204 No Content"
    assert body == b"" and not any(line.startswith(b"content-") for line in head)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("200", 200),
        ("201", 201),
        ("422", 422),
        ("404", 404),
        ("401", 502),
        ("301", 502),
        ("AA", 200),
        ("AR", 422),
    ],
)
def test_a_partners_code_becomes_a_status_that_says_something_to_our_sender(code: str, status: int) -> None:
    answer = Reply(code, b"{}", {"content-type": "application/json"})
    assert from_stored(EXCHANGE.relay(answer)).status == status


@pytest.mark.parametrize(("code", "status"), [("timeout", 504), ("undelivered", 502), ("require", 422)])
def test_whoever_gets_no_answer_is_told_why(code: str, status: int) -> None:
    verdict = Verdict(Disposition.REFUSED, ID, (Fault("", "no answer", code),), code="AE")
    answer = from_stored(EXCHANGE.reply(verdict))
    assert (answer.status, json.loads(answer.body)["status"]) == (status, status)
