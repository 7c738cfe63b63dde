"""The socket as pynetdicom reads it: heads before bodies, whole PDUs for who asks for them, nothing after an error."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.association import Association

from channels._dicom.guard import ACCEPTOR, ASSOCIATE_RQ, DATA, Bounds, BrokenPdu, values_of
from channels._dicom.wire import GuardedSocket
from tests.channels.dicom.pdus import Peer, pdu, store, value
from tests.channels.dicom.serving import listening

BOUNDS = Bounds(16_384, ACCEPTOR)


@dataclass
class Line:
    """A guarded socket, the peer's end of it, and what was told of it."""

    guarded: GuardedSocket
    peer: socket.socket
    broken: list[BrokenPdu] = field(default_factory=list)
    busy: bool = False


@pytest.fixture
def line() -> Iterator[Line]:
    ours, peer = socket.socketpair()
    association: Any = Association(AE(), "requestor")
    made: list[Line] = []
    guarded = GuardedSocket(
        association,
        ours,
        BOUNDS,
        seconds=0.2,
        busy=lambda: made[0].busy,
        broken=lambda error: made[0].broken.append(error),
    )
    made.append(Line(guarded, peer))
    with ours, peer:
        yield made[0]


def data(content: bytes) -> bytes:
    return pdu(DATA, value(content, command=False, last=True))


def test_whole_pdus_come_one_after_the_other_in_one_buffer(line: Line) -> None:
    line.peer.sendall(data(b"first of all") + data(b"second"))
    assert line.guarded.kind() == line.guarded.kind() == DATA
    assert [bytes(content) for _, _, content in values_of(line.guarded.pdu())] == [b"first of all"]
    assert line.guarded.kind() == DATA
    assert [bytes(content) for _, _, content in values_of(line.guarded.pdu())] == [b"second"]


def test_what_was_looked_at_is_still_there_for_who_reads_head_and_body(line: Line) -> None:
    whole = data(b"content")
    line.peer.sendall(whole)
    assert line.guarded.kind() == DATA
    head = line.guarded.recv(6)
    assert head + line.guarded.recv(len(whole) - 6) == whole


@pytest.mark.parametrize("sent", [0, 3, 6, 10])
def test_a_peer_that_hangs_up_leaves_nothing(line: Line, sent: int) -> None:
    line.peer.sendall(data(b"content")[:sent])
    line.peer.close()
    assert line.guarded.recv(6) == data(b"content")[: 6 if sent >= 6 else 0]
    assert sent < 6 or line.guarded.recv(12) == b""
    assert line.guarded.ended and not line.guarded.ready and not line.broken


def test_a_pdu_that_is_too_long_is_told_before_it_is_read(line: Line) -> None:
    line.peer.sendall(bytes((DATA, 0)) + (2**32 - 1).to_bytes(4, "big"))
    with pytest.raises(BrokenPdu):
        line.guarded.kind()
    assert [error.event for error in line.broken] == ["long_pdu"]
    assert line.guarded.ended


def test_a_value_that_is_longer_than_its_pdu_is_told(line: Line) -> None:
    whole = bytearray(data(b"content"))
    whole[6:10] = (100).to_bytes(4, "big")
    line.peer.sendall(whole)
    assert line.guarded.kind() == DATA
    with pytest.raises(BrokenPdu):
        line.guarded.pdu()
    assert len(line.broken) == 1


def test_a_pdu_that_does_not_come_in_time_is_broken_off(line: Line) -> None:
    line.peer.sendall(bytes((ASSOCIATE_RQ, 0, 0, 0, 1, 0)))
    line.guarded.recv(6)
    with pytest.raises(BrokenPdu):
        line.guarded.recv(256)
    assert [error.event for error in line.broken] == ["slow_pdu"]


def test_nothing_is_ready_while_a_request_is_served(line: Line) -> None:
    line.peer.sendall(data(b"content"))
    assert line.guarded.ready
    line.busy = True
    assert not line.guarded.ready


async def test_what_is_stored_never_reaches_the_decoder_of_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def copying(*_: object) -> None:
        raise AssertionError("it copies every value six times")

    monkeypatch.setattr("pynetdicom.pdu.P_DATA_TF.decode", copying)
    async with listening() as door:
        peer = await Peer.at(door.port)
        await peer.agree()
        await peer.send(store(bytes(2000)) + store(bytes(2000), uid="2.25.9002"))
        assert [await peer.status(), await peer.status()] == [0, 0]
        peer.close()
    assert door.intake.control_ids == ["2.25.9001", "2.25.9002"]
