"""HL7 over HTTP into a REST door: what a message becomes, and the acknowledgement in the answer."""

from __future__ import annotations

import re

import pytest

from channels._http.hl7_exchange import Hl7Exchange
from channels._http.replies import from_stored
from engine.codecs.hl7v2.header import header
from engine.errors import Rejected, StoreUnavailable
from engine.model import Confirmation, Disposition, Fault, Reply, Verdict
from engine.testing.channels import RecordingIntake
from tests.channels.http.serving import listening
from tests.channels.http.wire import Got, post, wire

ER7 = "x-application/hl7-v2+er7"
MESSAGE = b"MSH|^~\\&|ADT|HSJ|RIS|LABO|20260114093012||ADT^A01^ADT_A01|MSG00001|P|2.5.1\rPID|1\r"
OLD = b"MSH|^~\\&|ADT|HSJ|RIS|LABO|20260114093012||ADT^A01|MSG00001|P|2.3\r"


async def posted(intake: RecordingIntake, body: bytes = MESSAGE, content_type: str = ER7) -> Got:
    async with listening(intake) as door, wire(door.address) as client:
        await client.write(post(body, content_type=content_type))
        return await client.read()


def plain(body: bytes) -> bytes:
    """Return an acknowledgement without the time and the id that are made anew for each: MSH-7 and MSH-10."""
    fields = body.split(b"|")
    assert re.fullmatch(rb"\d{14}[+-]\d{4}", fields[6])
    assert re.fullmatch(rb"[0-9A-Z]{20}", fields[9])
    fields[6], fields[9] = b"NOW", b"ID"
    return b"|".join(fields)


async def test_an_accepted_message_is_acknowledged_in_the_body() -> None:
    intake = RecordingIntake()
    got = await posted(intake)
    assert (got.status, got.headers["content-type"]) == (200, ER7)
    assert plain(got.body) == (
        b"MSH|^~\\&|RIS|LABO|ADT|HSJ|NOW||ACK^A01^ACK|ID|P|2.5.1\rMSA|AA|MSG00001\r"  # v2.5.1 2.9.2, 2.15.8
    )


async def test_the_message_bears_the_senders_id_and_names() -> None:
    intake = RecordingIntake()
    await posted(intake, content_type="application/hl7-v2; charset=windows-1252")
    (message,) = intake.messages
    assert (message.codec, message.control_id) == ("hl7v2", "MSG00001")
    assert (message.meta["application"], message.meta["facility"]) == ("ADT", "HSJ")
    assert message.meta["charset"] == "windows-1252"
    assert message.body.read() == MESSAGE


async def test_a_refusal_is_200_with_the_code_and_the_place() -> None:
    got = await posted(RecordingIntake(Disposition.REFUSED))
    assert got.status == 200
    assert b"\rMSA|AE|MSG00001|ends before it starts\r" in got.body
    assert got.body.endswith(
        b"ERR|||102^Data type error^HL70357|E|||ends before it starts|ends before it starts\r"
    )


async def test_an_old_version_gets_its_own_form_of_err() -> None:
    got = await posted(RecordingIntake(Disposition.REFUSED), OLD)
    assert got.body.endswith(b"ERR|^^^102&Data type error&HL70357\r")


async def test_what_cannot_be_read_is_rejected_in_words_of_our_own() -> None:
    intake = RecordingIntake(Disposition.REFUSED)
    got = await posted(intake, b"bonjour")
    assert b"\rMSA|AE||" in got.body
    assert [message.body.read() for message in intake.messages] == [b"bonjour"]


async def test_what_could_not_be_stored_is_503_and_comes_again() -> None:
    got = await posted(RecordingIntake(StoreUnavailable("full", retry_after=7)))
    assert (got.status, got.headers["retry-after"]) == (503, "7")


async def test_the_answer_says_the_requests_media_type_and_character_set() -> None:
    got = await posted(RecordingIntake(), content_type="Application/HL7-v2; charset=UTF-8; boundary=x")
    assert got.headers["content-type"] == "application/hl7-v2; charset=UTF-8"


APPLICATION = (
    b"MSH|^~\\&|RIS|LABO|ADT|HSJ|20260114||ACK^A01^ACK|R77|P|2.5.1%b\rMSA|AE|M1\rERR||PID^1^5|101|E\r"
)


@pytest.mark.parametrize(("asks", "status", "said"), [(b"", 204, b""), (b"|||AL|NE", 200, b"\rMSA|CA|R77\r")])
async def test_an_application_acknowledgement_reaches_who_waits_for_it(
    asks: bytes, status: int, said: bytes
) -> None:
    heard: list[Confirmation] = []

    async def confirm(confirmation: Confirmation) -> bool:
        heard.append(confirmation)
        return True

    intake, body = RecordingIntake(), APPLICATION % asks
    async with (
        listening(intake, confirm=confirm, partner="labo") as door,
        wire(door.address) as client,
    ):
        await client.write(post(body, content_type=ER7))
        got = await client.read()
    assert (got.status, said in got.body, intake.messages) == (status, True, [])
    (confirmation,) = heard
    assert (confirmation.reference, confirmation.partner, confirmation.reply.body) == ("M1", "labo", body)
    assert isinstance(confirmation.refusal, Rejected) and confirmation.refusal.code == "AE_101"


async def test_an_acknowledgement_that_nobody_waits_for_is_a_message() -> None:
    intake = RecordingIntake()
    got = await posted(intake, APPLICATION % b"")
    assert (got.status, [message.control_id for message in intake.messages]) == (200, ["R77"])


async def test_an_acknowledgement_that_could_not_be_stored_comes_again() -> None:
    async def confirm(confirmation: Confirmation) -> bool:
        raise StoreUnavailable("full", retry_after=7)

    async with listening(confirm=confirm) as door, wire(door.address) as client:
        await client.write(post(APPLICATION % b"", content_type=ER7))
        assert (await client.read()).status == 503


async def test_xml_is_not_taken_for_er7() -> None:
    got = await posted(RecordingIntake(), content_type="application/hl7-v2+xml")
    assert got.status == 415
    assert ER7 in got.headers["accept-post"]


def exchange() -> Hl7Exchange:
    return Hl7Exchange(header(MESSAGE), ER7, id="I", now_ms=0, zone="America/Toronto")


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict(Disposition.ACCEPTED, "m"), b"AA"),
        (Verdict(Disposition.FILTERED, "m"), b"AA"),
        (Verdict(Disposition.COLLISION, "m", (Fault("", "used before"),)), b"AE"),
        (Verdict(Disposition.ACCEPTED, "m", code="AE"), b"AE"),
        (Verdict(Disposition.ACCEPTED, "m", (Fault("PID-3", "x"),)), b"AA"),
        (Verdict(Disposition.REFUSED, "m", (Fault("PID-3", "x", "missing"),)), b"AE"),
        (Verdict(Disposition.REFUSED, "m", (Fault("PID-3", "x", "missing"),), code="AR"), b"AR"),
        (Verdict(Disposition.REFUSED, "m", (Fault("MSH", "x", "malformed"),)), b"AR"),
        (Verdict(Disposition.REFUSED, "m", (Fault("MSH-9", "x", "unmatched"),)), b"AR"),
        (Verdict(Disposition.REFUSED, "m", retry_after=5.0), b"AE"),
    ],
)
def test_each_verdict_has_its_code(verdict: Verdict, code: bytes) -> None:
    answer = from_stored(exchange().reply(verdict))
    assert answer.status == 200
    assert b"\rMSA|" + code + b"|MSG00001" in answer.body


def test_what_may_come_again_says_207_and_content_never_does() -> None:
    later = exchange().reply(Verdict(Disposition.REFUSED, "m", retry_after=5.0))
    assert b"|207^Application internal error^HL70357|" in later
    content = exchange().reply(Verdict(Disposition.REFUSED, "m", (Fault("", "no", "no_partner"),)))
    assert b"|102^Data type error^HL70357|" in content


def test_a_partners_own_answer_is_handed_on_as_it_came() -> None:
    body = b"MSH|^~\\&|IDX|C|ADT|HSJ|20260114||RSP^K22|R|P|2.5.1\rMSA|AA|MSG00001\rQAK|1|OK\r"
    answer = from_stored(exchange().relay(Reply("AA", body)))
    assert (answer.status, answer.body, answer.kind) == (200, body, ER7)


@pytest.mark.parametrize(("code", "said"), [("200", b"AA"), ("AA", b"AA"), ("404", b"AE")])
def test_an_answer_that_is_no_hl7_is_told_by_its_code(code: str, said: bytes) -> None:
    answer = from_stored(exchange().relay(Reply(code, b'{"a": 1}')))
    assert b"\rMSA|" + said + b"|MSG00001" in answer.body
