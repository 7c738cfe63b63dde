"""Messages that broke other engines, each through a whole one: the answer, what left unchanged, what left changed.

All bytes are written out here from the standard: HL7 v2.5.1 2.5 (delimiters), 2.7 (escapes), 2.9.2 (ACK), 2.10.3
(batches), 2.15.9.18 (MSH-18), appendix C (MLLP).
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from engine.model import Disposition
from engine.store.protocol import Query
from tests.corpus.campaign import START
from tests.corpus.hostile import HEAD, hospital, msa

PID = b"PID|1||10006579^^^HSJ^MR||%b^Zelie\r"


@pytest.mark.parametrize(
    ("family", "written"),
    [
        pytest.param(b"a\\b", b"a\\E\\b", id="lone-backslash"),
        pytest.param(b"ends\\", b"ends\\E\\", id="backslash-at-the-end"),
        pytest.param(b"ends\\E\\", b"ends\\E\\", id="escaped-escape-at-the-end"),
        pytest.param(b"one\ntwo", b"one\\X0A\\two", id="line-feed"),
        pytest.param(b"a\\T\\b\\S\\c", b"a\\T\\b\\S\\c", id="escaped-delimiters"),
    ],
)
async def test_escapes_and_control_characters_in_a_field(
    tmp_path: Path, family: bytes, written: bytes
) -> None:
    sent = HEAD + PID % family
    async with hospital(tmp_path) as here:
        assert msa(await here.ask(sent)) == b"MSA|AA|H1"
        changed = HEAD.replace(b"PASSERELLE", b"RIS").replace(b"||ADT", b"|%b|ADT" % written) + PID % family
        assert await here.left() == (sent, changed)


@pytest.mark.parametrize(("family", "written"), [(b"one#two", b"one#two"), (b"all\\P\\", b"all\\P\\")])
async def test_five_encoding_characters(tmp_path: Path, family: bytes, written: bytes) -> None:
    """The fifth means a cut text at its end only, and is escaped there (v2.7 2.5.5.2)."""
    sent = HEAD.replace(b"~\\&", b"~\\&#") + PID % family
    async with hospital(tmp_path) as here:
        assert msa(await here.ask(sent)) == b"MSA|AA|H1"
        changed = sent.replace(b"PASSERELLE", b"RIS").replace(b"||ADT", b"|%b|ADT" % written)
        assert await here.left() == (sent, changed)


async def test_other_separators_are_answered_in_the_same(tmp_path: Path) -> None:
    translated = bytes.maketrans(b"|^~\\&", b"#!*/%")
    sent = (HEAD + PID % b"Fictive").translate(translated)
    async with hospital(tmp_path) as here:
        answer = await here.ask(sent)
        assert answer.startswith(b"MSH#!*/%#PASSERELLE#CIUSSS#SIH#HSJ#")
        assert msa(answer) == b"MSA#AA#H1"
        changed = sent.replace(b"PASSERELLE", b"RIS").replace(b"##ADT", b"#Fictive#ADT")
        assert await here.left() == (sent, changed)


async def test_empty_components_at_the_end_of_a_field_are_kept(tmp_path: Path) -> None:
    sent = HEAD.replace(b"|CIUSSS|", b"|^^|") + PID % b"Fictive"
    async with hospital(tmp_path) as here:
        assert msa(await here.ask(sent)) == b"MSA|AA|H1"
        changed = sent.replace(b"PASSERELLE", b"RIS").replace(b"||ADT", b"|Fictive|ADT")
        assert await here.left() == (sent, changed)


async def test_z_segments_may_stand_anywhere(tmp_path: Path) -> None:
    sent = HEAD + b"ZZ1|a^b&c~d\r" + PID % b"Fictive" + b"Z\rZPV\rZPD|||\rPV1|1|I\rZZZ|end\r"
    async with hospital(tmp_path) as here:
        assert msa(await here.ask(sent)) == b"MSA|AA|H1"
        changed = sent.replace(b"PASSERELLE", b"RIS").replace(b"||ADT", b"|Fictive|ADT")
        assert await here.left() == (sent, changed)


async def test_a_message_without_an_id_is_taken_and_goes_on_without_one(tmp_path: Path) -> None:
    sent = HEAD.replace(b"|H1|", b"||") + PID % b"Fictive"
    async with hospital(tmp_path) as here:
        assert msa(await here.ask(sent)) == b"MSA|AA|"
        assert (await here.left())[0] == sent


async def test_a_message_without_an_id_is_a_dead_letter_where_its_answer_could_not_be_told(
    tmp_path: Path,
) -> None:
    sent = HEAD.replace(b"|H1|", b"||") + PID % b"Fictive"
    async with hospital(tmp_path) as here:
        await here.ask(sent, door="silent")
        assert await here.dead() == [("no_control_id", sent)]


LARGE = HEAD + b"OBX|1|ED|RX||^application^pdf^Base64^" + b"QUJD" * 5_000_000 + b"||||||F\r"


async def test_20_megabytes_are_refused_by_default(tmp_path: Path) -> None:
    async with hospital(tmp_path) as here:
        answer = await here.ask(LARGE)
        assert msa(answer) == b"MSA|AR|H1|the message is larger than this listener takes"
        assert b"\rERR|||102^Data type error^HL70357|E|" in answer
        assert await here.left() == (b"", b"")
        (refused,) = await here.engine.store.messages(Query(dispositions=(Disposition.REFUSED,)))
        kept = await here.engine.store.body(refused.sequence, "raw")
        assert (refused.control_id, refused.partner) == ("H1", "hsj")
        assert kept is not None and kept.read() == LARGE[: 16 * 1024]


async def test_training_is_refused_by_a_door_of_production(tmp_path: Path) -> None:
    async with hospital(tmp_path) as here:
        sent = (HEAD + PID % b"Fictive").replace(b"|P|2.5.1", b"|T|2.5.1")
        answer = await here.ask(sent, door="production")
        assert msa(answer) == b"MSA|AR|H1|messages with this processing id are not taken here"
        assert b"\rERR||MSH^1^11^1|202^Unsupported processing id^HL70357|E|" in answer
        assert await here.left() == (b"", b"")


async def test_20_megabytes_pass_where_the_listener_raises_its_limit(tmp_path: Path) -> None:
    async with hospital(tmp_path) as here:
        assert msa(await here.ask(LARGE, door="large")) == b"MSA|AA|H1"
        same, _ = await here.left()
        assert same == LARGE


async def test_a_truncated_frame_is_nothing_and_the_next_connection_is_served(tmp_path: Path) -> None:
    async with hospital(tmp_path) as here:
        reader, writer = await asyncio.open_connection(*here.address("all"))
        writer.write(START + HEAD[:50])
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
        sent = HEAD + PID % b"Fictive"
        assert msa(await here.ask(sent)) == b"MSA|AA|H1"
        assert (await here.left())[0] == sent
        assert len(await here.engine.store.messages(Query())) == 2, "the message, and the one after it"


async def test_two_messages_in_one_frame_are_refused(tmp_path: Path) -> None:
    async with hospital(tmp_path) as here:
        answer = await here.ask(HEAD + PID % b"One" + HEAD.replace(b"|H1|", b"|H2|") + PID % b"Two")
        assert msa(answer).startswith(b"MSA|AR|H1|")
        assert b"\rERR||MSH^2|100^Segment sequence error^HL70357|E|" in answer
        assert await here.left() == (b"", b"")


def batch(count: int) -> bytes:
    first, second = HEAD + PID % b"One", HEAD.replace(b"|H1|", b"|H2|") + PID % b"Two"
    head = b"BHS|^~\\&|SIH|HSJ|PASSERELLE|CIUSSS|20260114093011||||B77\r"
    return head + first + second + b"BTS|%d\r" % count


async def test_a_batch_is_split_into_its_messages(tmp_path: Path) -> None:
    async with hospital(tmp_path) as here:
        assert msa(await here.ask(batch(2), door="night")) == b"MSA|AA|B77"
        same, _ = await here.left()
        assert (same.count(b"^Zelie"), same.count(b"MSH|"), b"BHS" in same) == (2, 2, False)


async def test_a_batch_whose_counts_are_wrong_is_a_dead_letter_as_a_whole(tmp_path: Path) -> None:
    async with hospital(tmp_path) as here:
        assert msa(await here.ask(batch(3), door="night")) == b"MSA|AA|B77"
        assert [content for _, content in await here.dead()] == [batch(3)]
        assert await here.left() == (b"", b"")


@pytest.mark.parametrize(
    ("door", "said", "codec"),
    [
        pytest.param("silent", b"", "cp1252", id="windows-1252-and-nothing-said"),
        pytest.param("told", b"", "cp1252", id="windows-1252-and-the-listener-says-so"),
        pytest.param("silent", b"", "latin-1", id="iso-8859-1-and-nothing-said"),
        pytest.param("silent", b"UNICODE UTF-8", "cp1252", id="windows-1252-under-a-lie"),
        pytest.param("told", b"8859/15", "cp1252", id="windows-1252-under-a-lie-that-the-listener-corrects"),
        pytest.param("silent", b"8859/1", "utf-8", id="utf-8-under-a-lie"),
    ],
)
async def test_character_sets_that_are_not_told_or_told_wrongly(
    tmp_path: Path, door: str, said: bytes, codec: str
) -> None:
    name = "Cœur Élan" if codec == "cp1252" else "Côté Élan"
    head = HEAD[:-1] + b"||||||" + said
    sent = head + b"\r" + PID % name.encode(codec)
    async with hospital(tmp_path) as here:
        assert msa(await here.ask(sent, door=door)) == b"MSA|AA|H1"
        written = HEAD[:-1] + b"||||||UNICODE UTF-8\r" + PID % name.encode()
        assert await here.left() == (sent, written)


async def test_200_000_repetitions_take_linear_time(tmp_path: Path) -> None:
    """Measures real time: a quadratic reader takes minutes here."""
    sent = HEAD + b"PID|1||" + b"~".join(b"%d^^^HSJ^MR" % number for number in range(200_000)) + b"||F^Z\r"
    async with hospital(tmp_path) as here:
        began = time.monotonic()
        assert msa(await here.ask(sent)) == b"MSA|AA|H1"
        changed = sent.replace(b"PASSERELLE", b"RIS").replace(b"||ADT", b"|F|ADT")
        assert await here.left() == (sent, changed)
        assert time.monotonic() - began < 10
