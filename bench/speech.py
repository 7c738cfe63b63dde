"""How load, sink and bare path speak: HTTP or MLLP; the marks of a message are found alike in both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.wire import DIGITS, LANE_MARK, MARK, framed

START, END = b"\x0b", b"\x1c\r"
_ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
_ACK = START + b"MSH|^~\\&|LABO|CHUL|SIH|HSJ|20260114093012||ACK^A01^ACK|A1|P|2.5.1\rMSA|AA|%b\r" + END


@dataclass(frozen=True, slots=True)
class Speech:
    """`taken` takes one message off a buffer, None while it is not whole; `answer` is the receiver's positive answer to
    one, and `good` tells whether an answer is positive."""

    taken: Callable[[bytearray], bytearray | None]
    answer: Callable[[bytes | bytearray], bytes]
    good: Callable[[bytearray], bool]


def frame(buffer: bytearray) -> bytearray | None:
    """Take one MLLP frame off a buffer, its block bytes included; None while it is not whole."""
    end = buffer.find(END)
    if end < 0:
        return None
    taken = buffer[: end + len(END)]
    del buffer[: end + len(END)]
    return taken


def acknowledged(message: bytes | bytearray) -> bytes:
    """Return the ACK of a numbered message: MSA-2 is its number as it stands in MSH-10."""
    at = message.find(MARK)
    return _ACK % bytes(message[at : at + len(MARK) + DIGITS])


SPEECHES = {
    "http": Speech(framed, lambda request: _ACCEPTED, lambda answer: answer[9:10] == b"2"),
    "mllp": Speech(frame, acknowledged, lambda answer: b"\rMSA|AA|" in answer),
}


class Admission:
    """An ADT^A01 of 831 bytes with its number in MSH-10 and the sending application, which makes the lane, in MSH-3."""

    _SIZE = 831
    _MESSAGE = (
        b"MSH|^~\\&|" + LANE_MARK + b"%(lane)04d|HSJ|LABO|CHUQ|20260114093012-0500||ADT^A01^ADT_A01|"
        + MARK + b"%(number)08d|P|2.5.1||||||8859/1\rEVN|A01|20260114093000|||1234^Fictif^Julie^^^Dr\r"
        b"PID|1||1234567^^^HSJ^MR~FICZ12345678^^^RAMQ^JHN||Fictive^Zelie^Anne||19700131|F|||12 rue des Erables^app 3"
        b"^Quebec^QC^G1R 2S5^CAN||418-555-0100^PRN^PH~418-555-0101^WPN^PH|||M|||987654^^^HSJ^VN\r"
        b"NK1|1|Fictif^Luc|SPO^Spouse|12 rue des Erables^^Quebec^QC^G1R 2S5|418-555-0102\r"
        b"PV1|1|I|3W^312^1^HSJ||||1234^Fictif^Julie^^^Dr|5678^Fictif^Luc^^^Dr||MED||||1|||1234^Fictif^Julie|INP|V123456"
        b"|||||||||||||||||||||||||20260114093000\rDG1|1||I10^Hypertension^I10|||A\r"
    )  # fmt: skip

    def __init__(self) -> None:
        short = self._SIZE - len(self._MESSAGE % {b"number": 1, b"lane": 1}) - len(b"NTE|1||\r")
        message = self._MESSAGE + b"NTE|1||" + b"x" * short + b"\r"
        self.size = len(message % {b"number": 1, b"lane": 1})
        self._request = START + message + END

    def request(self, number: int, lane: int) -> bytes:
        """Return the message in its frame."""
        return self._request % {b"number": number, b"lane": lane}
