"""The guard takes what the standard allows, and refuses the rest by the bytes that really came."""

from __future__ import annotations

import random
from struct import pack
from time import perf_counter

import pytest

from channels._dicom.guard import ABORT, Bounds, BrokenPdu, abort_pdu, check, length_of
from tests.channels.dicom.pdus import (
    DATA,
    ECHO,
    EXPLICIT,
    RELEASE,
    SECONDARY_CAPTURE,
    associate,
    context,
    item,
    pdu,
    store,
    value,
)

BOUNDS = Bounds(256 * 1024)
GOOD = [
    associate(),
    associate(*(context(2 * n + 1, f"1.2.840.10008.5.1.4.1.1.{n}", [EXPLICIT] * 40) for n in range(127))),
    associate(user=b""),
    ECHO,
    store(b"x" * 100)[:200],
    RELEASE,
    abort_pdu(0),
    pdu(DATA, b"".join(value(b"ab", command=False, last=False) for _ in range(100))),
]

SHORT = [good for good in GOOD if len(good) < 2000]


def judged(data: bytes) -> str:
    """Return what the guard says of a PDU, "" where it lets it pass."""
    try:
        length = length_of(data[:6], BOUNDS)
        check(data[: 6 + length])
    except BrokenPdu as error:
        return str(error)
    return ""


@pytest.mark.parametrize("good", GOOD, ids=range(len(GOOD)))
def test_what_the_standard_allows_passes(good: bytes) -> None:
    assert judged(good) == ""


BAD = {
    "unknown type": pdu(9, b""),
    "an answer to a question we did not ask": pdu(2, bytes(100)),
    "4 GiB of data": pdu(DATA, b"", length=0xFFFFFFFF),
    "4 GiB of association": pdu(1, b"", length=0xFFFFFFFF),
    "a byte more than allowed": pdu(DATA, b"", length=256 * 1024 + 7),
    "a release of another length": pdu(5, bytes(5)),
    "an abort without a reason": pdu(ABORT, b""),
    "a value longer than its PDU": pdu(DATA, pack(">LBB", 100, 1, 3) + b"x"),
    "a value of 4 GiB": pdu(DATA, pack(">LBB", 0xFFFFFFFF, 1, 3) + b"x"),
    "a value of length one": pdu(DATA, pack(">LB", 1, 1) + b"x"),
    "a value with an even context": pdu(DATA, value(b"x", command=True, last=True, number=2)),
    "no value": pdu(DATA, b""),
    "half a value": pdu(DATA, pack(">LB", 9, 1)),
    "values by the thousand": pdu(DATA, value(b"", command=False, last=False) * 1000),
    "contexts by the hundred": associate(*(context(1, "1.2", ["1.2"]) for _ in range(129))),
    "UID items by the thousand": associate(context(1, SECONDARY_CAPTURE, ["1.2.3"] * 5000)),
    "a UID of 200 characters": associate(context(1, "1" * 200, [EXPLICIT])),
    "an empty UID": associate(context(1, "", [EXPLICIT])),
    "a context without transfer syntaxes": associate(context(1, SECONDARY_CAPTURE, [])),
    "an item longer than the PDU": pdu(1, associate()[6:-4]),
    "user information by the thousand": associate(user=item(0x55, b"x") * 1000),
    "an answer in pieces of a byte": associate(user=item(0x51, pack(">L", 7))),
    "a request that ends before its items": pdu(1, bytes(60)),
    "an item that nobody knows": associate(item(0x77, b"x")),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_what_breaks_the_protocol_is_refused(bad: bytes) -> None:
    assert judged(bad)


def test_a_length_is_judged_by_the_head_alone() -> None:
    with pytest.raises(BrokenPdu, match="more than 262150 bytes"):
        length_of(pdu(DATA, b"", length=0xFFFFFFFF), BOUNDS)


def mutated(source: random.Random) -> bytes:
    """Return a PDU of the standard with some bytes changed, left out or doubled."""
    data = bytearray(source.choice(SHORT))
    for _ in range(source.randint(1, 6)):
        at = source.randrange(len(data)) if data else 0
        match source.randrange(4):
            case 0:
                data[at : at + 1] = bytes([source.randrange(256)])
            case 1:
                del data[at : at + source.randint(1, 40)]
            case 2:
                data[at:at] = data[at : at + source.randint(1, 40)]
            case _:
                data[at : at + 4] = source.randbytes(4)
    return bytes(data)


def campaign(executions: int, *, seed: int) -> float:
    """Judge so many PDUs and return the seconds that the slowest took; anything but BrokenPdu is an error."""
    source = random.Random(seed)
    slowest = 0.0
    for number in range(executions):
        data = mutated(source) if number % 4 else source.randbytes(source.randint(0, 400))
        began = perf_counter()
        if len(data) >= 6:
            judged(data)
        slowest = max(slowest, perf_counter() - began)
    return slowest


def test_nothing_but_a_refusal_comes_of_50_000_broken_pdus() -> None:
    assert campaign(50_000, seed=20) < 5.0


@pytest.mark.soak
def test_nothing_but_a_refusal_comes_of_a_million_broken_pdus() -> None:
    seed = random.randrange(2**32)
    slowest = campaign(1_000_000, seed=seed)
    print(f"1,000,000 broken PDUs of seed {seed}, the slowest took {1000 * slowest:.1f} ms")
    assert slowest < 5.0
