"""Random streams, cut at random: the frames are those that a plain search finds; nothing is raised, nothing is slow.

What each frame holds goes on to what reads it first: its header, the acknowledgement made for it, and the reading of an
acknowledgement. `make soak` runs a million executions.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import time

import pytest

from channels._hl7.confirming import is_acknowledgement
from channels._hl7.heading import heading, holds_several
from channels.mllp.acknowledging import Acknowledger
from channels.mllp.framing import HEAD_BYTES, TOO_LARGE, Frame, FrameReader, Framing
from channels.mllp.link import quick_answer
from engine.clock import SystemClock
from engine.codecs.hl7v2.answers import read_ack
from engine.errors import MalformedMessage
from engine.ids import IdSource
from engine.model import Fault
from tests.channels.mllp.wire import message

FRAMINGS = (
    Framing(),
    Framing(),
    Framing(),
    Framing(b"\x02", b"\x03", b""),
    Framing(b"\x0b", b"\x1c", b""),
    Framing(b"\x01\x01", b"\x02\x03", b""),
    Framing(b"\x0b", b"\x1c\x1c\x1c", b"\r"),
)
SEEDS = (
    message(),
    message("B" * 20, accept="AL", application="ER", charset="8859/1"),
    message(sequence="17", body="OBX|1|ST|x||a\\X1C\\b\x1cc\rZZ1|\r"),
    b"MSH|^~\\&|RIS||SIH||20260114||ACK|R1|P|2.5.1\rMSA|AA|MSG00001|fine\rERR|||207^x^HL70357|E\r",
    b"FHS|^~\\&|A\rBHS|^~\\&|A||||||||B77\r" + message() + b"BTS|1\rFTS|1\r",
    b"\x06",
    b"",
)
PIECES = (b"\x0b", b"\x1c", b"\r", b"\x1c\r", b"\x1c\x1c", b"\x0b\x0b", b"\n", b"|", b"^", b"\\", b"MSH|", b"MSA|AA|",
          b"\x00", b"\xff", b"\x02", b"\x03", b"\x01", b"", b"\xe9", b"\xef\xbb\xbf", b"\x1b$B")  # fmt: skip
FAULTS = (Fault("PID-3[1]", "refusé | why\r", "missing"), Fault("", "late", "207"))
_clock = SystemClock()
ACKS = Acknowledger(_clock, IdSource(_clock).next, zone="America/Toronto", acks="auto")


def stream(chance: random.Random, framing: Framing) -> bytes:
    """Return frames, garbage and broken frames in a row."""
    data = bytearray()
    for _ in range(chance.randint(1, 4)):
        content = bytearray(chance.choice(SEEDS) * (chance.random() < 0.995 or 400))
        for _ in range(chance.choice((0, 0, 1, 3))):
            at = chance.randrange(len(content) + 1)
            content[at : at + chance.choice((0, 1, 40))] = chance.choice(PIECES)
        data += framing.wrap(bytes(content)) if chance.random() < 0.9 else bytes(content)
        data += chance.choice((b"", b"", b"", b"\r\n", b"GET / HTTP", chance.choice(PIECES)))
    return bytes(data)


def pieces(chance: random.Random, data: bytes) -> list[bytes]:
    """Cut a stream anywhere; sometimes at each frame, sometimes byte by byte."""
    if len(data) < 600 and chance.random() < 0.02:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice((0, 0, 1, 2, 6))))
    return [data[start:end] for start, end in itertools.pairwise([0, *cuts, len(data)])]


def found(data: bytes, framing: Framing, limit: int) -> list[Frame]:
    """Return the frames that a plain search over the whole stream finds."""
    close = framing.end + framing.tail
    frames: list[Frame] = []
    at = 0
    while (begin := data.find(framing.start, at)) >= 0:
        begin += len(framing.start)
        end = data.find(close, begin)
        if end < 0:
            break
        content = data[begin:end]
        large = len(content) > limit
        frames.append(Frame(content[:HEAD_BYTES] if large else content, end - begin, TOO_LARGE * large))
        at = end + len(close)
    return frames


def read(parts: list[bytes], framing: Framing, limit: int) -> list[Frame]:
    """Return the frames that the reader finds; it never keeps more than its limit and what came last."""
    reader = FrameReader(framing, limit)
    frames: list[Frame] = []
    for part in parts:
        before = reader.held
        reader.feed(part)
        while (frame := reader.next()) is not None:
            frames.append(frame)
        assert reader.held <= max(limit, HEAD_BYTES) + 8 or reader.held <= before + len(part)
    assert reader.held <= max(limit, HEAD_BYTES) + 8
    return frames


def used(content: bytes) -> None:
    """Do with a frame's content what a listener and an endpoint do first."""
    holds_several(content)
    is_acknowledgement(content)
    quick_answer(content, b"MSG00001")
    try:
        head = heading(content)
    except MalformedMessage:
        pass
    else:
        code = ("AA", "AE", "AR")[len(content) % 3]
        for ack in ACKS.answer(head, code, FAULTS, kept=code == "AE", sequence=head.fields[12]):
            assert ack.startswith(b"MSH")
    with contextlib.suppress(MalformedMessage):
        read_ack(content)


def run(seed: int, times: int) -> float:
    """Return the longest time of one execution, in seconds of this process."""
    chance = random.Random(seed)
    longest = 0.0
    for number in range(times):
        framing = chance.choice(FRAMINGS)
        data = stream(chance, framing)
        limit = chance.choice((0, 1, 60, 200, 2**14, 2**20))
        parts = pieces(chance, data)
        start = time.process_time()
        try:
            frames = read(parts, framing, limit)
            for frame in frames:
                used(frame.content)
        except Exception as error:
            error.add_note(f"seed {seed}, execution {number}: {parts!r:.2000}")
            raise
        longest = max(longest, time.process_time() - start)
        assert frames == found(data, framing, limit), f"seed {seed}, execution {number}"
    return longest


def test_fifty_thousand_streams_are_read_as_a_plain_search_reads_them() -> None:
    assert run(seed=1, times=50_000) < 1


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 12))
def test_a_million_streams_are_read_as_a_plain_search_reads_them(seed: int) -> None:
    slowest = run(seed, times=100_000)
    print(f"100,000 streams, the slowest took {1000 * slowest:.1f} ms")
    assert slowest < 1
