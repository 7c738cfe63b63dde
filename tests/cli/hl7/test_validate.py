"""`hl7 validate` names what is against the standard, and never a value."""

from __future__ import annotations

from engine.cli.exits import Exit
from tests.cli.hl7.samples import ADMISSION, write
from tests.cli.invoking import Shell

GOOD = ADMISSION.replace(b"ZPV|secret\r", b"")
BAD = GOOD.replace(b"PV1|1|I|", b"PV1|1||").replace(b"|F\r", b"|SECRET\r")


def test_a_good_message_ends_with_0(shell: Shell) -> None:
    write(shell.folder, a=GOOD)
    ended = shell("hl7", "validate", "a.hl7")
    assert (ended.code, ended.out) == (Exit.OK, "")


def test_errors_end_with_1_and_warnings_are_shown_on_request(shell: Shell) -> None:
    write(shell.folder, a=GOOD, b=BAD)
    ended = shell("hl7", "validate", "a.hl7", "b.hl7")
    assert (ended.code, ended.out) == (Exit.FAILED, "b.hl7: error: PV1-2 is required and missing\n")
    shown = shell("hl7", "validate", "--warnings", "--json", "b.hl7")
    (view,) = shown.json["messages"]
    assert {"severity": "warning", "path": "PID-8", "text": "is not in table HL70001"} in view["findings"]
    assert "SECRET" not in shown.out
