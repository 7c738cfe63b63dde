"""Measure the HL7 v2 codec on one core: parse + 10 fields + write, and header + acknowledgement.

    python -m bench codec          kept in bench/figures.json
    python -m bench.codec          printed only

Each figure is the best of many short rounds, since other work on the machine only ever slows one down.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.codecs.hl7v2 import CODEC
from engine.codecs.hl7v2.acknowledging import acknowledge
from engine.codecs.hl7v2.header import header
from engine.model import Body, Message

ROUNDS = 300
PATHS = [
    "MSH-9.1",
    "MSH-9.2",
    "MSH-10",
    "PID-3.1",
    "PID-5.1",
    "PID-5.2",
    "PID-7",
    "PV1-2",
    "PV1-3.1",
    "PV1-19.1",
]
ADT = (
    b"MSH|^~\\&|ADT1|HSJ|LAB|CHUQ|20260114093012-0500||ADT^A01^ADT_A01|MSG00000000000001|P|2.5.1|||AL|NE|CAN|8859/1\r"
    b"EVN|A01|20260114093000|||1234^Roy^Julie^^^Dr\r"
    b"PID|1||1234567^^^HSJ^MR~TREM12345678^^^RAMQ^JHN||Tremblay^Jean^Paul^^M.||19700131|M|||12 rue des Erables^app 3"
    b"^Quebec^QC^G1R 2S5^CAN||418-555-0100^PRN^PH~418-555-0101^WPN^PH|||M|||987654^^^HSJ^VN\r"
    b"NK1|1|Tremblay^Marie|SPO^Spouse|12 rue des Erables^^Quebec^QC^G1R 2S5|418-555-0102\r"
    b"PV1|1|I|3W^312^1^HSJ||||1234^Roy^Julie^^^Dr|5678^Gagnon^Luc^^^Dr||MED||||1|||1234^Roy^Julie|INP|V123456"
    b"|||||||||||||||||||||||||20260114093000\r"
    b"AL1|1|DA|PEN^Penicilline|SV|Rash\rDG1|1||I10^Hypertension^I10|||A\rIN1|1|RAMQ^RAMQ|RAMQ|Regie\r"
)
RESULT = "OBX|%d|NM|%d-1^Analyte^LN||%d.5|mmol/L|3.5-5.0|N|||F|||20260114090000||1234^Tech\r"


def sized(size: int) -> bytes:
    """Return the ADT with results behind it, up to about `size` bytes."""
    data = ADT
    number = 0
    while len(data) < size:
        number += 1
        data += (RESULT % (number, 1000 + number, number)).encode()
    return data


def per_second(work: Callable[[], object], times: int) -> float:
    """Return how often a second `work` runs, in its best round."""
    best = 0.0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(times):
            work()
        best = max(best, times / (time.perf_counter() - start))
    return best


def carried(data: bytes, *, change: bool) -> Callable[[], bytes]:
    """Return the work on one message: parse, read 10 fields, maybe set one, write."""
    message = Message("0" * 20, "door", Body.of(data), "hl7v2", 0)
    gets = [CODEC.path(path).get for path in PATHS]
    path = CODEC.path("MSH-5")

    def work() -> bytes:
        document = CODEC.decode(message)
        root = document.root
        for get in gets:
            get(root)
        if change:
            path.set(root, "RIS")
        return CODEC.encode(document)

    return work


def measure() -> dict[str, float]:
    """Return the figures of TARGETS, in messages a second; `*_set` sets one field besides."""
    found: dict[str, float] = {}
    for name, size in (("er7_1kB", 1_000), ("er7_10kB", 10_000)):
        data = sized(size)
        found[name] = per_second(carried(data, change=False), 50)
        found[f"{name}_set"] = per_second(carried(data, change=True), 50)
    read = header(ADT)
    new, now = "0" * 20, "20260114093012-0500"
    found["header_ack"] = per_second(lambda: acknowledge(header(ADT), "AA", id=new, now=now), 200)
    found["ack_alone"] = per_second(lambda: acknowledge(read, "AA", id=new, now=now), 200)
    return found


def main() -> None:
    """Print the figures."""
    for name, rate in measure().items():
        print(f"{name:14} {rate:9,.0f}/s")


if __name__ == "__main__":
    main()
