"""`hl7 diff` compares what fields say, whatever delimiters and line ends say it."""

from __future__ import annotations

from engine.cli.exits import Exit
from tests.cli.hl7.samples import ADMISSION, TRANSFER, write
from tests.cli.invoking import Shell


def test_the_same_message_ends_with_0(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION, b=ADMISSION.replace(b"\r", b"\r\n"))
    ended = shell("hl7", "diff", "a.hl7", "b.hl7")
    assert (ended.code, ended.out, ended.err) == (Exit.OK, "", "no difference\n")


def test_other_delimiters_are_no_difference(shell: Shell) -> None:
    other = ADMISSION.replace(b"\\", b"?").replace(b"&", b"!").replace(b"^", b"*").replace(b"~", b"@")
    write(shell.folder, a=ADMISSION, b=other.replace(b"|", b"+"))
    assert shell("hl7", "diff", "a.hl7", "b.hl7").code == Exit.OK


def test_differences_are_told_by_field_masked_and_end_with_1(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION, b=ADMISSION.replace(b"ESSAI^PATIENT", b"EXEMPLE^PATIENT^B"))
    ended = shell("hl7", "diff", "a.hl7", "b.hl7")
    assert ended.code == Exit.FAILED
    assert ended.out == (
        "PID-5.1  Patient name, Family name\n  - xxxxx\n  + xxxxxxx\n"
        "PID-5.3  Patient name, Second and further given names or initials thereof\n  + x\n"
    )


def test_clear_and_json_hold_the_values(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION, b=TRANSFER)
    ended = shell("hl7", "diff", "--clear", "--json", "a.hl7", "b.hl7")
    found = {each["path"]: (each["left"], each["right"]) for each in ended.json["differences"]}
    assert ended.json["same"] is False
    assert found == {
        "MSH-9.2": ("A01", "A02"),
        "MSH-9.3": ("ADT_A01", "ADT_A02"),
        "MSH-10": ("MSG00001", "MSG00002"),
        "EVN-1": ("A01", "A02"),
    }


def test_what_may_differ_is_ignored(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION, b=TRANSFER)
    ended = shell(
        "hl7", "diff", "a.hl7", "b.hl7", "--ignore", "MSH-9", "--ignore", "MSH-10", "--ignore", "EVN"
    )
    assert ended.code == Exit.OK


def test_an_added_segment_does_not_make_all_that_follow_different(shell: Shell) -> None:
    results = b"".join(b"OBX|%d|NM|GLU||5.%d\r" % (number, number) for number in range(1, 5))
    write(
        shell.folder,
        a=ADMISSION + results,
        b=ADMISSION + results.replace(b"OBX|3|", b"OBX|9|NM|NA||1\rOBX|3|"),
    )
    ended = shell("hl7", "diff", "--json", "a.hl7", "b.hl7")
    assert [each["path"] for each in ended.json["differences"]] == [
        "OBX[3]-1",
        "OBX[3]-2",
        "OBX[3]-3",
        "OBX[3]-5",
    ]
    assert {each["left"] for each in ended.json["differences"]} == {None}


def test_a_missing_message_of_a_batch_is_a_difference(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION + TRANSFER, b=ADMISSION)
    ended = shell("hl7", "diff", "a.hl7", "b.hl7")
    assert (ended.code, ended.out) == (Exit.FAILED, "2 messages, 1 messages\n")
