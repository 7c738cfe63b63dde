"""`dicom show` and `dicom deidentify`: nothing of a person is shown unless it is asked for, originals stay."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pydicom
import pytest

from engine.cli.exits import Exit
from tests.cli.invoking import Shell
from tests.codecs.dicom.samples import ct, item, part10


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_an_instance_is_shown_with_names_and_masked_values(shell: Shell) -> None:
    put(shell.folder, "a.dcm", part10(ct()))
    ended = shell("dicom", "show", "a.dcm")
    shown = lines(ended.out)
    assert ended.code == Exit.OK
    assert shown[0].startswith("a.dcm 1.2.840.10008.1.2.1, ")
    assert "(0008,0060) CS CT Modality" in shown
    assert "(0010,0010) PN xxxxxxxx^xxx Patient's Name" in shown
    assert "(0010,0020) LO 9999 Patient ID" in shown
    assert "(0040,0275) SQ 2 items Request Attributes Sequence" in shown
    assert "(7FE0,0010) OW 8 bytes Pixel Data" in shown
    for secret in ("langer", "4711", "20260302", "A-1001", "private text", "1.2.3.4"):
        assert secret not in ended.out


def test_clear_shows_what_is_there(shell: Shell) -> None:
    put(shell.folder, "a.dcm", part10(ct()))
    wanted = ("--path", "PatientName", "--path", "RequestAttributesSequence")
    shown = lines(shell("dicom", "show", "--clear", *wanted, "a.dcm").out)
    assert "(0010,0010) PN Bélanger^Zoé Patient's Name" in shown
    assert "(0040,0007) LO Tête Scheduled Procedure Step Description" in shown
    assert not any("Modality" in line for line in shown)


def test_json_has_paths_that_routes_understand(shell: Shell) -> None:
    put(shell.folder, "a.dcm", part10(ct()))
    [view] = json.loads(shell("dicom", "show", "--json", "a.dcm").out)["instances"]
    assert view["masked"] is True and view["transfer_syntax"] == "1.2.840.10008.1.2.1"
    found = {each["path"]: each["value"] for each in view["attributes"]}
    assert found["RequestAttributesSequence[1].ScheduledProcedureStepID"] == "x9"
    assert found["ImageType"] == "ORIGINAL\\PRIMARY\\AXIAL" and found["(0029,1010)"] == "xxxxxxx xxxx"


def test_a_folder_stands_for_its_instances(shell: Shell) -> None:
    put(shell.folder, "study/1/a.dcm", part10(ct()))
    put(shell.folder, "study/2/b", part10(ct()))
    put(shell.folder, "study/notes.txt", b"nothing to see")
    assert len(json.loads(shell("dicom", "show", "--json", "study").out)["instances"]) == 2
    (shell.folder / "empty").mkdir()
    assert shell("dicom", "show", "empty").code == Exit.NOTHING
    sent = shell("dicom", "send", "127.0.0.1:1", "empty")
    assert (sent.code, "no file there is a DICOM instance" in sent.err) == (Exit.NOTHING, True)


def test_what_is_no_instance_is_told_with_its_name(shell: Shell) -> None:
    put(shell.folder, "a.dcm", b"no")
    ended = shell("dicom", "show", "a.dcm")
    assert ended.code == Exit.FAILED and "a.dcm: DICM is missing" in ended.err


def test_copies_are_of_nobody_and_hang_together(shell: Shell) -> None:
    study = {f"study/{number}.dcm": part10(ct(SOPInstanceUID=f"1.2.3.{number}")) for number in (1, 2)}
    before = [put(shell.folder, name, data) for name, data in study.items()]
    kept = [path.read_bytes() for path in before]
    put(shell.folder, "secret.txt", b"a secret of one destination\n")
    ended = shell("dicom", "deidentify", "--json", "study", "--out", "out", "--secret-file", "secret.txt",
                  "--option", "retain_full_dates", "--option", "clean_descriptors", "--word", "zorglub",
                  "--safe-private", '(0029,"PASSERELLE TEST",10)')  # fmt: skip
    assert (ended.code, ended.json["failures"]) == (Exit.OK, [])
    names = [each["copy"] for each in ended.json["written"]]
    made = [pydicom.dcmread(shell.folder / "out" / name) for name in names]
    assert [path.read_bytes() for path in before] == kept
    assert [f"{each.SOPInstanceUID}.dcm" for each in made] == names and len(set(names)) == 2
    assert len({each.StudyInstanceUID for each in made}) == 1
    assert made[0].StudyDate == "20260302" and made[0][0x00291010].value == "private text"
    assert re.fullmatch(r"[A-Z2-7]{16}", made[0].PatientID)
    again = shell("dicom", "deidentify", "study", "--out", "out", "--secret-file", "secret.txt")
    assert again.code == Exit.FAILED and again.out.startswith("0 written, 2 refused")


def test_without_a_secret_each_run_has_its_own(shell: Shell) -> None:
    put(shell.folder, "a.dcm", part10(ct()))
    for folder in ("one", "two"):
        assert shell("dicom", "deidentify", "a.dcm", "--out", folder, "--patient", "empty").code == Exit.OK
    names = {path.name for folder in ("one", "two") for path in (shell.folder / folder).iterdir()}
    assert len(names) == 2


def test_what_cannot_be_deidentified_is_told_and_the_others_are_written(shell: Shell) -> None:
    put(shell.folder, "a.dcm", part10(ct(BurnedInAnnotation="YES")))
    put(shell.folder, "b.dcm", part10(item(SOPClassUID="1.2", SOPInstanceUID="1.2.9")))
    put(shell.folder, "c.dcm", part10(ct())[:-3])
    ended = shell("dicom", "deidentify", "a.dcm", "b.dcm", "c.dcm", "--out", "out")
    assert ended.code == Exit.FAILED and ended.out.startswith("1 written, 2 refused")
    assert "a.dcm: (0028,0301): " in ended.out and "c.dcm: (7FE0,0010): " in ended.out
    passed = shell("dicom", "deidentify", "a.dcm", "--out", "out", "--burned-in", "pass")
    assert passed.code == Exit.OK


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--option", "retain_full_dates", "--option", "retain_modified_dates"), "not both"),
        (("--word", "x"), "cleans texts"),
        (("--option", "retain_everything"), "retain_everything"),
    ],
)
def test_options_that_contradict_are_a_usage_error(
    shell: Shell, arguments: tuple[str, ...], told: str
) -> None:
    put(shell.folder, "a.dcm", part10(ct()))
    ended = shell("dicom", "deidentify", "a.dcm", "--out", "out", *arguments)
    assert ended.code == Exit.USAGE and told in ended.err
