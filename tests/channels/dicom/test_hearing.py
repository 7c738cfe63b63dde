"""Messages of a peer are put together however they are cut, and what is none is broken off."""

from __future__ import annotations

import random
from contextlib import suppress
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels._dicom.commands import C_STORE_RQ, Command, read_command, response_to
from channels._dicom.guard import BrokenPdu, check
from channels._dicom.hearing import ANSWER_BYTES, Hearing, Sink
from channels._dicom.proposing import Accepted
from tests.channels.dicom.pdus import DATA, command, pdu, value

ACCEPTED = {1: Accepted("1.2.3", "1.2.840.10008.1.2"), 3: Accepted("1.2.4", "1.2.840.10008.1.2")}
ANSWER = response_to(read_command(command(0x20)), 0xFF00, has_data=True)


class Kept:
    """Keeps the instances that a peer stores on our association."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = ""

    def begin(self, command: Command, syntax: str, /) -> Sink:
        assert (command.field, syntax) == (C_STORE_RQ, "1.2.840.10008.1.2")
        return self

    def write(self, data: memoryview, /) -> object:
        self.data += data
        return None

    def finish(self) -> int:
        self.ended = "finished"
        return 0xB000

    def discard(self) -> None:
        self.ended = self.ended or "discarded"


def cut(content: bytes, sizes: list[int], *, command: bool) -> list[bytes]:
    """Return values of the sizes, which hold all of the content; the last one says so."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(content[at : at + size])
        at += size
    pieces.append(content[at:])
    return [value(each, command=command, last=n == len(sizes)) for n, each in enumerate(pieces)]


@given(st.lists(st.integers(0, 60), max_size=5), st.lists(st.integers(0, 60), max_size=5), st.integers(1, 4))
def test_however_a_message_is_cut_it_is_the_same(first: list[int], then: list[int], each: int) -> None:
    values = cut(ANSWER, first, command=True) + cut(b"a data set of some length", then, command=False)
    hearing = Hearing(ACCEPTED, None)
    heard = None
    for start in range(0, len(values), each):
        assert heard is None
        heard = hearing.take(pdu(DATA, b"".join(values[start : start + each])))
    assert heard is not None
    assert (heard.data, heard.context_id, heard.command.number(0x0900)) == (
        b"a data set of some length",
        1,
        0xFF00,
    )


def test_an_instance_goes_to_its_sink_piece_by_piece() -> None:
    kept = Kept()
    hearing = Hearing(ACCEPTED, kept)
    assert hearing.take(pdu(DATA, value(command(), command=True, last=True))) is None
    assert hearing.take(pdu(DATA, value(b"half", command=False, last=False))) is None
    heard = hearing.take(pdu(DATA, value(b"half", command=False, last=True)))
    assert heard is not None
    assert (bytes(kept.data), kept.ended, heard.status) == (b"halfhalf", "finished", 0xB000)


def test_an_instance_that_does_not_end_is_given_up() -> None:
    kept = Kept()
    hearing = Hearing(ACCEPTED, kept)
    hearing.take(pdu(DATA, value(command(), command=True, last=True)))
    hearing.discard()
    assert kept.ended == "discarded"


@pytest.mark.parametrize(
    "values",
    [
        [value(b"data", command=False, last=True)],
        [value(ANSWER, command=True, last=True), value(ANSWER, command=True, last=True)],
        [value(ANSWER[:20], command=True, last=False), value(ANSWER[20:], command=True, last=True, number=3)],
        [value(ANSWER, command=True, last=True, number=5)],
        [value(command(), command=True, last=True), value(b"data", command=False, last=False)],
        [value(bytes(20_000), command=True, last=False)],
        [value(pack("<HHL", 0, 0x100, 2**31), command=True, last=True)],
    ],
)
def test_what_is_no_message_is_broken_off(values: list[bytes]) -> None:
    hearing = Hearing(ACCEPTED, None)
    with pytest.raises(BrokenPdu):
        for each in values:
            hearing.take(pdu(DATA, each))


def test_a_data_set_is_bounded() -> None:
    hearing = Hearing(ACCEPTED, None)
    hearing.take(pdu(DATA, value(ANSWER, command=True, last=True)))
    piece = pdu(DATA, value(bytes(2**16), command=False, last=False))
    with pytest.raises(BrokenPdu):
        for _ in range(ANSWER_BYTES // 2**16 + 1):
            hearing.take(piece)


def test_bytes_that_are_thrown_at_it_are_refused_or_heard() -> None:
    dice = random.Random(7)
    whole = bytearray(
        pdu(DATA, value(ANSWER, command=True, last=True) + value(b"data", command=False, last=True))
    )
    for _ in range(20_000):
        thrown = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            thrown[dice.randrange(6, len(thrown))] = dice.randrange(256)
        with suppress(BrokenPdu):
            check(thrown)
            Hearing(ACCEPTED, Kept()).take(thrown)
