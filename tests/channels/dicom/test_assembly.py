"""Values become requests one at a time, and whatever has no place among them ends the association."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import pack
from types import SimpleNamespace
from typing import Any

import pytest
from pynetdicom.pdu_primitives import P_DATA

from channels._dicom.commands import C_CANCEL_RQ, C_FIND_RQ, COMMAND_BYTES, RESPONSE, Command
from channels._dicom.guard import BrokenPdu
from channels.dicom.assembly import Assembly, Gathered, message_of
from channels.dicom.requests import DATA_BYTES
from tests.channels.dicom.pdus import DATA, EXPLICIT, SECONDARY_CAPTURE, command, element, pdu, value

FIND = "1.2.840.10008.5.1.4.31"
WANTED = command(C_FIND_RQ, sop_class=FIND)
CANCEL = 0x0120


@dataclass
class Acceptor:
    """An association of two contexts: 1 stores, 3 finds; it takes note of why it was broken off."""

    site: Any = None
    broken: list[BrokenPdu] = field(default_factory=list)
    stored: list[tuple[Command, bool]] = field(default_factory=list)
    sent: list[P_DATA] = field(default_factory=list)
    maximum: int = 0
    gone: bool = False
    woken: int = 0

    def __post_init__(self) -> None:
        classes: Mapping[str, frozenset[int]] = {FIND: frozenset({C_FIND_RQ})}
        self.site = SimpleNamespace(classes=classes, arriving=self.arriving)
        self._accepted_cx = {
            number: SimpleNamespace(abstract_syntax=abstract, transfer_syntax=[EXPLICIT])
            for number, abstract in ((1, SECONDARY_CAPTURE), (3, FIND))
        }
        self.requestor = SimpleNamespace(maximum_length=self.maximum)
        self.dul = SimpleNamespace(
            to_provider_queue=SimpleNamespace(qsize=lambda: 0), send_pdu=self.sent.append
        )

    def arriving(self, command: Command, syntax: str, *, agreed: bool) -> Gathered:
        self.stored.append((command, agreed))
        return Gathered()

    def break_off(self, error: BrokenPdu) -> None:
        self.broken.append(error)

    def look_up(self) -> None:
        self.woken += 1

    def listen_again(self) -> None:
        self.woken += 1


def assembly(**how: Any) -> tuple[Assembly, Acceptor]:
    acceptor: Any = Acceptor(**how)
    return Assembly(acceptor), acceptor


def asked(content: bytes, *, number: int = 1) -> bytes:
    return pdu(DATA, value(content, command=True, last=True, number=number))


def brought(content: bytes, *, number: int = 1, last: bool = True) -> bytes:
    return pdu(DATA, value(content, command=False, last=last, number=number))


def test_a_request_and_what_it_brings_may_come_in_any_pieces() -> None:
    made, acceptor = assembly()
    told = command()
    made.take(pdu(DATA, value(told[:9], command=True, last=False)))
    made.take(pdu(DATA, value(told[9:], command=True, last=True) + value(b"ab", command=False, last=False)))
    assert made.receiving and made.next_request() is None
    made.take(brought(b"cd"))
    request = made.next_request()
    assert request is not None and (request[0].message_id, message_of(request[2])) == (7, b"abcd")
    assert made.busy and not acceptor.broken
    made.answered()
    assert not made.receiving


def test_what_is_agreed_on_is_told_to_who_takes_the_instance() -> None:
    made, acceptor = assembly()
    made.take(asked(command(sop_class="1.2.3.4")))
    assert [agreed for _, agreed in acceptor.stored] == [False]


@pytest.mark.parametrize(
    ("taken", "text"),
    [
        ([asked(command(), number=5)], "not agreed on"),
        ([asked(command()), brought(b"x", number=3)], "two presentation contexts"),
        ([brought(b"x")], "nothing announced"),
        ([asked(command()), asked(command())], "where its data set should be"),
        ([asked(command()), brought(b"x"), asked(command())], "before the answer"),
        ([asked(WANTED, number=3), brought(b"", number=3), asked(WANTED, number=3)], "before the answer"),
        ([asked(command(C_FIND_RQ))], "nobody serves"),
        ([asked(command(data=False))], "nobody serves"),
        ([asked(command(1 | RESPONSE))], "nothing that was asked"),
        ([pdu(DATA, value(bytes(COMMAND_BYTES + 1), command=True, last=False))], "a command of more than"),
        ([asked(WANTED, number=3), brought(bytes(DATA_BYTES + 1), number=3, last=False)], "a data set of more"),
        ([asked(b"\x00" * 7)], "without its head"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)  # fmt: skip
def test_what_has_no_place_ends_the_association(taken: list[bytes], text: str) -> None:
    made, acceptor = assembly()
    for each in taken:
        made.take(each)
    assert [text in str(error) for error in acceptor.broken] == [True]


def test_what_pynetdicom_read_itself_is_not_taken() -> None:
    made, acceptor = assembly()
    made.receive_primitive(P_DATA())
    assert len(acceptor.broken) == 1 and made.next_request() is None


@pytest.mark.parametrize(("of", "cancelled"), [(7, True), (8, False)])
def test_only_the_request_that_is_served_is_cancelled(of: int, cancelled: bool) -> None:
    made, acceptor = assembly()
    made.take(asked(WANTED, number=3))
    made.take(brought(b"", number=3))
    assert not made.busy, "its C-CANCEL may come"
    inside = element(0x0100, pack("<H", C_CANCEL_RQ)) + element(CANCEL, pack("<H", of))
    made.take(asked(inside + element(0x0800, pack("<H", 0x0101)), number=3))
    assert made.cancelled is cancelled and not acceptor.broken


@pytest.mark.parametrize(("maximum", "sizes"), [(10, [4, 4, 2]), (0, [10]), (7, [1] * 10)])
def test_what_is_sent_fits_what_the_peer_takes(maximum: int, sizes: list[int]) -> None:
    made, acceptor = assembly(maximum=maximum)
    made.send(b"", b"0123456789", 3)
    [values] = zip(*(each.presentation_data_value_list for each in acceptor.sent), strict=True)
    assert [len(content) - 1 for _, content in values] == sizes
    assert b"".join(content[1:] for _, content in values) == b"0123456789"
    assert [content[0] for _, content in values] == [*[0] * (len(sizes) - 1), 2]


def test_a_request_of_ours_that_nobody_answers_has_no_status() -> None:
    made, acceptor = assembly()
    assert made.ask(b"command", b"", 1, 4, 0.01) is None
    acceptor.gone = True
    assert made.ask(b"command", b"", 1, 5, 60) is None


def test_what_was_not_handed_in_is_given_up() -> None:
    made, _ = assembly()
    made.take(asked(command()))
    made.take(brought(b"whole"))
    [(_, _, whole)] = made._requests
    made.discard()
    assert message_of(whole) == b""
