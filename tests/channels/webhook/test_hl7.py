"""HL7 over HTTP to a partner: the acknowledgement in the body decides, not the status beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from channels.webhook.outbound import WebhookOutbound
from engine.errors import PasserelleError, Permanent, Rejected, Transient
from engine.model import Reply
from engine.testing.channels import channel_context
from tests.channels.http.answering import answering
from tests.channels.webhook.clinic import attempt, endpoint
from tests.channels.webhook.test_answers import response

ER7 = "x-application/hl7-v2+er7"
MESSAGE = b"MSH|^~\\&|ADT|HSJ|RIS|LABO|20260114093012||ADT^A01^ADT_A01|MSG00001|P|2.5.1\rPID|1\r"


def ack(code: str, control_id: str = "MSG00001", error: str = "") -> bytes:
    """An acknowledgement as v2.5.1 2.9.2, 2.15.5 and 2.15.8 have it."""
    text = f"MSH|^~\\&|RIS|LABO|ADT|HSJ|20260114||ACK^A01^ACK|R1|P|2.5.1\rMSA|{code}|{control_id}\r"
    return (text + (f"ERR||PID^1^3|{error}^Said^HL70357|E\r" if error else "")).encode()


async def sent(folder: Path, status: int, body: bytes) -> tuple[Reply, bytes]:
    """Return the evidence and the request that the partner saw."""
    async with answering(response(status, f"Content-Type: {ER7}\r\n", body)) as server:
        config = endpoint(server.url, acknowledged="hl7")
        async with WebhookOutbound(config, channel_context(folder)) as channel:
            reply = await channel.send(attempt(MESSAGE, content_type=ER7))
        return reply, server.requests[0]


async def failed(folder: Path, status: int, body: bytes) -> PasserelleError:
    with pytest.raises(PasserelleError) as caught:
        await sent(folder, status, body)
    return caught.value


@pytest.mark.parametrize(("status", "code"), [(200, "AA"), (202, "CA"), (500, "AA")])
async def test_a_positive_acknowledgement_is_delivered(tmp_path: Path, status: int, code: str) -> None:
    reply, request = await sent(tmp_path, status, ack(code))
    assert (reply.code, reply.body) == (code, ack(code))
    assert f"content-type: {ER7}\r\n".encode() in request and request.endswith(MESSAGE)


def asking(application: bytes) -> bytes:
    """The message with MSH-15 and MSH-16."""
    return MESSAGE.replace(b"|2.5.1\r", b"|2.5.1|||AL|" + application + b"\r")


@pytest.mark.parametrize(
    ("acks", "message", "awaiting"),
    [
        ("auto", MESSAGE, False),
        ("auto", asking(b"AL"), True),
        ("auto", asking(b"NE"), False),
        ("original", asking(b"AL"), False),
        ("enhanced", MESSAGE, True),
        ("enhanced", asking(b"NE"), False),
    ],
)
async def test_a_commit_is_not_the_last_word_in_the_enhanced_mode(
    tmp_path: Path, acks: str, message: bytes, awaiting: bool
) -> None:
    async with answering(response(200, f"Content-Type: {ER7}\r\n", ack("CA"))) as server:
        config = endpoint(server.url, acknowledged="hl7", acks=acks)
        async with WebhookOutbound(config, channel_context(tmp_path)) as channel:
            reply = await channel.send(attempt(message, content_type=ER7))
    assert (reply.code, reply.awaiting) == ("CA", awaiting)


def test_acks_are_for_an_endpoint_that_speaks_hl7() -> None:
    with pytest.raises(ValidationError, match="acknowledged: hl7"):
        endpoint("http://127.0.0.1:9/", acks="enhanced")


@pytest.mark.parametrize(
    ("code", "error", "kind", "said"),
    [
        ("AE", "", Transient, "AE"),
        ("AE", "207", Transient, "AE_207"),
        ("AE", "101", Rejected, "AE_101"),
        ("CE", "", Transient, "CE"),
        ("AR", "", Rejected, "AR"),
        ("AR", "206", Transient, "AR_206"),
        ("CR", "203", Rejected, "CR_203"),
    ],
)
async def test_a_negative_one_means_what_it_means_over_mllp(
    tmp_path: Path, code: str, error: str, kind: type[PasserelleError], said: str
) -> None:
    for status in (200, 400):
        failure = await failed(tmp_path, status, ack(code, error=error))
        assert type(failure) is kind
        assert isinstance(failure, Transient | Rejected) and failure.code == said
        assert failure.reply is not None and failure.reply.code == code


async def test_a_rejection_names_the_place_and_none_of_the_partners_words(tmp_path: Path) -> None:
    failure = await failed(tmp_path, 200, ack("AR", error="101"))
    assert isinstance(failure, Rejected)
    assert [(fault.path, fault.code) for fault in failure.faults] == [("PID-3", "101")]
    assert "Said" not in str(failure)


@pytest.mark.parametrize(
    ("body", "code"), [(ack("AA", "OTHER"), "other_id"), (b"", "garbage"), (b'{"ok": true}', "garbage")]
)
async def test_200_without_our_acknowledgement_leaves_an_unknown_outcome(
    tmp_path: Path, body: bytes, code: str
) -> None:
    failure = await failed(tmp_path, 200, body)
    assert isinstance(failure, Transient)
    assert (failure.code, failure.sent) == (code, True)


async def test_a_code_that_table_0008_lacks_is_no_answer(tmp_path: Path) -> None:
    failure = await failed(tmp_path, 200, ack("OK"))
    assert isinstance(failure, Transient) and failure.sent


async def test_a_status_without_an_acknowledgement_is_judged_by_itself(tmp_path: Path) -> None:
    assert isinstance(await failed(tmp_path, 404, b"<html>"), Permanent)
    assert isinstance(await failed(tmp_path, 422, b"{}"), Rejected)


async def test_what_is_no_hl7_is_rejected_before_it_is_sent(tmp_path: Path) -> None:
    async with answering(response(200, f"Content-Type: {ER7}\r\n", ack("AA"))) as server:
        config = endpoint(server.url, acknowledged="hl7")
        async with WebhookOutbound(config, channel_context(tmp_path)) as channel:
            with pytest.raises(Rejected, match="MSH"):
                await channel.send(attempt(b'{"id": "1"}', content_type="application/json"))
        assert not server.requests
