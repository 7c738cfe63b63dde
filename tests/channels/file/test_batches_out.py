"""Messages that are collected become one batch file: whole, counted, in order, once, also across a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from channels.file.batching import Collection
from channels.file.model import FileEndpoint
from channels.file.outbound import FileOutbound
from engine.codecs.hl7v2.batch import read_batch
from engine.errors import Rejected
from engine.model import Attempt, Body
from engine.testing.channels import channel_context

FIRST = b"MSH|^~\\&|LAB|CLINABC|EMR|HSJ|20260114||ORU^R01|M%d|P|2.5.1\rPID|1||000123\r"
KIND = "x-application/hl7-v2+er7"


def collection(folder: Path, *, count: int = 3, seconds: float = 3600) -> Collection:
    return Collection(
        folder, "archives.night", name=lambda first: f"{first}.hl7", count=count, seconds=seconds
    )


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_the_count_closes_a_batch(tmp_path: Path) -> None:
    batch = collection(tmp_path)
    assert [batch.add(f"id{n}", FIRST % n, 1_000) for n in (1, 2, 3)] == ["collected"] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["id1.hl7"]
    content = (tmp_path / "id1.hl7").read_bytes()
    header = content.split(b"\r")[0].split(b"|")
    assert header[:6] == [b"FHS", b"^~\\&", b"LAB", b"CLINABC", b"EMR", b"HSJ"] and header[10] == b"id1"
    assert content.endswith(b"BTS|3\rFTS|1\r")
    read = read_batch(content)
    assert read.faults == () and [member.data for member in read.messages] == [FIRST % n for n in (1, 2, 3)]


def test_time_closes_a_batch(tmp_path: Path) -> None:
    batch = collection(tmp_path, seconds=10)
    batch.add("id1", FIRST % 1, 1_000)
    batch.add("id2", FIRST % 2, 9_000)
    batch.close_if_due(10_999)
    assert visible(tmp_path) == []
    batch.close_if_due(11_000)
    assert visible(tmp_path) == ["id1.hl7"]
    batch.close_if_due(99_000)
    assert visible(tmp_path) == ["id1.hl7"]


def test_what_was_collected_survives_a_restart_and_the_same_message_is_there_once(tmp_path: Path) -> None:
    collection(tmp_path).add("id1", FIRST % 1, 1_000)
    again = collection(tmp_path)
    assert again.add("id1", FIRST % 1, 2_000) == "present"
    assert again.add("id2", FIRST % 2, 2_000) == "collected"
    again.close_if_due(1_000 + 3_600_000)
    assert (tmp_path / "id1.hl7").read_bytes().count(b"MSH|") == 2


@pytest.mark.parametrize("lost", range(1, 60, 7))
def test_a_torn_message_is_cut_off(tmp_path: Path, lost: int) -> None:
    batch = collection(tmp_path)
    batch.add("id1", FIRST % 1, 1_000)
    batch.add("id2", FIRST % 2, 1_000)
    (collected,) = tmp_path.iterdir()
    collected.write_bytes(collected.read_bytes()[:-lost])
    again = collection(tmp_path)
    assert again.add("id1", FIRST % 1, 2_000) == "present"
    assert again.add("id2", FIRST % 2, 2_000) == "collected"
    again.add("id3", FIRST % 3, 2_000)
    read = read_batch((tmp_path / "id1.hl7").read_bytes())
    assert [member.data for member in read.messages] == [FIRST % n for n in (1, 2, 3)]


def test_a_crash_after_the_file_appeared_makes_no_second_one(tmp_path: Path) -> None:
    batch = collection(tmp_path, count=2)
    batch.add("id1", FIRST % 1, 1_000)
    (collected,) = tmp_path.iterdir()
    before = collected.read_bytes()
    batch.add("id2", FIRST % 2, 1_000)
    collected.write_bytes(before)  # as if the process had died before it removed what it had collected
    again = collection(tmp_path, count=2)
    again.close_if_due(9_999_999_999)
    assert visible(tmp_path) == ["id1.hl7"]
    assert (tmp_path / "id1.hl7").read_bytes().count(b"MSH|") == 2


async def test_an_endpoint_collects_and_closes_in_time(tmp_path: Path) -> None:
    config = FileEndpoint.model_validate(
        {"file": "out", "name": "night-{id}.hl7", "batch": {"count": "100", "every": "200ms"}}
    )
    async with FileOutbound(config, channel_context(tmp_path)) as out:
        replies = [
            await out.send(Attempt(n, f"id{n}", 1, "archives.night", Body.of(FIRST % n), KIND, 5.0))
            for n in (1, 2, 2)
        ]
        assert [reply.code for reply in replies] == ["collected", "collected", "present"]
        async with asyncio.timeout(30):
            while not visible(tmp_path / "out"):  # noqa: ASYNC110  a file appears, and nobody tells
                await asyncio.sleep(0.02)
    assert visible(tmp_path / "out") == ["night-id1.hl7"]


async def test_what_is_no_hl7_message_is_refused_and_spoils_no_batch(tmp_path: Path) -> None:
    config = FileEndpoint.model_validate({"file": "out", "batch": {"count": "1"}})
    async with FileOutbound(config, channel_context(tmp_path)) as out:
        with pytest.raises(Rejected, match="only HL7"):
            await out.send(Attempt(1, "id1", 1, "archives.night", Body.of(b"{}"), "application/json", 5.0))
        await out.send(Attempt(2, "id2", 1, "archives.night", Body.of(FIRST % 2), KIND, 5.0))
    assert (tmp_path / "out" / "id2.hl7").read_bytes().count(b"MSH|") == 1
