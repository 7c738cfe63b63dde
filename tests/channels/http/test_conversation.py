"""How a listener converses: methods, kept connections, expectations, trouble behind the door, and the end."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from engine.errors import (
    BudgetExceeded,
    CommitUnknown,
    Conflict,
    Rejected,
    StoreFailed,
    StoreUnavailable,
    Unmatched,
)
from engine.model import Disposition, Fault
from engine.testing.channels import Crash, RecordingIntake
from tests.channels.http.serving import listening
from tests.channels.http.wire import LIMIT, chunked, post, wire


def ask(method: str, target: str = "/v1/appointments", version: str = "1.1", headers: str = "") -> bytes:
    """Return a request without a body."""
    return f"{method} {target} HTTP/{version}\r\nHost: a\r\n{headers}\r\n".encode()


async def test_a_connection_is_kept_and_counts_once() -> None:
    async with listening() as door, wire(door.address) as client:
        for _ in range(5):
            await client.write(post())
            assert (await client.read()).status == 202
        assert door.events("connection") == 1


async def test_http_1_0_is_answered_and_closed() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(
            b"POST /v1/appointments HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        )
        answer = await client.read()
        assert (answer.status, answer.headers["connection"]) == (202, "close")
        assert await client.ended()


async def test_an_unknown_path_is_404_and_keeps_the_connection() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post(b"x" * 20_000, path="/v1/nowhere") + chunked(b"x" * 10) + b"0\r\n\r\n")
        assert [(await client.read()).status for _ in range(2)] == [404, 202]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE"])
async def test_another_method_is_405_with_allow(method: str) -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(ask(method))
        answer = await client.read()
        assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS, POST")


async def test_connect_is_405_and_closes() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(ask("CONNECT", "inside.example:443"))
        assert (await client.read()).status == 405
        assert await client.ended()


async def test_head_gets_the_head_only() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(ask("HEAD") + post())
        head = await client.read(bodiless=True)
        assert head.status == 405 and int(head.headers["content-length"]) > 0
        assert (await client.read()).status == 202


@pytest.mark.parametrize("target", ["/v1/appointments", "*"])
async def test_options_tells_what_is_allowed(target: str) -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(ask("OPTIONS", target) + post())
        answer = await client.read()
        assert (answer.status, answer.headers["allow"], answer.body) == (204, "OPTIONS, POST", b"")
        assert "content-length" not in answer.headers
        assert (await client.read()).status == 202


async def test_options_of_an_unknown_path_is_404() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(ask("OPTIONS", "/v1/nowhere"))
        assert (await client.read()).status == 404


@pytest.mark.parametrize(
    "target", ["/v1/appointments?from=here", "http://a/v1/appointments", "HTTPS://b/v1/appointments?x"]
)
async def test_the_door_is_the_path_of_the_target(target: str) -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post(path=target))
        assert (await client.read()).status == 202
        assert door.intake.messages[0].selector == "POST /v1/appointments"


async def test_100_continue_asks_for_the_body_of_an_admitted_request() -> None:
    async with listening() as door, wire(door.address) as client:
        request = post(b'{"a": 1}', headers={"Expect": "100-continue"})
        await client.write(request[:-8])
        assert (await client.read()).status == 100
        assert door.intake.outstanding == 1
        await client.write(request[-8:])
        assert (await client.read()).status == 202


async def test_a_refused_request_that_expects_is_answered_without_its_body() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post(b'{"a": 1}', path="/v1/nowhere", headers={"Expect": "100-continue"})[:-8])
        answer = await client.read()
        assert (answer.status, answer.headers["connection"]) == (404, "close")


async def test_no_100_is_sent_to_a_sender_that_did_not_wait() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post() + post(b'{"a": 1}', headers={"Expect": "100-continue"}))
        assert [(await client.read()).status for _ in range(2)] == [202, 202]


async def test_another_expectation_is_417() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post(headers={"Expect": "the-best"}))
        assert (await client.read()).status == 417
        assert not door.intake.messages


async def test_answers_are_dated() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post())
        assert (await client.read()).headers["date"].endswith(" GMT")


# ----------------------------------------------------------------- what the intake says


async def test_a_busy_engine_is_503_with_retry_after_and_keeps_the_connection() -> None:
    intake = RecordingIntake(admissions=[BudgetExceeded("full", retry_after=2.2)])
    async with listening(intake) as door, wire(door.address) as client:
        await client.write(post() + post())
        first, second = await client.read(), await client.read()
        assert (first.status, first.headers["retry-after"]) == (503, "3")
        assert second.status == 202 and len(intake.messages) == 1


async def test_a_store_that_rolled_back_is_503() -> None:
    async with (
        listening(RecordingIntake(StoreUnavailable("rolled back"))) as door,
        wire(door.address) as client,
    ):
        await client.write(post())
        answer = await client.read()
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")


async def test_a_door_that_was_just_taken_away_is_404() -> None:
    async with (
        listening(RecordingIntake(admissions=[Unmatched("gone")])) as door,
        wire(door.address) as client,
    ):
        await client.write(post())
        assert (await client.read()).status == 404


async def test_a_rejection_is_422_with_its_paths() -> None:
    fault = Fault("appointment.end", "ends before it starts", "require")
    async with (
        listening(RecordingIntake(Rejected("incoherent", faults=[fault]))) as door,
        wire(door.address) as client,
    ):
        await client.write(post())
        answer = await client.read()
        assert answer.status == 422
        assert answer.json["errors"] == [
            {"path": "appointment.end", "detail": "ends before it starts", "code": "require"}
        ]


@pytest.mark.parametrize("error", [CommitUnknown("interrupted"), Conflict("lost the race")])
async def test_an_unknown_commit_closes_without_a_reply(error: BaseException) -> None:
    async with listening(RecordingIntake(error)) as door, wire(door.address) as client:
        await client.write(post() + post())
        assert await client.ended()
        assert len(door.intake.messages) == 1 and door.intake.outstanding == 0


async def test_an_unknown_commit_is_counted() -> None:
    async with listening(RecordingIntake(CommitUnknown("interrupted"))) as door, wire(door.address) as client:
        await client.write(post())
        assert await client.ended()
        assert door.events("commit_unknown") == 1


async def test_a_failed_disk_answers_nobody_and_reaches_the_engine() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with (
            listening(RecordingIntake(StoreFailed("fsync failed"))) as door,
            wire(door.address) as client,
        ):
            await client.write(post())
            assert await client.ended()
            await asyncio.sleep(LIMIT)  # the failure of the listener cancels this
    assert caught.value.split(StoreFailed)[0] is not None


async def test_a_bug_is_500_and_the_listener_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    intake = RecordingIntake(Crash("Zelie-Fictive-1963"), Disposition.ACCEPTED)
    async with listening(intake) as door:
        async with wire(door.address) as client:
            await client.write(post())
            answer = await client.read()
            assert answer.status == 500 and b"Zelie" not in answer.body
        async with wire(door.address) as client:
            await client.write(post())
            assert (await client.read()).status == 202
        assert door.counted.totals["bugs", (("where", "public"),)] == 1
        assert "nobody named" in caplog.text


async def test_a_bug_in_admission_is_500() -> None:
    async with (
        listening(RecordingIntake(admissions=[Crash("nobody named this")])) as door,
        wire(door.address) as client,
    ):
        await client.write(post())
        assert (await client.read()).status == 500


# ----------------------------------------------------------------- the end


async def test_stop_closes_idle_connections_at_once() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post())
        await client.read()
        with anyio.fail_after(LIMIT):
            await door.channel.stop()
        assert await client.ended()
        with pytest.raises(OSError):
            async with wire(door.address):
                raise AssertionError("a stopped listener took a connection")


async def test_stop_waits_for_a_request_that_was_begun() -> None:
    async with listening() as door, wire(door.address) as client:
        request = post(b'{"a": 1}')
        await client.write(request[:-4])
        await _until_read(door.intake)
        stopping = asyncio.create_task(door.channel.stop())
        await asyncio.sleep(0.05)  # real time: a stop that waits for nobody is over by then
        assert not stopping.done()
        await client.write(request[-4:])
        answer = await client.read()
        assert (answer.status, answer.headers["connection"]) == (202, "close")
        with anyio.fail_after(LIMIT):
            await stopping


async def test_stop_answers_everything_that_was_pipelined() -> None:
    intake = RecordingIntake()
    intake.close_gate()
    async with listening(intake) as door, wire(door.address) as client:
        await client.write(post() * 3)
        await intake.until(1)
        stopping = asyncio.create_task(door.channel.stop())
        await asyncio.sleep(0.05)  # real time: a stop that waits for nobody is over by then
        intake.open_gate()
        answers = [await client.read() for _ in range(3)]
        assert [answer.status for answer in answers] == [202] * 3
        assert [answer.headers.get("connection") for answer in answers] == [None, None, "close"]
        with anyio.fail_after(LIMIT):
            await stopping


async def test_a_sender_that_left_does_not_stop_its_message() -> None:
    intake = RecordingIntake()
    intake.close_gate()
    async with listening(intake) as door:
        async with wire(door.address) as client:
            await client.write(post())
            await intake.until(1)
        intake.open_gate()
        await intake.until_returned(1)
        assert intake.returned and intake.outstanding == 0


async def _until_read(intake: RecordingIntake) -> None:
    with anyio.fail_after(LIMIT):
        while not intake.outstanding:  # noqa: ASYNC110  the scripted intake tells of messages, not of admissions
            await asyncio.sleep(0.001)
