"""What a sender may take of a listener: bytes, connections and time, all counted and none believed."""

from __future__ import annotations

import asyncio

import pytest

from engine.config.models import ListenerLimits
from engine.testing.channels import RecordingIntake
from tests.channels.http.serving import listening, timeouts
from tests.channels.http.wire import LIMIT, chunked, post, wire

LIMITED = ListenerLimits(body=1000)


async def test_a_declared_length_above_the_limit_is_refused_before_the_body() -> None:
    async with listening(limits=LIMITED) as door, wire(door.address) as client:
        await client.write(post(b"x" * 1001)[:-1001])
        answer = await client.read()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert door.intake.most_admitted == 0


async def test_a_body_of_exactly_the_limit_is_taken() -> None:
    async with listening(limits=LIMITED) as door, wire(door.address) as client:
        await client.write(post(b"x" * 1000))
        assert (await client.read()).status == 202
        await client.write(chunked(b"x" * 500, b"y" * 500) + b"0\r\n\r\n")
        assert (await client.read()).status == 202


async def test_chunks_are_counted_and_cut_at_the_limit() -> None:
    async with listening(limits=LIMITED) as door, wire(door.address) as client:
        await client.write(chunked(b"x" * 500, b"y" * 501))
        assert (await client.read()).status == 413
        assert await client.ended()
        assert not door.intake.messages and door.intake.outstanding == 0


async def test_a_refusal_reaches_a_sender_that_does_not_stop_sending() -> None:
    async with listening(limits=LIMITED) as door, wire(door.address) as client:
        request = post(b"x" * 1_500_000)
        await client.write(request[:1000])
        assert (await client.read()).status == 413
        await client.write(request[1000:])  # not reset: what is on its way is read and dropped
        client.writer.write_eof()
        assert await client.ended()


async def test_a_sender_that_never_stops_is_cut() -> None:
    async with listening(limits=LIMITED) as door, wire(door.address) as client:
        client.writer.write(post(b"x" * 40_000_000))
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(LIMIT):
                await client.writer.drain()
                await client.write(b"x" * 1_000_000)


async def test_a_body_may_be_larger_than_what_is_kept_inline() -> None:
    body = b'{"pdf": "' + b"x" * 3_000_000 + b'"}'
    async with listening() as door, wire(door.address) as client:
        client.writer.write(post(body))
        assert (await client.read()).status == 202
        assert door.intake.messages[0].body.read() == body


@pytest.mark.parametrize("head", [b"X-A: " + b"a" * 33_000, b"\r\n".join(b"X-%d: a" % n for n in range(101))])
async def test_a_head_that_is_too_large_is_refused(head: bytes) -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(b"POST /v1/appointments HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n")
        assert (await client.read()).status == 431
        assert not door.intake.messages


async def test_a_head_without_end_is_refused() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(b"POST /v1/appointments HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 40_000)
        assert (await client.read()).status == 431


async def test_a_url_without_end_is_refused() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(b"POST /" + b"a" * 40_000)
        assert (await client.read()).status == 431


async def test_headers_that_go_with_a_message_are_bounded() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post(headers={"tracestate": "a" * 9000}))
        assert (await client.read()).status == 431
        await client.write(post())
        assert (await client.read()).status == 202


async def test_a_slow_head_is_answered_408_and_cut() -> None:
    async with listening(timeouts=timeouts(head=0.1)) as door, wire(door.address) as client:
        await client.write(b"POST /v1/appointments HTTP/1.1\r\nHost: a\r\n")
        assert (await client.read()).status == 408
        assert await client.ended()


async def test_a_slow_body_is_answered_408_and_cut() -> None:
    async with listening(timeouts=timeouts(body=0.1)) as door, wire(door.address) as client:
        await client.write(post(b"x" * 100)[:-1])
        assert (await client.read()).status == 408
        assert await client.ended()
        assert door.intake.outstanding == 0


async def test_a_trickle_does_not_extend_the_time_of_a_head() -> None:
    async with listening(timeouts=timeouts(head=0.2)) as door, wire(door.address) as client:
        trickle = asyncio.create_task(_trickle(client.writer))
        assert (await client.read()).status == 408
        trickle.cancel()


async def _trickle(writer: asyncio.StreamWriter) -> None:
    """Write one byte every 10 ms of real time."""
    for byte in post(b"x" * 5000):
        writer.write(bytes([byte]))
        await asyncio.sleep(0.01)


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    async with listening(timeouts=timeouts(head=0.1)) as door, wire(door.address) as client:
        assert await client.ended()


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    async with listening(timeouts=timeouts(idle=0.1)) as door, wire(door.address) as client:
        await client.write(post())
        assert (await client.read()).status == 202
        assert await client.ended()


async def test_a_slow_intake_is_no_slow_sender() -> None:
    intake = RecordingIntake()
    intake.close_gate()
    async with (
        listening(intake, timeouts=timeouts(head=0.1, body=0.1, idle=0.1)) as door,
        wire(door.address) as client,
    ):
        await client.write(post() + post() + post(b"y" * 50_000))
        await intake.until(1)
        await asyncio.sleep(0.3)  # real time: three times as long as any sender may take
        intake.open_gate()
        assert [(await client.read()).status for _ in range(3)] == [202] * 3


async def test_a_sender_that_does_not_read_its_answers_is_cut() -> None:
    async with listening(timeouts=timeouts(body=0.2)) as door, wire(door.address) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # streams hide that it is a Transport
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(30):
                while True:
                    await client.write(post(path="/nowhere") * 1000)


async def test_pipelined_requests_wait_in_the_socket_not_in_memory() -> None:
    intake = RecordingIntake()
    intake.close_gate()
    async with listening(intake) as door, wire(door.address) as client:
        client.writer.write(post(b"x" * 10_000) * 2000)
        await intake.until(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.writer.drain()
        assert len(intake.messages) == 1 and intake.most_admitted == 1


async def test_a_body_behind_a_request_that_is_served_waits_in_the_socket() -> None:
    intake = RecordingIntake()
    intake.close_gate()
    large = post(b"x" * 9_000_000)
    async with listening(intake) as door, wire(door.address) as client:
        await client.write(post() + large[:300])
        await intake.until(1)
        client.writer.write(large[300:])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.writer.drain()
        intake.open_gate()
        assert [(await client.read()).status for _ in range(2)] == [202, 202]
        assert intake.messages[1].body.size == 9_000_000


async def test_connections_above_the_limit_are_asked_to_come_again() -> None:
    async with listening(limits=ListenerLimits(connections=2)) as door:
        async with wire(door.address) as first, wire(door.address) as second:
            await first.write(post())
            await second.write(post())
            assert [(await each.read()).status for each in (first, second)] == [202, 202]
            async with wire(door.address) as third:
                answer = await third.read()
                assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
                assert await third.ended()
        assert door.events("too_many_connections") == 1


async def test_a_connection_that_is_gone_makes_room() -> None:
    async with listening(limits=ListenerLimits(connections=1)) as door:
        for _ in range(3):
            async with wire(door.address) as client:
                await client.write(post(headers={"Connection": "close"}))
                assert (await client.read()).status == 202
                assert await client.ended()
