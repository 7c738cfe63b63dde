"""What a posted request becomes: codec, ids, headers; and how verdicts look in HTTP."""

from __future__ import annotations

import pytest

from engine.codecs.json.codec import JsonCodec
from engine.errors import Unmatched
from engine.model import Disposition
from engine.testing.channels import RecordingIntake
from tests.channels.http.serving import listening
from tests.channels.http.wire import post, wire

EVENT = (
    b'{"specversion": "1.0", "id": "e-1", "source": "urn:fictive", "type": "appointment-booked", "data": {}}'
)


async def test_accepted_is_202_with_id_and_disposition() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post())
        answer = await client.read()
        assert answer.status == 202 and answer.headers["content-type"] == "application/json"
        assert answer.json == {"id": door.intake.messages[0].id, "disposition": "accepted"}


@pytest.mark.parametrize("disposition", [Disposition.FILTERED, Disposition.DUPLICATE])
async def test_what_leads_nowhere_is_200(disposition: Disposition) -> None:
    async with listening(RecordingIntake(disposition)) as door, wire(door.address) as client:
        await client.write(post())
        answer = await client.read()
        assert (answer.status, answer.json["disposition"]) == (200, disposition.word)


@pytest.mark.parametrize("disposition", [Disposition.REFUSED, Disposition.COLLISION])
async def test_a_refusal_is_a_problem_report_that_names_the_paths(disposition: Disposition) -> None:
    async with listening(RecordingIntake(disposition)) as door, wire(door.address) as client:
        await client.write(post())
        answer = await client.read()
        assert answer.status == 422 and answer.headers["content-type"] == "application/problem+json"
        assert answer.json["title"] == "Unprocessable Content" and answer.json["status"] == 422
        assert answer.json["id"] == door.intake.messages[0].id
        assert answer.json["errors"] == [
            {"path": "appointment.end", "detail": "ends before it starts", "code": "require"}
        ]


async def test_a_structured_cloudevent_is_left_to_the_codec_to_identify() -> None:
    async with listening() as door, wire(door.address) as client:
        kind = "application/cloudevents+json; charset=UTF-8"
        await client.write(post(EVENT, content_type=kind, headers={"Idempotency-Key": "k-1"}))
        assert (await client.read()).status == 202
        message = door.intake.messages[0]
        assert (message.codec, message.content_type, message.control_id) == ("json", kind, "")


async def test_a_binary_cloudevent_keeps_its_envelope_in_the_headers() -> None:
    envelope = {
        "ce-specversion": "1.0",
        "ce-id": "e-1",
        "ce-source": "urn:fictive",
        "ce-type": "appointment-booked",
        "ce-subject": "caf%C3%A9",
        "ce-note": '"a \\"quoted\\" word"',
    }
    async with listening() as door, wire(door.address) as client:
        await client.write(post(b'{"a": 1}', headers={**envelope, "Idempotency-Key": "k-1", "X-Other": "y"}))
        assert (await client.read()).status == 202
        message = door.intake.messages[0]
        document = JsonCodec().decode(message)
        assert document.envelope is not None
        assert document.envelope["subject"] == "café" and document.envelope["note"] == 'a "quoted" word'
        assert message.control_id == "" and set(message.headers) == set(envelope)


@pytest.mark.parametrize("key", ["k-1", '"k-1"'])
async def test_an_idempotency_key_identifies_what_is_no_cloudevent(key: str) -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post(headers={"Idempotency-Key": key}))
        assert (await client.read()).status == 202
        assert door.intake.messages[0].control_id == "k-1"


@pytest.mark.parametrize("key", ["a b", '""', "k" * 257, "caf\xe9"])
async def test_an_idempotency_key_that_is_no_id_is_400(key: str) -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post(headers={"Idempotency-Key": key}))
        assert (await client.read()).status == 400
        assert not door.intake.messages


async def test_trace_and_correlation_go_with_the_message_and_nothing_else() -> None:
    kept = {
        "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
        "x-correlation-id": "c-1",
        "x-request-id": "r-1",
    }
    async with listening() as door, wire(door.address) as client:
        await client.write(post(headers={**kept, "Cookie": "secret", "X-Forwarded-For": "10.0.0.1"}))
        assert (await client.read()).status == 202
        assert door.intake.messages[0].headers == kept


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "text/plain",
        "application/xml",
        "application/cloudevents-batch+json",
        "application/json; charset=latin-1",
    ],
)
async def test_another_content_type_is_415_and_says_what_is_taken(kind: str | None) -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post(content_type=kind))
        answer = await client.read()
        assert answer.status == 415 and "application/json" in answer.headers["accept-post"]


async def test_a_compressed_body_is_415() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(post(headers={"Content-Encoding": "gzip"}))
        answer = await client.read()
        assert (answer.status, answer.headers["accept-encoding"]) == (415, "identity")


async def test_a_listener_with_a_codec_takes_any_content_type() -> None:
    async with listening(codec="text") as door, wire(door.address) as client:
        await client.write(post(b"MSH|^~\\&|", content_type="x-application/hl7-v2+er7"))
        assert (await client.read()).status == 202
        message = door.intake.messages[0]
        assert (message.codec, message.content_type) == ("text", "x-application/hl7-v2+er7")


async def test_several_doors_are_told_apart() -> None:
    doors = ("POST /v1/a", "PUT /v1/a", "POST /v1/b")
    async with listening(selectors=doors) as door, wire(door.address) as client:
        await client.write(
            post(path="/v1/b") + post(path="/v1/a").replace(b"POST", b"PUT") + post(path="/v1/a")
        )
        assert [(await client.read()).status for _ in range(3)] == [202] * 3
        assert [message.selector for message in door.intake.messages] == [
            "POST /v1/b",
            "PUT /v1/a",
            "POST /v1/a",
        ]
        await client.write(post(path="/v1/b").replace(b"POST", b"PUT"))
        assert (await client.read()).headers["allow"] == "OPTIONS, POST"


async def test_a_route_without_a_door_takes_every_post_of_the_listener() -> None:
    async with listening(selectors=("", "POST /v1/b")) as door, wire(door.address) as client:
        await client.write(
            post(path="/any/where") + post(path="/v1/b") + b"GET /any HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert [(await client.read()).status for _ in range(3)] == [202, 202, 405]
        assert [message.selector for message in door.intake.messages] == ["", "POST /v1/b"]


async def test_a_listener_without_doors_leaves_it_to_the_intake() -> None:
    intake = RecordingIntake(admissions=[None, Unmatched("no route takes messages here")])
    async with listening(intake, selectors=()) as door, wire(door.address) as client:
        await client.write(post(path="/any/where") + post())
        assert [(await client.read()).status for _ in range(2)] == [202, 404]
        assert [message.selector for message in intake.messages] == [""]


async def test_a_door_that_a_reload_adds_is_open_at_once() -> None:
    doors = ["POST /v1/a"]
    async with listening(selectors=doors) as door, wire(door.address) as client:
        await client.write(post(path="/v1/b"))
        assert (await client.read()).status == 404
        doors.append("POST /v1/b")
        await client.write(post(path="/v1/b"))
        assert (await client.read()).status == 202


async def test_a_door_that_nobody_can_read_is_reported_and_stays_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with listening(selectors=("v1/appointments", "POST /v1/b")) as door, wire(door.address) as client:
        await client.write(post(path="/v1/appointments") + post(path="/v1/b"))
        assert [(await client.read()).status for _ in range(2)] == [404, 202]
        assert "a door must be written" in caplog.text
