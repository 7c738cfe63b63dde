"""Splitting by segment: each part has the heading of its patient and one group."""

from __future__ import annotations

import pytest

from engine.codecs.hl7v2 import CODEC
from engine.errors import Rejected
from tests.codecs.hl7v2.samples import ADT, ORU, message

HEADING = "MSH|^~\\&|LAB|CHUQ|EMR|HSJ|20260114||ORU^R01^ORU_R01|R1|P|2.5\rPID|1||77^^^HSJ^MR\r"


def parts(text: str, path: str) -> list[str]:
    document = CODEC.decode(message(text.encode()))
    return [CODEC.encode(part).decode() for part in CODEC.parts(document, CODEC.path(path))]


def test_a_group_brings_the_order_that_precedes_it() -> None:
    first, second = ORU.removeprefix(HEADING).split("ORC|RE|P2")
    assert parts(ORU, "OBR") == [HEADING + first, f"{HEADING}ORC|RE|P2{second}"]


def test_a_second_patient_has_a_heading_of_its_own() -> None:
    text = "MSH|^~\\&|A\rPID|1\rPV1|1\rOBR|1\rOBX|1\rPID|2\rOBR|2\rOBR|3\r"
    assert parts(text, "OBR") == [
        "MSH|^~\\&|A\rPID|1\rPV1|1\rOBR|1\rOBX|1\r",
        "MSH|^~\\&|A\rPID|2\rOBR|2\r",
        "MSH|^~\\&|A\rPID|2\rOBR|3\r",
    ]


def test_what_was_changed_before_stays_changed_and_parts_are_independent() -> None:
    document = CODEC.decode(message(ORU.encode()))
    CODEC.path("PID-3.1").set(document.root, "78")
    first, second = CODEC.parts(document, CODEC.path("OBR"))
    CODEC.path("MSH-10").set(first.root, "NEW")
    assert CODEC.path("MSH-10").get(second.root) == "R1"
    assert CODEC.path("PID-3.1").get(second.root) == "78"


def test_a_message_without_such_a_segment_has_no_parts() -> None:
    assert parts(ADT, "OBR") == []


@pytest.mark.parametrize("path", ["OBR-1", "OBR[1]", ".1"])
def test_only_a_segment_splits_a_message(path: str) -> None:
    with pytest.raises(Rejected):
        parts(ORU, path)
