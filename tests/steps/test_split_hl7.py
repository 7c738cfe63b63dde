"""`split` of HL7: the messages of a batch file, and one message per group of segments."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from engine.errors import ExpressionError, MalformedMessage, Rejected
from engine.steps import step_type
from tests.steps.hl7_bench import REPORT, hl7_run
from tests.steps.test_steps import step

ONE = b"MSH|^~\\&|A|B|C|D|20260114||ADT^A01|M1|P|2.5\rEVN|A01\r"
TWO = b"MSH|^~\\&|A|B|C|D|20260114||ADT^A08|M2|P|2.5\rEVN|A08\r"
HEAD = b"MSH|^~\\&|LAB|CLINABC|EMR|HSJ|20260114093012||ORU^R01^ORU_R01|MSG00001|P|2.5.1\r"
PATIENT = b"PID|1||000123^^^HSJ^MR||ESSAI^PATIENT\r"


def test_a_group_takes_its_segments_and_repeats_those_above() -> None:
    first = b"ORC|RE|A1\rOBR|1|A1|F1|GLU\rOBX|1|NM|GLU^Glucose||5.2|mmol/L\r"
    second = (
        b"ORC|RE|A2\rOBR|2|A2|F2|RX\rOBX|1|ST|NOTE||ras\r"
        b"OBX|2|ED|RX^Rapport||RIS^Application^PDF^Base64^JVBERi0xLjQK\r"
    )
    assert hl7_run("split", {"group": "OBR"}) == [HEAD + PATIENT + first, HEAD + PATIENT + second]


def test_a_batch_becomes_its_messages_byte_for_byte() -> None:
    file = b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + ONE + TWO + b"BTS|2\rFTS|1\r"
    assert hl7_run("split", {"batch": True}, file) == [ONE, TWO]


def test_one_message_is_a_batch_of_itself() -> None:
    assert hl7_run("split", {"batch": True}, ONE) == [ONE]


def test_a_wrong_count_refuses_the_whole_file() -> None:
    with pytest.raises(MalformedMessage, match="BTS-1"):
        hl7_run("split", {"batch": True}, b"BHS|^~\\&|A\r" + ONE + b"BTS|2\r")


def test_more_parts_than_allowed_are_refused() -> None:
    with pytest.raises(Rejected, match="OBR is there more than 1 times"):
        hl7_run("split", {"group": "OBR", "at_most": 1}, REPORT)


def test_a_group_of_what_is_no_segment_is_told() -> None:
    with pytest.raises(ExpressionError):
        hl7_run("split", {"group": "obr"})


def test_json_has_no_batches() -> None:
    with pytest.raises(ExpressionError, match="only HL7"):
        step("split", {"batch": True})


@pytest.mark.parametrize("wrong", [{}, {"of": "OBX", "batch": True}, {"group": "OBR", "into": "x"}])
def test_one_way_of_splitting_is_said(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        step_type("split").config.model_validate(wrong)
