"""What each answer of a partner means, and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels._http.judgement import retry_after
from channels.webhook.outbound import WebhookOutbound
from engine.errors import Permanent, Rejected, Transient
from engine.model import Reply
from engine.testing.channels import channel_context
from engine.testing.virtual_clock import VirtualClock
from tests.channels.http.answering import OK, Act, Answering, answering, byte_by_byte, then_close
from tests.channels.webhook.clinic import attempt, endpoint

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


@asynccontextmanager
async def sending(folder: Path, *acts: bytes | Act) -> AsyncIterator[tuple[WebhookOutbound, Answering]]:
    """Enter a channel whose partner acts so; for its clock it is noon."""
    async with answering(*acts) as server:
        context = channel_context(folder, clock=VirtualClock(NOON))
        async with WebhookOutbound(endpoint(server.url), context) as channel:
            yield channel, server


async def sent(folder: Path, *acts: bytes | Act) -> Reply:
    async with sending(folder, *acts) as (channel, _):
        return await channel.send(attempt())


def response(status: int, headers: str = "", body: bytes = b'{"detail": "fictive"}') -> bytes:
    return f"HTTP/1.1 {status} Any\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_2xx_is_delivered_with_evidence(tmp_path: Path, status: int) -> None:
    body = b"" if status == 204 else b'{"status":"received"}'
    reply = await sent(
        tmp_path, response(status, "X-Request-Id: r-1\r\nSet-Cookie: c\r\nDate: today\r\n", body)
    )
    assert (reply.code, reply.body, reply.awaiting) == (str(status), body, False)
    assert reply.headers == {"x-request-id": "r-1", "date": "today"}


@pytest.mark.parametrize("status", [408, 425, 429, 500, 501, 502, 503, 505, 599])
async def test_a_busy_or_broken_partner_is_tried_again(tmp_path: Path, status: int) -> None:
    with pytest.raises(Transient) as caught:
        await sent(tmp_path, response(status, "Retry-After: 120\r\n"))
    error = caught.value
    assert (error.code, error.retry_after, error.sent) == (str(status), 120.0, False)
    assert error.reply is not None and json.loads(error.reply.body) == {"detail": "fictive"}


async def test_a_gateway_that_waited_in_vain_leaves_an_unknown_outcome(tmp_path: Path) -> None:
    with pytest.raises(Transient) as caught:
        await sent(tmp_path, response(504))
    assert caught.value.sent and caught.value.code == "504"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("0", 0.0),
        ("3600", 3600.0),
        ("999999999999", 86_400.0),
        ("Mon, 02 Nov 2026 12:05:00 GMT", 300.0),
        ("Mon, 02 Nov 2026 11:05:00 GMT", 0.0),
        ("Monday, 02-Nov-26 12:05:00 GMT", 300.0),
        ("Mon Nov  2 12:05:00 2026", 300.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
    ],
)
async def test_retry_after_is_seconds_or_a_date_by_the_clock(
    tmp_path: Path, written: str, seconds: float | None
) -> None:
    with pytest.raises(Transient) as caught:
        await sent(tmp_path, response(503, f"Retry-After: {written}\r\n"))
    assert caught.value.retry_after == seconds


@given(st.text(st.characters(max_codepoint=255)))
def test_retry_after_may_be_anything(written: str) -> None:
    seconds = retry_after({"retry-after": written}, now_ms=0)
    assert seconds is None or 0 <= seconds <= 86_400


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 401, 403, 404, 405])
async def test_an_endpoint_that_will_not_take_it_is_permanent(tmp_path: Path, status: int) -> None:
    body = b"" if status == 304 else b'{"detail": "fictive"}'
    with pytest.raises(Permanent) as caught:
        await sent(tmp_path, response(status, body=body))
    assert (caught.value.code, caught.value.disable) == (str(status), False)
    assert caught.value.reply is not None and caught.value.reply.body == body


async def test_a_redirect_is_never_followed(tmp_path: Path) -> None:
    async with answering(OK) as elsewhere:
        async with sending(tmp_path, response(307, f"Location: {elsewhere.url}\r\n")) as (channel, _):
            with pytest.raises(Permanent) as caught:
                await channel.send(attempt())
        assert not elsewhere.opened
        assert caught.value.reply is not None and caught.value.reply.headers["location"] == elsewhere.url


async def test_gone_disables_the_endpoint(tmp_path: Path) -> None:
    with pytest.raises(Permanent) as caught:
        await sent(tmp_path, response(410))
    assert caught.value.disable


@pytest.mark.parametrize("status", [400, 402, 406, 409, 411, 412, 413, 414, 415, 416, 417, 418, 422, 451])
async def test_a_refused_message_is_rejected_with_evidence(tmp_path: Path, status: int) -> None:
    with pytest.raises(Rejected) as caught:
        await sent(tmp_path, response(status))
    assert caught.value.code == str(status)
    assert caught.value.reply is not None and b"fictive" in caught.value.reply.body
    assert "fictive" not in str(caught.value), "the partner's words may hold what ours must not"


# ----------------------------------------------------------------- how answers are read


async def test_an_answer_in_single_bytes_is_read_whole(tmp_path: Path) -> None:
    reply = await sent(
        tmp_path,
        byte_by_byte(
            response(201, "Transfer-Encoding: chunked\r\n")
            .replace(b"Content-Length: 21\r\n", b"")
            .replace(b'{"detail": "fictive"}', b'5\r\n{"a":\r\n3\r\n 1}\r\n0\r\n\r\n')
        ),
    )
    assert (reply.code, reply.body) == ("201", b'{"a": 1}')


async def test_interim_answers_are_passed_over(tmp_path: Path) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    async with sending(tmp_path, interim + OK, OK) as (channel, server):
        assert (await channel.send(attempt())).code == "200"
        assert (await channel.send(attempt())).code == "200"
        assert server.opened == 1


async def test_an_answer_that_ends_with_the_connection_is_whole(tmp_path: Path) -> None:
    reply = await sent(tmp_path, then_close(b"HTTP/1.1 200 OK\r\n\r\nreceived"))
    assert (reply.code, reply.body) == ("200", b"received")


async def test_an_answer_is_kept_up_to_1_mib(tmp_path: Path) -> None:
    reply = await sent(tmp_path, response(200, body=b"x" * 500_000))
    assert (reply.code, reply.body) == ("200", b"x" * 500_000)


async def test_an_answer_without_end_is_cut_and_its_status_counts(tmp_path: Path) -> None:
    async with sending(tmp_path, response(200, body=b"x" * 30_000_000), OK) as (channel, server):
        reply = await channel.send(attempt())
        assert (reply.code, len(reply.body)) == ("200", 2**20)
        assert (await channel.send(attempt())).body == b"ok"
        assert server.opened == 2, "a connection that was cut was used again"
