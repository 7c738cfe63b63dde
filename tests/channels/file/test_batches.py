"""Files of HL7 v2: each message of a batch for itself, counts checked, and names that destinations give."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from channels.file.model import FileEndpoint, FileListener
from channels.file.outbound import FileOutbound
from engine.errors import StoreUnavailable
from engine.model import Attempt, Body, Disposition
from engine.testing.context import channel_context
from engine.testing.intake import RecordingIntake
from tests.channels.file.test_inbound import serving, until

ONE = b"MSH|^~\\&|ADT|HSJ|RIS|LABO|20260114||ADT^A01|M1|P|2.5\rEVN|A01\r"
TWO = b"MSH|^~\\&|ADT|HSJ|RIS|LABO|20260114||ADT^A02|M2|P|2.5\rEVN|A02\r"
THREE = b"MSH|^~\\&|ADT|CHUL|RIS|LABO|20260114||ADT^A03||P|2.5\rEVN|A03\r"


def batch(*messages: bytes, count: int) -> bytes:
    return b"FHS|^~\\&|LABO|CHUL\rBHS|^~\\&|ADT\r" + b"".join(messages) + b"BTS|%d\rFTS|1\r" % count


async def served(folder: Path, intake: RecordingIntake, content: bytes, **keys: str) -> Path:
    """Serve one file until it was put away, and return where it is now."""
    name = folder / "in" / "nuit.hl7"
    (folder / "in").mkdir(exist_ok=True)
    name.write_bytes(content)
    async with serving(folder, intake, **keys):
        await until(lambda: not name.exists())
    (found,) = (folder / "in").glob("*/nuit*.hl7")
    return found


async def test_each_message_of_a_batch_is_handed_in_alone_and_in_order(tmp_path: Path) -> None:
    intake = RecordingIntake()
    found = await served(tmp_path, intake, batch(ONE, TWO, THREE, count=3))
    assert found == tmp_path / "in" / "done" / "nuit.hl7"
    assert [message.body.read() for message in intake.messages] == [ONE, TWO, THREE]
    assert intake.control_ids[:2] == ["M1", "M2"]
    assert intake.control_ids[2].startswith("nuit.hl7#3 ")
    assert len({message.id for message in intake.messages}) == 3
    assert intake.most == 1


async def test_a_message_tells_its_sender_and_its_place(tmp_path: Path) -> None:
    intake = RecordingIntake()
    await served(tmp_path, intake, batch(ONE, THREE, count=2), charset="windows-1252")
    first, second = intake.messages
    assert first.content_type == "x-application/hl7-v2+er7; charset=windows-1252"
    assert dict(first.meta) == {
        "file": "nuit.hl7",
        "number": 1,
        "application": "ADT",
        "facility": "HSJ",
        "processing": "P",
        "charset": "windows-1252",
        "zone": "America/Toronto",
    }
    assert (second.meta["facility"], second.meta["number"]) == ("CHUL", 2)


async def test_one_message_keeps_every_byte_of_its_file(tmp_path: Path) -> None:
    intake = RecordingIntake()
    await served(tmp_path, intake, b"\xef\xbb\xbf" + ONE + b"\r\n\x1a")
    assert [message.body.read() for message in intake.messages] == [b"\xef\xbb\xbf" + ONE + b"\r\n\x1a"]
    assert intake.control_ids == ["M1"]


async def test_several_messages_without_an_envelope_are_a_batch(tmp_path: Path) -> None:
    intake = RecordingIntake()
    await served(tmp_path, intake, ONE + TWO)
    assert intake.control_ids == ["M1", "M2"]


async def test_a_wrong_count_refuses_the_file_before_any_of_its_messages(tmp_path: Path) -> None:
    intake = RecordingIntake()
    found = await served(tmp_path, intake, batch(ONE, TWO, count=3))
    assert intake.messages == []
    assert found.parent.name == "bad"
    reason = (found.parent / "nuit.hl7.reason.txt").read_text()
    assert reason.endswith("BTS-1: it counts other messages than the 2 that there are\n")


async def test_a_refused_message_sends_the_file_to_bad_and_the_others_are_taken(tmp_path: Path) -> None:
    intake = RecordingIntake(Disposition.ACCEPTED, Disposition.REFUSED, Disposition.ACCEPTED)
    found = await served(tmp_path, intake, batch(ONE, TWO, THREE, count=3))
    assert len(intake.messages) == 3
    assert found.parent.name == "bad"
    reason = (found.parent / "nuit.hl7.reason.txt").read_text()
    assert reason.startswith(f"message 2 of 3: refused, message {intake.messages[1].id}\n")


async def test_a_store_that_fails_in_the_middle_leaves_the_file_to_come_again(tmp_path: Path) -> None:
    intake = RecordingIntake(Disposition.ACCEPTED, StoreUnavailable("full"), Disposition.DUPLICATE)
    found = await served(tmp_path, intake, batch(ONE, TWO, count=2))
    assert found.parent.name == "done"
    assert intake.control_ids == ["M1", "M2", "M1", "M2"]


async def test_a_file_can_be_one_message_whatever_it_holds(tmp_path: Path) -> None:
    intake = RecordingIntake()
    await served(tmp_path, intake, batch(ONE, TWO, count=2), batch="whole")
    (message,) = intake.messages
    assert message.body.read() == batch(ONE, TWO, count=2)
    assert (message.meta["application"], message.meta["facility"]) == ("LABO", "CHUL")  # FHS-3, FHS-4


async def test_what_is_no_message_is_handed_in_as_it_is(tmp_path: Path) -> None:
    intake = RecordingIntake(Disposition.REFUSED)
    found = await served(tmp_path, intake, b"bonjour")
    assert [message.body.read() for message in intake.messages] == [b"bonjour"]
    assert found.parent.name == "bad"


def test_a_character_set_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValidationError, match="no character set"):
        FileListener.model_validate({"file": "in", "charset": "8859/99"})


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ('application/pdf; name="F2_01JD.pdf"', "F2_01JD.pdf"),
        ("application/pdf; name*=UTF-8''%C3%89LISE%2F1.pdf", "%C3%89LISE%2F1.pdf"),
        ('application/pdf; name="../../etc/passwd"', "%2E.%2F..%2Fetc%2Fpasswd"),
        ("application/pdf", "01JD0000000000000001.pdf"),
    ],
)
async def test_a_file_bears_the_name_that_its_destination_gave(
    tmp_path: Path, content_type: str, name: str
) -> None:
    endpoint = FileEndpoint.model_validate({"file": "out"})
    body = Body.of(b"%PDF-1.4\n", content_type)
    attempt = Attempt(1, "01JD0000000000000001", 1, "a.b", body, content_type, 5.0)
    async with asyncio.timeout(30), FileOutbound(endpoint, channel_context(tmp_path)) as channel:
        reply = await channel.send(attempt)
    assert (reply.code, (tmp_path / "out" / name).read_bytes()) == ("written", b"%PDF-1.4\n")
