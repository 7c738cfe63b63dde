"""`each` changes every item in place, reads `it`, and leaves every other byte alone."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from engine.errors import ExpressionError, Rejected
from engine.steps import step_type
from tests.steps.hl7_bench import REPORT, hl7_run, hl7_step
from tests.steps.test_steps import run


def test_each_sets_a_field_of_every_segment_and_keeps_all_other_bytes() -> None:
    (made,) = hl7_run("each", {"of": "msg.OBX", "set": {"OBX-4": "{it.OBX-2}-{it.OBX-3.1}"}})
    assert made == (
        REPORT.replace(b"|GLU^Glucose||5.2", b"|GLU^Glucose|NM-GLU|5.2")
        .replace(b"|ST|NOTE||", b"|ST|NOTE|ST-NOTE|")
        .replace(b"|RX^Rapport||RIS", b"|RX^Rapport|ED-RX|RIS")
    )


def test_each_changes_only_the_items_for_which_its_condition_holds() -> None:
    (made,) = hl7_run("each", {"of": "msg.OBX", "when": 'it.OBX-2 == "NM"', "set": {"OBX-11": "F"}})
    assert made == REPORT.replace(b"|5.2|mmol/L\r", b"|5.2|mmol/L|||||F\r")


def test_each_removes_after_it_has_set() -> None:
    written = {"of": "msg.OBR", "set": {"OBR-20": "{it.OBR-4}"}, "remove": ["OBR-4"]}
    (made,) = hl7_run("each", written)
    assert b"OBR|1|A1|F1|||||||||||||||||GLU\r" in made
    assert b"OBR|2|A2|F2|||||||||||||||||RX\r" in made


def test_each_of_nothing_changes_nothing() -> None:
    assert hl7_run("each", {"of": "msg.NK1", "set": {"NK1-2": "x"}}) == [REPORT]


def test_each_takes_the_objects_of_an_array() -> None:
    found = run(
        "each", {"of": "msg.lines", "set": {"n": "{it.a}{msg.end}"}}, {"lines": [{"a": "1"}], "end": "!"}
    )
    assert found == [{"lines": [{"a": "1", "n": "1!"}], "end": "!"}]


def test_each_refuses_plain_values() -> None:
    with pytest.raises(Rejected) as caught:
        hl7_run("each", {"of": "msg.PID-3.1", "set": {"PID-3": "x"}})
    assert [(fault.path, fault.code) for fault in caught.value.faults] == [("PID-3.1", "unsettable")]


def test_a_path_of_another_segment_is_refused() -> None:
    with pytest.raises(Rejected, match="no segment OBR"):
        hl7_run("each", {"of": "msg.OBX", "set": {"OBR-4": "x"}})


def test_it_is_known_inside_only() -> None:
    with pytest.raises(ExpressionError, match="does not exist here"):
        hl7_step("each", {"of": "it.OBX", "set": {"OBX-4": "x"}})


def test_each_without_anything_to_do_is_refused_when_it_is_read() -> None:
    with pytest.raises(ValidationError, match="does nothing"):
        step_type("each").config.model_validate({"of": "msg.OBX"})
