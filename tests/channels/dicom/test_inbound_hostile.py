"""Peers that do not keep to the protocol cost little, are told so, and harm nobody else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from struct import pack

import pytest

from channels._dicom.receiving import Spool
from engine.model import INLINE_LIMIT
from engine.testing.channels import Changes
from tests.channels.dicom.pdus import (
    ABORT,
    ASSOCIATE_RJ,
    DATA,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    RELEASE,
    RELEASE_RP,
    SECONDARY_CAPTURE,
    VERIFICATION,
    Peer,
    associate,
    command,
    context,
    pdu,
    store,
    value,
)
from tests.channels.dicom.serving import Door, ReadingIntake, listening

FAST = {"association": "400ms", "pdu": "300ms"}
BOTH = associate(context(1, SECONDARY_CAPTURE, [EXPLICIT]), context(3, VERIFICATION, [IMPLICIT]))


def resident() -> int:
    """Return the memory that this process occupies, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def stores_well(door: Door, uid: str = "2.25.4711") -> bool:
    """Say whether a good sender is served."""
    peer = await Peer.at(door.port)
    await peer.agree()
    await peer.send(store(b"\x08\x00\x18\x00UI\x04\x002.25", uid=uid))
    told = await peer.status()
    await peer.send(RELEASE)
    kind, _ = await peer.receive()
    peer.close()
    return told == 0 and kind == RELEASE_RP


async def answers_an_echo(door: Door) -> bool:
    """Say whether somebody else is answered."""
    peer = await Peer.at(door.port)
    await peer.agree(BOTH)
    asked = value(command(0x30, sop_class=VERIFICATION, data=False), command=True, last=True, number=3)
    await peer.send(pdu(DATA, asked))
    status = await peer.status()
    peer.close()
    return status == 0


@pytest.mark.parametrize("kind", [1, DATA, 5])
async def test_a_header_of_4_gib_adds_less_than_5_mib(kind: int) -> None:
    async with listening() as door:
        assert await stores_well(door)
        before = resident()
        peer = await Peer.at(door.port)
        if kind == DATA:
            await peer.agree()
        await peer.send(pdu(kind, bytes(1000), length=0xFFFFFFFF))
        assert await peer.ended() in ([ABORT], [])
        assert resident() - before < 5 * 2**20
        await door.until("long_pdu")
        peer.close()
        assert await stores_well(door, "2.25.4712")


async def test_a_value_of_4_gib_is_told_why_it_is_refused() -> None:
    async with listening() as door:
        peer = await Peer.at(door.port)
        await peer.agree()
        await peer.send(pdu(DATA, pack(">LBB", 0xFFFFFFFF, 1, 3) + b"x"))
        kind, content = await peer.receive()
        assert (kind, content) == (ABORT, bytes((0, 0, 2, 6)))  # by the provider, for a parameter's value
        peer.close()


async def test_uid_items_by_the_thousand_are_refused() -> None:
    async with listening() as door:
        peer = await Peer.at(door.port)
        await peer.send(associate(context(1, SECONDARY_CAPTURE, ["1.2.3"] * 5_000)))
        assert await peer.ended() == [ABORT]
        await door.until("many_items")
        peer.close()


async def test_a_sender_that_trickles_is_cut_and_others_are_served() -> None:
    async with listening(timeouts=FAST) as door:
        peer = await Peer.at(door.port)
        await peer.agree()

        ended = asyncio.create_task(peer.ended())
        with suppress(ConnectionError):  # it was cut
            for byte in store(bytes(100)):
                await peer.send(bytes([byte]))
                assert await stores_well(door)
        assert ABORT in await ended
        assert door.events("slow_pdu") == 1
        peer.close()


async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with listening(timeouts=FAST) as door:
        peer = await Peer.at(door.port)
        assert await peer.ended() == []
        peer.close()


async def test_an_association_broken_at_every_byte_leaves_nothing_behind() -> None:
    whole = store(bytes(40))
    async with listening(limits={"connections": 64}) as door:

        async def break_at(count: int) -> None:
            peer = await Peer.at(door.port)
            await peer.agree()
            await peer.send(whole[:count])
            peer.close()

        for start in range(0, len(whole), 16):
            await asyncio.gather(*(break_at(count) for count in range(start, min(start + 16, len(whole)))))
        assert await stores_well(door)
        assert door.intake.control_ids == ["2.25.4711"]
        assert door.spooled() == []
        assert door.events("bugs") == 0


async def test_a_request_broken_at_every_byte_is_harmless() -> None:
    whole = associate()
    async with listening(limits={"connections": 64}) as door:

        async def break_at(count: int) -> None:
            peer = await Peer.at(door.port)
            await peer.send(whole[:count])
            peer.close()

        for start in range(0, len(whole), 16):
            await asyncio.gather(*(break_at(count) for count in range(start, start + 16)))
        assert await stores_well(door)


async def test_a_large_instance_that_is_broken_off_leaves_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = Changes()

    class Told(Spool):
        def write(self, data: bytes | memoryview) -> None:
            super().write(data)
            changes.tell()

        def discard(self) -> None:
            super().discard()
            changes.tell()

    monkeypatch.setattr("channels.dicom.visiting.Spool", Told)
    async with listening() as door:
        peer = await Peer.at(door.port)
        await peer.agree()
        await peer.send(pdu(DATA, value(command(), command=True, last=True)))
        piece = pdu(DATA, value(bytes(64 * 1024), command=False, last=False))
        await peer.send(piece * 4)
        await changes.until(lambda: len(door.spooled()) == 1)
        peer.close()
        await changes.until(lambda: not door.spooled())
        assert door.intake.messages == []


@pytest.mark.parametrize(
    "uid", ["../../../etc/cron.d/x", "1.2.3/../../x", "2.25." + "1" * 70, "", "1..2", "1.02"]
)
async def test_a_uid_that_is_none_is_refused_and_kept(uid: str) -> None:
    async with listening() as door:
        peer = await Peer.at(door.port)
        await peer.agree()
        await peer.send(store(bytes(INLINE_LIMIT - 100), uid=uid))
        assert await peer.status() == 0x0117
        [message] = door.intake.messages
        assert message.control_id == "" and message.faults[0].code == "0117"
        assert door.spooled() == []
        peer.close()


async def test_a_class_that_was_not_agreed_on_is_refused() -> None:
    async with listening() as door:
        peer = await Peer.at(door.port)
        await peer.agree()
        await peer.send(store(bytes(10), sop_class="1.2.840.10008.5.1.4.1.1.2"))
        assert await peer.status() == 0x0122
        await peer.send(store(bytes(10)))
        assert await peer.status() == 0
        peer.close()


async def test_an_instance_above_the_limit_is_refused_and_its_beginning_kept() -> None:
    async with listening(limits={"body": "100KiB"}) as door:
        peer = await Peer.at(door.port)
        await peer.agree()
        await peer.send(store(bytes(150 * 1024)))
        assert await peer.status() == 0xC000
        [message] = door.intake.messages
        assert message.body.size == 64 * 1024 and message.faults
        assert door.spooled() == []
        peer.close()


async def test_an_instance_without_an_end_is_broken_off() -> None:
    async with listening(limits={"body": "100KiB"}) as door:
        peer = await Peer.at(door.port)
        await peer.agree()
        await peer.send(pdu(DATA, value(command(), command=True, last=True)))
        for _ in range(4):
            await peer.send(pdu(DATA, value(bytes(64 * 1024), command=False, last=False)))
        assert ABORT in await peer.ended()
        assert door.events("endless_instance") == 1
        peer.close()


async def test_deflated_data_sets_are_not_agreed_on() -> None:
    async with listening() as door:
        peer = await Peer.at(door.port)
        accepted = await peer.agree(associate(context(1, SECONDARY_CAPTURE, [DEFLATED])))
        assert bytes((0x21, 0)) in accepted
        result = accepted[accepted.index(bytes((0x21, 0))) + 6]
        assert result == 4  # transfer syntaxes not supported (PS3.8 table 9-18)
        peer.close()


@pytest.mark.parametrize(
    "hostile",
    {
        "a find": pdu(DATA, value(command(0x20), command=True, last=True)),
        "a store without an instance": pdu(DATA, value(command(data=False), command=True, last=True)),
        "an instance without a command": pdu(DATA, value(b"x", command=False, last=True)),
        "two commands": pdu(DATA, value(command(), command=True, last=True) * 2),
        "a context that was not agreed on": pdu(DATA, value(command(), command=True, last=True, number=9)),
        "a command of 20 KiB": pdu(DATA, value(bytes(20_000), command=True, last=False)),
        "a command of another group": pdu(DATA, value(pack("<HHL", 8, 0, 0), command=True, last=True)),
        "a second request for an association": associate(),
    }.values(),
)
async def test_what_has_no_place_here_ends_the_association(hostile: bytes) -> None:
    async with listening() as door:
        peer = await Peer.at(door.port)
        await peer.agree()
        await peer.send(hostile)
        assert ABORT in await peer.ended()
        peer.close()
        assert await stores_well(door)
        assert door.events("bugs") == 0


async def test_a_sender_that_does_not_wait_for_answers_is_held_up() -> None:
    intake = ReadingIntake()
    intake.close_gate()
    async with listening(intake) as door:
        peer = await Peer.at(door.port)
        await peer.agree()
        await peer.send(store(bytes(10), uid="2.25.1") + store(bytes(10), uid="2.25.2"))
        await intake.until(1)
        assert await answers_an_echo(door), "whoever serves others meanwhile had the time to read on"
        assert len(intake.messages) == 1
        intake.open_gate()
        assert [await peer.status(), await peer.status()] == [0, 0]
        peer.close()


async def test_one_association_too_many_is_told_to_come_again() -> None:
    async with listening(limits={"associations": 2}) as door:
        peers = [await Peer.at(door.port) for _ in range(2)]
        for peer in peers:
            await peer.agree()
        third = await Peer.at(door.port)
        await third.send(associate())
        assert await third.receive() == (ASSOCIATE_RJ, bytes((0, 2, 3, 2)))  # transient, local limit exceeded
        third.close()
        await peers[0].send(RELEASE)
        await peers[0].receive()
        peers[0].close()
        await door.until("association", 2)
        peers[1].close()


async def test_one_address_does_not_take_all_associations() -> None:
    async with listening(limits={"associations": 8, "connections": 1}) as door:
        first, second = await Peer.at(door.port), await Peer.at(door.port)
        await first.agree()
        await second.send(associate())
        assert (await second.receive())[0] == ASSOCIATE_RJ
        first.close()
        second.close()


async def test_an_echo_is_answered() -> None:
    async with listening() as door:
        assert await answers_an_echo(door)
        assert door.intake.messages == []
