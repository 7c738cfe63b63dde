"""How instances go out: what is proposed and kept, what each answer means, and what no partner can make of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from struct import pack

import pytest

from channels._dicom.requesting import HIGH, LOW, MEDIUM
from engine.errors import Permanent, Rejected, Transient
from engine.model import Body
from tests.channels.dicom.archive import Archive, Stored, archive, response
from tests.channels.dicom.dispatching import attempt_of, way_out
from tests.channels.dicom.instances import CT, EXPLICIT, JPEG_2000, SECONDARY_CAPTURE, data_set, part10
from tests.channels.dicom.pdus import ABORT, DATA, command, pdu, value

FAST = {"association": "300ms", "pdu": "300ms", "reply": "300ms", "idle": "300ms"}
MORE_MIB = 2**20


def resident() -> int:
    """Return the memory that this process occupies, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def until_live(peer: Archive, count: int) -> None:
    """Return once so many connections are open at the partner."""
    await peer.changes.until(lambda: peer.live() == count, seconds=5)


# ------------------------------------------------------------- what is proposed, and kept


async def test_exactly_its_class_and_its_own_syntax_are_proposed(tmp_path: Path) -> None:
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        await out.send(part10("2.25.1", sop_class=CT, syntax=JPEG_2000))
    assert peer.proposals == [[(CT, [JPEG_2000])]]
    assert peer.titles == [("PASSERELLE", "ARCHIVE")]
    [stored] = peer.kept
    assert (stored.command.sop_class, stored.command.sop_instance) == (CT, "2.25.1")
    assert stored.data == data_set("2.25.1", sop_class=CT)


async def test_an_association_is_kept_for_the_next_instance(tmp_path: Path) -> None:
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        for number in range(1, 6):
            await out.send(part10(f"2.25.{number}"))
        assert (peer.accepted_count, len(peer.kept)) == (1, 5)
        ids = [stored.command.message_id for stored in peer.kept]
    assert ids == [1, 2, 3, 4, 5]
    assert peer.released == 1


async def test_another_class_takes_an_association_for_both(tmp_path: Path) -> None:
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        await out.send(part10("2.25.1"))
        await out.send(part10("2.25.2", sop_class=CT))
        await out.send(part10("2.25.3"))
        assert peer.live() == 1, "the first was to be released: the second is for both"
    assert peer.proposals == [
        [(SECONDARY_CAPTURE, [EXPLICIT])],
        [(CT, [EXPLICIT]), (SECONDARY_CAPTURE, [EXPLICIT])],
    ]


async def test_sends_side_by_side_have_an_association_each(tmp_path: Path) -> None:
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        await asyncio.gather(*(out.send(part10(f"2.25.{number}")) for number in range(1, 5)))
        assert len(peer.kept) == 4
        assert peer.accepted_count <= 4


async def test_an_idle_association_is_released(tmp_path: Path) -> None:
    async with archive(timeouts=FAST) as peer, way_out(tmp_path, peer.config) as out:
        await out.send(part10("2.25.1"))
        await until_live(peer, 0)
        assert (peer.released, peer.aborted) == (1, 0)


@pytest.mark.parametrize("ending", [b"", pdu(5, bytes(4)), pdu(ABORT, bytes(4))])
async def test_an_association_that_the_partner_ended_is_replaced(tmp_path: Path, ending: bytes) -> None:
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        await out.send(part10("2.25.1"))
        [connection] = peer.open_ones
        connection.transport.write(ending)
        if not ending:
            connection.transport.close()
            await until_live(peer, 0)
        await out.send(part10("2.25.2"))
        assert (peer.accepted_count, len(peer.kept)) == (2, 2)


async def test_the_priority_of_the_endpoint_travels(tmp_path: Path) -> None:
    for word, number in (("low", LOW), ("medium", MEDIUM), ("high", HIGH)):
        async with archive(priority=word) as peer, way_out(tmp_path, peer.config) as out:
            await out.send(part10("2.25.1"))
            assert peer.kept[0].command.number(0x0700) == number


async def test_the_priority_of_the_route_comes_before_that_of_the_endpoint(tmp_path: Path) -> None:
    async with archive(priority="low") as peer, way_out(tmp_path, peer.config) as out:
        await out.channel.send(replace(attempt_of(Body.of(part10("2.25.1"))), priority="high"))
        assert peer.kept[0].command.number(0x0700) == HIGH


async def test_a_large_instance_is_read_from_its_file_piece_by_piece(tmp_path: Path) -> None:
    content = part10("2.25.1", pixels=64 * MORE_MIB)
    (tmp_path / "body").write_bytes(content)
    body = Body(len(content), b"", None, tmp_path / "body")
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        peer.forgets = True
        await out.send(part10("2.25.2"))
        before = resident()
        await out.channel.send(attempt_of(body))
        assert resident() - before < 8 * MORE_MIB
        assert peer.received == len(content) - content.index(b"\x08\x00\x16\x00UI") + len(data_set("2.25.2"))


# ------------------------------------------------------------- what an answer means


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (0xA700, Transient),
        (0xA702, Transient),
        (0xA900, Rejected),
        (0xA9FF, Rejected),
        (0xC000, Rejected),
        (0xCFFF, Rejected),
        (0x0117, Rejected),
        (0x0111, Rejected),
        (0x0122, Permanent),
        (0x0124, Permanent),
        (0x0211, Permanent),
        (0x0110, Transient),
        (0xFE00, Transient),
        (0x7777, Transient),
    ],
)
async def test_a_status_says_what_follows(tmp_path: Path, status: int, meaning: type[Exception]) -> None:
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        peer.script.status, peer.script.comment = status, "as it says"
        with pytest.raises(meaning) as caught:
            await out.send(part10("2.25.1"))
        error = caught.value
        assert isinstance(error, Transient | Permanent | Rejected)
        assert (error.code, error.reply and error.reply.body) == (f"{status:04X}", b"as it says")
        assert "as it says" not in str(error)
        assert not getattr(error, "sent", False)


@pytest.mark.parametrize("status", [0xB000, 0xB006, 0xB007, 0x0107])
async def test_a_warning_is_delivered_and_told(tmp_path: Path, status: int) -> None:
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        peer.script.status = status
        reply = await out.send(part10("2.25.1"))
        assert reply.code == f"{status:04X}"
        assert out.events("stored_with_warning") == 1


@pytest.mark.parametrize(
    ("reject", "meaning", "says"),
    [
        ((1, 1, 7), Permanent, "AE title that was called"),
        ((1, 1, 3), Permanent, "our AE title"),
        ((1, 1, 1), Permanent, "no reason"),
        ((2, 3, 2), Transient, "as many associations"),
        ((2, 3, 1), Transient, "congested"),
    ],
)
async def test_a_rejected_association_says_why(
    tmp_path: Path, reject: tuple[int, int, int], meaning: type[Exception], says: str
) -> None:
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        peer.script.reject = reject
        with pytest.raises(meaning, match=says) as caught:
            await out.send(part10("2.25.1"))
        assert not getattr(caught.value, "sent", False)


@pytest.mark.parametrize(
    ("result", "says"), [(3, "does not take this class"), (4, "not in this transfer syntax")]
)
async def test_a_context_that_is_not_taken_is_permanent_and_spares_the_others(
    tmp_path: Path, result: int, says: str
) -> None:
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        peer.script.takes = lambda abstract, syntax: result if abstract == CT else 0
        await out.send(part10("2.25.1"))
        with pytest.raises(Permanent, match=says) as caught:
            await out.send(part10("2.25.2", sop_class=CT))
        assert caught.value.code == "context"
        await out.send(part10("2.25.3"))
        assert [stored.command.sop_instance for stored in peer.kept] == ["2.25.1", "2.25.3"]


@pytest.mark.parametrize(
    "content", [b"", b"MSH|^~\\&|", bytes(132), bytes(128) + b"DICM", part10("2.25.1")[:200]]
)
async def test_what_is_no_instance_is_rejected_before_anybody_is_called(
    tmp_path: Path, content: bytes
) -> None:
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        with pytest.raises(Rejected) as caught:
            await out.send(content)
        assert (caught.value.code, peer.accepted_count) == ("no_instance", 0)


# ------------------------------------------------------------- partners that break the rules


async def test_a_partner_that_hangs_up_in_the_middle_cannot_have_it(tmp_path: Path) -> None:
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        peer.script.hangs_up_at = 100_000
        with pytest.raises(Transient) as caught:
            await out.send(part10("2.25.1", pixels=8 * MORE_MIB))
        assert not caught.value.sent, "half an instance is none: nothing is unknown about it"


def other_id(stored: Stored, context_id: int) -> bytes:
    """Answer another message than the one that was sent."""
    return response(type(stored.command)(1, 999, "", "", False), context_id, 0)


@pytest.mark.parametrize(
    "answer",
    [
        lambda stored, context_id: pdu(DATA, b"", length=0xFFFFFFFF),
        lambda stored, context_id: pdu(9, b"?"),
        lambda stored, context_id: pdu(DATA, pack(">LBB", 0xFFFFFFF0, 1, 3) + b"x"),
        lambda stored, context_id: response(stored.command, 77, 0),
        lambda stored, context_id: pdu(DATA, value(b"\x00" * 40_000, command=True, last=False)),
        lambda stored, context_id: pdu(DATA, value(b"data", command=False, last=True)),
        lambda stored, context_id: pdu(DATA, value(command(1), command=True, last=True)) * 2,
        lambda stored, context_id: pdu(2, bytes(100)),
        other_id,
    ],
)
async def test_an_answer_that_is_none_leaves_the_outcome_unknown(tmp_path: Path, answer: object) -> None:
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        peer.script.after = answer  # type: ignore[assignment]  # mypy takes the list's joint type for object
        before = resident()
        with pytest.raises(Transient) as caught:
            await out.send(part10("2.25.1"))
        assert (caught.value.sent, caught.value.code) == (True, "garbage")
        assert resident() - before < 5 * MORE_MIB
        peer.script.after = lambda stored, context_id: None
        await out.send(part10("2.25.2"))


@pytest.mark.parametrize(
    "answer", [pdu(2, b"", length=2**31), pdu(4, b"x"), pdu(2, bytes(80)), b"HTTP/1.0 200 OK\r\n"]
)
async def test_an_acceptance_that_is_none_was_sent_nothing(tmp_path: Path, answer: bytes) -> None:
    async with archive(timeouts=FAST) as peer, way_out(tmp_path, peer.config) as out:
        peer.script.answer = answer
        with pytest.raises((Transient, Permanent)) as caught:
            await out.send(part10("2.25.1"))
        assert not getattr(caught.value, "sent", False)


async def test_an_abort_instead_of_an_answer_is_an_unknown_outcome(tmp_path: Path) -> None:
    async with archive() as peer, way_out(tmp_path, peer.config) as out:
        peer.script.after = lambda stored, context_id: pdu(ABORT, bytes(4))
        with pytest.raises(Transient, match="aborted") as caught:
            await out.send(part10("2.25.1"))
        assert caught.value.sent


async def test_an_answer_that_trickles_is_cut(tmp_path: Path) -> None:
    async with archive(timeouts=FAST) as peer, way_out(tmp_path, peer.config) as out:

        def trickle(stored: Stored, context_id: int) -> bytes:
            whole = response(stored.command, context_id, 0)
            [connection] = peer.open_ones
            loop = asyncio.get_running_loop()
            for number in range(1, len(whole)):
                loop.call_later(number * 0.02, connection.transport.write, whole[number : number + 1])
            return whole[:1]

        peer.script.after = trickle
        with pytest.raises(Transient) as caught:
            await out.send(part10("2.25.1"))
        assert (caught.value.sent, caught.value.code) == (True, "timeout")


async def test_a_partner_that_does_not_read_is_cut_in_time(tmp_path: Path) -> None:
    async with archive(timeouts=FAST) as peer, way_out(tmp_path, peer.config) as out:
        await out.send(part10("2.25.1"))
        [connection] = peer.open_ones
        connection.transport.pause_reading()
        with pytest.raises(Transient) as caught:
            await out.send(part10("2.25.2", pixels=16 * MORE_MIB))
        assert (caught.value.sent, caught.value.code) == (False, "timeout")
