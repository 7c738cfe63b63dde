"""STOW-RS, receiving: what is handed in, and what the sender is told of each instance."""

from __future__ import annotations

from typing import Any

import pytest

from channels._dicom.receiving import file_meta
from engine.codecs.dicom.instances import open_instance
from engine.codecs.dicom.source import Source
from engine.errors import BudgetExceeded, CommitUnknown, Transient
from engine.model import Disposition, Message, Receipt
from engine.spi import Exchange
from tests.channels.dicomweb.instances import SECONDARY_CAPTURE, SERIES, STUDY, instance, related, stow
from tests.channels.dicomweb.serving import Door, ReadingIntake, listening
from tests.channels.http.wire import Got, chunked, wire


async def store(door: Door, *files: bytes, **more: Any) -> Got:
    async with wire(door.address) as client:
        await client.write(stow(related(*files), **more))
        return await client.read()


def failures(got: Got) -> list[int]:
    return [item["00081197"]["Value"][0] for item in got.json["00081198"]["Value"]]


async def test_each_instance_is_a_message_of_its_own() -> None:
    async with listening() as door:
        got = await store(door, instance("2.25.1"), instance("2.25.2"))
        assert (got.status, got.headers["content-type"]) == (200, "application/dicom+json")
        first, second = sorted(door.intake.messages, key=lambda each: each.control_id)
        assert (first.control_id, second.control_id) == ("2.25.1", "2.25.2")
        assert (first.codec, first.content_type, first.partner) == ("dicom", "application/dicom", "radiology")
        assert first.meta["sop_class"] == SECONDARY_CAPTURE
        assert first.meta["transfer_syntax"] == "1.2.840.10008.1.2.1"
        assert first.instance is not None
        assert (first.instance.study, first.instance.series) == (STUDY, SERIES)
        assert not door.spooled() and door.intake.outstanding == 0


async def test_the_answer_names_what_is_stored_and_where() -> None:
    async with listening(root="/dicom-web") as door:
        got = await store(door, instance("2.25.1"), path="/dicom-web/studies")
    (item,) = got.json["00081199"]["Value"]
    assert item["00081150"]["Value"] == [SECONDARY_CAPTURE]
    assert item["00081155"]["Value"] == ["2.25.1"]
    url = f"http://images.example/dicom-web/studies/{STUDY}"
    assert got.json["00081190"]["Value"] == [url]
    assert item["00081190"]["Value"] == [f"{url}/series/{SERIES}/instances/2.25.1"]
    assert "00081198" not in got.json


async def test_the_data_set_is_kept_byte_for_byte_behind_a_head_of_our_own() -> None:
    content = instance("2.25.1", pixels=300_000)
    async with listening() as door:
        assert (await store(door, content)).status == 200
    begins = open_instance(Source.of(content)).start
    head = file_meta(SECONDARY_CAPTURE, "2.25.1", "1.2.840.10008.1.2.1")
    assert door.intake.contents == [head + content[begins:]]


async def test_a_part_that_is_no_instance_fails_and_is_kept() -> None:
    async with listening() as door:
        got = await store(door, instance("2.25.1"), b"this is no instance" * 20)
        assert got.status == 202
        assert failures(got) == [0xC000]
        assert "00081155" not in got.json["00081198"]["Value"][0]
        assert len(got.json["00081199"]["Value"]) == 1
        (refused,) = [each for each in door.intake.messages if each.faults]
        assert refused.control_id == ""


async def test_an_instance_of_another_study_does_not_match_the_path() -> None:
    async with listening() as door:
        got = await store(door, instance("2.25.1", study="2.25.999"), path=f"/studies/{STUDY}")
        assert (got.status, failures(got)) == (409, [0xA900])
        assert (await store(door, instance("2.25.2"), path=f"/studies/{STUDY}")).status == 200


async def test_a_deflated_instance_is_not_taken() -> None:
    deflated = file_meta(SECONDARY_CAPTURE, "2.25.1", "1.2.840.10008.1.2.1.99") + b"\x03\x00" * 8
    async with listening() as door:
        got = await store(door, deflated)
        assert (got.status, failures(got)) == (409, [0xC122])


async def test_an_instance_above_the_limit_fails_and_the_next_is_stored() -> None:
    async with listening(limits={"body": 200 * 1024}) as door:
        got = await store(door, instance("2.25.1", pixels=400_000), instance("2.25.2"))
        assert (got.status, failures(got)) == (202, [0xC000])
        assert not door.spooled()
        (refused,) = [each for each in door.intake.messages if each.faults]
        assert len(refused.body.read()) == 64 * 1024


async def test_a_store_that_is_busy_asks_to_come_again() -> None:
    async with listening(ReadingIntake(Transient("the disk is full"))) as door:
        got = await store(door, instance("2.25.1"))
        assert got.status == 503 and got.headers["retry-after"]
        assert door.events("out_of_resources") == 1


async def test_some_stored_and_some_not_for_want_of_room_is_told_apiece() -> None:
    class Half(ReadingIntake):
        async def __call__(self, message: Message, exchange: Exchange) -> Receipt:
            if message.control_id == "2.25.2":
                raise Transient("the disk is full")
            return await super().__call__(message, exchange)

    async with listening(Half()) as door:
        got = await store(door, instance("2.25.1"), instance("2.25.2"))
        assert (got.status, failures(got)) == (202, [0xA700])


async def test_an_unknown_commit_leaves_the_sender_without_an_answer() -> None:
    async with listening(ReadingIntake(CommitUnknown("interrupted"))) as door:
        with pytest.raises(EOFError):
            await store(door, instance("2.25.1"))


async def test_a_copy_is_answered_as_the_first() -> None:
    async with listening(ReadingIntake(Disposition.DUPLICATE)) as door:
        assert (await store(door, instance("2.25.1"))).status == 200


async def test_over_the_budget_nothing_is_read() -> None:
    intake = ReadingIntake(admissions=[BudgetExceeded("too much is in flight", retry_after=3)])
    async with listening(intake) as door:
        got = await store(door, instance("2.25.1"))
        assert (got.status, got.headers["retry-after"]) == (503, "3")
        assert not door.spooled()


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/dicom", 415),
        ('multipart/related; type="application/dicom+json"; boundary=frontier', 415),
        ('multipart/related; type="application/dicom"', 400),
        ("", 415),
    ],
)
async def test_other_bodies_are_refused(content_type: str, status: int) -> None:
    async with listening() as door:
        assert (await store(door, instance("2.25.1"), content_type=content_type)).status == status
        assert not door.intake.messages


async def test_parts_of_another_type_are_refused() -> None:
    async with listening() as door, wire(door.address) as client:
        await client.write(stow(related(b"{}", kind="application/dicom+json")))
        assert (await client.read()).status == 415


async def test_a_body_in_chunks_is_taken() -> None:
    body = related(instance("2.25.1", pixels=200_000))
    pieces = [body[at : at + 50_000] for at in range(0, len(body), 50_000)]
    request = chunked(*pieces) + b"0\r\n\r\n"
    request = request.replace(b"/v1/appointments", b"/studies").replace(
        b"application/json", b"multipart/related; type=application/dicom; boundary=frontier"
    )
    async with listening() as door, wire(door.address) as client:
        await client.write(request)
        assert (await client.read()).status == 200
        assert door.intake.control_ids == ["2.25.1"]


async def test_a_sender_that_leaves_in_the_middle_leaves_nothing_behind() -> None:
    async with listening() as door:
        body = related(instance("2.25.1"), instance("2.25.2", pixels=1_000_000))
        async with wire(door.address) as client:
            await client.write(stow(body)[:-300_000])
            await door.intake.until(1)
        await door.intake.until_idle()
        assert door.intake.control_ids == ["2.25.1"]
        assert not door.spooled()


async def test_who_is_nobody_may_not_store() -> None:
    async with listening(partner=None) as door:
        assert (await store(door, instance("2.25.1"))).status == 403


async def test_a_token_says_who_stores() -> None:
    async with listening(partner=None, tokens={"teleradiology": "t0ken"}) as door:
        assert (await store(door, instance("2.25.1"))).status == 401
        headers = {"Authorization": "Bearer t0ken"}
        assert (await store(door, instance("2.25.1"), headers=headers)).status == 200
        assert door.intake.messages[0].partner == "teleradiology"


async def test_a_study_may_be_told_of_as_a_whole() -> None:
    async with listening(group={"by": "study", "quiet": "30s"}) as door:
        assert (await store(door, instance("2.25.1"))).status == 200
        (message,) = door.intake.messages
        assert message.instance is not None and message.instance.gathering is not None
        assert (message.instance.gathering.by, message.instance.gathering.quiet_ms) == ("study", 30_000)


async def test_a_bug_met_in_one_request_ends_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("nobody named this")

    async with listening() as door:
        with monkeypatch.context() as patched:
            patched.setattr("channels.dicomweb.incoming.instance_of", breaks)
            assert (await store(door, instance("2.25.1"))).status == 500
        assert door.counted.totals[("bugs", (("where", "images"),))] == 1
        assert (await store(door, instance("2.25.2"))).status == 200
        assert door.intake.control_ids == ["2.25.2"]


@pytest.mark.parametrize("host", ["a b", "a/../b", "h\u00f4te", 'x"y', "a:b"])
async def test_a_host_that_is_none_is_refused(host: str) -> None:
    request = stow(related(instance("2.25.1"))).replace(b"images.example", host.encode("latin-1"))
    async with listening() as door, wire(door.address) as client:
        await client.write(request)
        assert (await client.read()).status == 400
        assert not door.intake.messages
