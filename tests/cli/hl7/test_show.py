"""`hl7 show` names every field and shows nothing of a person unless it is asked to."""

from __future__ import annotations

import pytest

from engine.cli.exits import Exit
from tests.cli.hl7.samples import ADMISSION, TRANSFER, write
from tests.cli.invoking import Shell


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_a_message_is_a_tree_with_names_and_masked_values(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION)
    ended = shell("hl7", "show", "a.hl7")
    shown = lines(ended.out)
    assert ended.code == Exit.OK
    assert shown[0] == f"ADT^A01^ADT_A01 MSG00001 2.5.1 ascii, {len(ADMISSION)} B (a.hl7)"
    assert "MSH-3 ADT Sending application" in shown
    assert "PID-3[1].1 999999 Patient identifier list, ID number" in shown
    assert "PID-3[2].4.2 9.99.9 Patient identifier list, Assigning authority" in shown
    assert "PID-5.1 xxxxx Patient name, Family name" in shown
    assert "PID-7 99999999 Date time of birth" in shown
    assert "ZPV-1 xxxxxx" in shown
    assert "PV1-2 I Patient class" in shown
    for secret in ("ESSAI", "PATIENT\n", "000123", "99887", "19700131", "secret"):
        assert secret not in ended.out


def test_clear_shows_what_is_there(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION.replace(b"ESSAI", b"O\\T\\NEIL"))
    shown = lines(shell("hl7", "show", "--clear", "a.hl7").out)
    assert "PID-5.1 O&NEIL Patient name, Family name" in shown
    assert "PID-3[2].4.1 RAMQ Patient identifier list, Assigning authority" in shown


def test_json_has_paths_names_and_values_and_says_that_they_are_masked(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION)
    (view,) = shell("hl7", "show", "--json", "a.hl7").json["messages"]
    assert (view["type"], view["control_id"], view["masked"]) == ("ADT^A01^ADT_A01", "MSG00001", True)
    segments = {each["segment"]: each["fields"] for each in view["segments"]}
    assert list(segments) == ["MSH", "EVN", "PID", "PV1", "ZPV"]
    assert segments["PID"][0] == {"path": "PID-1", "name": "Set ID pid", "value": "1"}


def test_a_batch_and_a_capture_show_each_message(shell: Shell) -> None:
    write(
        shell.folder,
        batch=b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + ADMISSION + TRANSFER + b"BTS|2\rFTS|1\r",
        capture=b"\x0b" + ADMISSION + b"\x1c\r\x0b" + TRANSFER + b"\x1c\r",
    )
    for name in ("batch.hl7", "capture.hl7"):
        views = shell("hl7", "show", "--json", name).json["messages"]
        assert [view["control_id"] for view in views] == ["MSG00001", "MSG00002"]
        assert views[1]["place"] == f"{name}, message 2 of 2"


def test_a_null_an_absent_name_and_a_control_character_can_be_seen(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION.replace(b"||ESSAI^PATIENT||", b'||""||\x01\xe9'))
    shown = lines(shell("hl7", "show", "--clear", "a.hl7").out)
    assert 'PID-5 "" Patient name' in shown
    assert any(line.startswith("PID-7") and "\\x01" in line for line in shown)


def test_a_charset_that_is_said_wins(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION.replace(b"ESSAI", b"\x8f\x82"))
    (view,) = shell("hl7", "show", "--json", "--clear", "--charset", "IBM850", "a.hl7").json["messages"]
    values = [each["value"] for segment in view["segments"] for each in segment["fields"]]
    assert "Åé" in values


@pytest.mark.parametrize("data", [b"", b"hello", b"PID|1\r"])
def test_what_is_no_message_is_told_with_the_files_name(shell: Shell, data: bytes) -> None:
    write(shell.folder, a=data)
    ended = shell("hl7", "show", "a.hl7")
    assert ended.code == Exit.FAILED
    assert ended.err.startswith("a.hl7: ")
    assert ended.out == ""
