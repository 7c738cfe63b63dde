"""Random bytes around real shapes: nothing but named errors, nothing lost, nothing slow."""

from __future__ import annotations

import random
import time

import pytest

from engine.codecs.hl7v2.acknowledging import acknowledge
from engine.codecs.hl7v2.batch import read_batch
from engine.codecs.hl7v2.header import header
from engine.codecs.hl7v2.paths import compile_path
from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from engine.errors import MalformedMessage, Rejected
from engine.model import Fault
from tests.codecs.hl7v2.samples import ADT, ORU

SEEDS = (
    ADT.encode(),
    ORU.encode(),
    ORU.replace("\r", "\n").encode(),
    f"FHS|^~\\&|A\r\nBHS|^~\\&|A\r\n{ADT}BTS|1\r\nFTS|1".encode(),
    ADT.replace("Jean", "Éloïse").replace("|AL|NE", "|AL|NE||UNICODE UTF-8").encode(),
    ADT.replace("|AL|NE", "|AL|NE||~ISO IR87").replace("Jean", "山田").encode("iso2022_jp"),
)
PIECES = (b"|", b"^", b"~", b"\\", b"&", b"\r", b"\n", b"\r\n", b'""', b"MSH|", b"OBX|", b"\\X41\\", b"\xe9", b"\x1b$B",
          b"\x00", b"", b"\\.br\\", b"#", b"8859/1", b"FTS|", b"\x81")  # fmt: skip
PATHS = tuple(
    compile_path(text)
    for text in ("PID-3.1", "PID-5", "MSH-9.2", "MSH-18", 'PID-3[.5 == "JHN"].1', "OBX[*]-5[*].1", "OBX[2]-5.5",
                 'OBX[OBX-2 == "ED"]-5.5', "PID-3[2].4.2", "ZPV-2", "ZZZ-3[1].2")
)  # fmt: skip
VALUES = ("", "x", "a|b^c~d&e\\f", '""', "\r\n", "é", "\\H\\x\\N\\", None)


def mutated(chance: random.Random) -> bytes:
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(0, 6)):
        at = chance.randrange(40 if chance.random() < 0.4 else len(data) + 1)
        data[at : at + chance.choice((0, 0, 1, 2, 30))] = chance.choice(PIECES)
    return bytes(data)


def exercised(data: bytes, chance: random.Random) -> None:
    """Do with the bytes what the engine does; only named errors may leave, and the laws hold."""
    read_envelope(data)
    try:
        root = parse(data)
    except MalformedMessage:
        return
    for position in range(len(root.texts())):
        root.open(position).changed = True
    assert write(root) == data
    path, value = chance.choice(PATHS), chance.choice(VALUES)
    try:
        path.set(root, value)
        found = path.get(root)
        written = write(root)
    except Rejected:
        return
    assert found == value or (isinstance(found, list) and set(found) <= {value}) or value == ""
    if written.isascii() and b"\x1b" not in written:
        assert path.get(parse(written)) == found


def read_envelope(data: bytes) -> None:
    try:
        assert b"".join(read_batch(data).parts) == data
        found = header(data)
    except MalformedMessage:
        return
    faults = [Fault("PID-3", "refusé | why", "missing")]
    answer = acknowledge(found, "AE", id="1", now="2026", text="é", faults=faults)
    assert answer.startswith(b"MSH") and answer.count(b"\r") == 3


def run(seed: int, times: int) -> float:
    """Return the longest time of one execution, in seconds of this process."""
    chance = random.Random(seed)
    longest = 0.0
    for number in range(times):
        data = mutated(chance)
        start = time.process_time()
        try:
            exercised(data, chance)
        except Exception as error:
            error.add_note(f"seed {seed}, execution {number}: {data!r}")
            raise
        longest = max(longest, time.process_time() - start)
    return longest


def test_fifty_thousand_mutations_raise_named_errors_only() -> None:
    assert run(seed=1, times=50_000) < 1


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 12))
def test_a_million_mutations_raise_named_errors_only(seed: int) -> None:
    slowest = run(seed, times=100_000)
    print(f"100,000 mutations, the slowest took {1000 * slowest:.1f} ms")
    assert slowest < 1
