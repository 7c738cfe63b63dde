"""Where a request begins and ends, whatever the pieces it comes in and whatever a hostile sender claims."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.channels.http.serving import listening
from tests.channels.http.wire import chunked, post, wire

BODY = b'{"appointment": {"id": "a-1"}}'
HEAD = b"POST /v1/appointments HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("request_bytes", [post(BODY), chunked(BODY[:10], BODY[10:]) + b"0\r\n\r\n"])
async def test_a_request_split_at_any_byte_is_read_whole(request_bytes: bytes) -> None:
    async with listening() as door, wire(door.address) as client:
        for at in range(1, len(request_bytes)):
            await client.write_split(request_bytes, at=at)
            assert (await client.read()).status == 202
        assert {message.body.read() for message in door.intake.messages} == {BODY}
        assert {message.body.size for message in door.intake.messages} == {len(BODY)}


async def test_one_byte_at_a_time_is_read_whole() -> None:
    async with listening() as door, wire(door.address) as client:
        for byte in post(BODY):
            await client.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.read()).status == 202
        assert door.intake.messages[0].body.read() == BODY


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(b"".join(post(b'{"n": %d}' % n) for n in range(200)))
        answers = [await client.read() for _ in range(200)]
        assert [answer.json["id"] for answer in answers] == [message.id for message in door.intake.messages]
        assert [message.body.read() for message in door.intake.messages] == [
            b'{"n": %d}' % n for n in range(200)
        ]


async def test_a_large_pipelined_body_follows_a_small_one() -> None:
    large = b'"' + b"x" * 300_000 + b'"'
    async with listening() as door, wire(door.address) as client:
        client.writer.write(post(BODY) + post(large) + chunked(large, large[:50]) + b"0\r\n\r\n" + post(BODY))
        assert [(await client.read()).status for _ in range(4)] == [202] * 4
        assert [message.body.size for message in door.intake.messages] == [
            len(BODY),
            len(large),
            len(large) + 50,
            len(BODY),
        ]
        assert door.intake.messages[0].body.sha256 == door.intake.messages[3].body.sha256


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD
        + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        HEAD
        + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
        HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
        HEAD + b"Content-Length: +2\r\n\r\n{}",
        HEAD + b"Content-Length: -2\r\n\r\n{}",
        HEAD + b"Content-Length: 0x2\r\n\r\n{}",
        HEAD + b"Content-Length: 2_0\r\n\r\n{}",
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        HEAD + b"Content-Length : 2\r\n\r\n{}",
        HEAD + b"Content-Length: 2\nX: y\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding\x0b: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"X-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"X-Nul: a\0b\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"X-Cr: a\rb\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b": no name\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Host: b\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Authorization: a\r\nAuthorization: b\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"ce-id: a\r\nce-id: b\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v1/appointments HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v1/appoint\0ments HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v1/appoint ments HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v1/appointments HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/appointments\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    ],
)
async def test_a_request_whose_end_is_in_doubt_is_refused_and_the_connection_closed(
    request_bytes: bytes,
) -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(request_bytes)
        answer = await client.read()
        assert answer.status in (400, 505)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["connection"] == "close"
        assert await client.ended(), "what follows a request without a certain end is no request"
        assert not door.intake.messages and door.intake.outstanding == 0


async def test_requests_before_a_broken_one_are_answered_first() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post(BODY) + post(BODY) + b"\0\0\0")
        assert [(await client.read()).status for _ in range(3)] == [202, 202, 400]
        assert await client.ended()
        assert len(door.intake.messages) == 2


async def test_nothing_after_a_request_that_closes_is_read() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post(BODY, headers={"Connection": "close"}) + post(BODY))
        answer = await client.read()
        assert (answer.status, answer.headers["connection"]) == (202, "close")
        assert await client.ended()
        assert len(door.intake.messages) == 1


async def test_an_upgrade_is_refused_and_ends_the_connection() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post(BODY, headers={"Connection": "Upgrade", "Upgrade": "h2c"}) + post(BODY))
        answer = await client.read()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert await client.ended()
        assert not door.intake.messages


async def test_trailers_are_no_headers() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(chunked(BODY) + b"0\r\nIdempotency-Key: late\r\nX-Correlation-Id: late\r\n\r\n")
        assert (await client.read()).status == 202
        assert door.intake.messages[0].control_id == "" and not door.intake.messages[0].headers


async def test_chunk_extensions_are_no_way_to_send_without_end() -> None:
    async with listening() as door, wire(door.address) as client:
        client.writer.write(chunked() + b"1;" + b"x" * 200_000)
        answer = await client.read()
        assert answer.status == 400 and "framing" in answer.json["detail"]
        assert not door.intake.messages


async def test_many_small_chunks_make_one_body() -> None:
    async with listening() as door, wire(door.address) as client:
        body = b"[" + b",".join(b"%d" % n for n in range(2000)) + b"]"
        client.writer.write(chunked(*(bytes([byte]) for byte in body)) + b"0\r\n\r\n")
        assert (await client.read()).status == 202
        assert door.intake.messages[0].body.read() == body


async def test_half_a_request_that_ends_is_no_message() -> None:
    async with listening() as door:
        for request_bytes in (post(BODY)[:-1], post(BODY)[:40], chunked(BODY), chunked(BODY) + b"0\r\n"):
            async with wire(door.address) as client:
                await client.write(request_bytes)
                client.writer.write_eof()
                assert await client.ended()
        assert not door.intake.messages and door.intake.outstanding == 0


async def test_a_sender_that_closes_its_half_still_gets_its_answers() -> None:
    async with listening() as door, wire(door.address) as client:
        client.writer.write(post(BODY) * 50)
        client.writer.write_eof()
        assert [(await client.read()).status for _ in range(50)] == [202] * 50
        assert await client.ended()
        assert len(door.intake.messages) == 50


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_any_pieces_give_the_same_messages(sizes: list[int]) -> None:
    requests = [
        post(BODY),
        chunked(BODY[:7], BODY[7:]) + b"0\r\nX: y\r\n\r\n",
        post(BODY, headers={"X-Any": "y"}),
    ]

    async def run() -> list[bytes]:
        async with listening() as door, wire(door.address) as client:
            rest = b"".join(requests)
            for size in sizes:
                await client.write(rest[:size])
                await asyncio.sleep(0)
                rest = rest[size:]
            await client.write(rest)
            assert [(await client.read()).status for _ in requests] == [202] * 3
            return [message.body.read() for message in door.intake.messages]

    assert asyncio.run(run()) == [BODY] * 3
