"""`passerelle new mapping`: a mapper begun from messages, of which nothing but their shape is written."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from engine.cli.starting import camel
from tests.api.project import write_project
from tests.cli.invoking import ROOT, Shell

RESULT = (
    "MSH|^~\\&|LAB|LABO|EMR|ABC|20261102090000||ORU^R01^ORU_R01|LAB1|P|2.5.1\r"
    "PID|1||0001^^^HSJ&1.2.3&ISO^MR~TREZ^^^RAMQ^JHN||Tremblay^Zoe||19800101|F\r"
    "NTE|1||a remark\r"
    "ORC|RE|CMD1\rOBR|1|CMD1|ACC1|CHIM^Chimie^L\r"
    "OBX|1|NM|GLU^Glucose^L||5.1|mmol/L\rNTE|1||of the result\rOBX|2|NM|NA^Sodium^L||140|mmol/L\r"
    "ZPA|1|interne\r"
)


def begun(shell: Shell, text: str = RESULT, *options: str) -> str:
    (shell.folder / "m.hl7").write_bytes(text.encode())
    ended = shell("new", "mapping", "results", "--from", "m.hl7", *options)
    assert ended.code == 0, ended.err
    return (shell.folder / "mappings" / "results.yaml").read_text(encoding="utf-8")


def rules(text: str) -> dict[str, Any]:
    """Return the top rules by their event path."""
    return {rule["event"]: rule for rule in yaml.safe_load(text)["rules"]}


def test_each_leaf_has_the_name_that_the_standard_gives_it(shell: Shell) -> None:
    found = rules(begun(shell))
    assert found["patient.dateTimeOfBirth"] == {
        "event": "patient.dateTimeOfBirth",
        "v2": "PID-7",
        "type": "ts",
    }
    assert found["message.messageControlId"]["fresh"] is True
    assert found["zpa.field2"]["v2"] == "ZPA-2"


def test_what_repeats_is_a_list(shell: Shell) -> None:
    identifiers = rules(begun(shell))["patient.patientIdentifierList[]"]
    assert identifiers["v2"] == "PID-3"
    assert [each["event"] for each in identifiers["rules"]] == [
        "idNumber",
        "assigningAuthority",
        "identifierTypeCode",
    ]


def test_components_and_subcomponents_are_objects(shell: Shell) -> None:
    text = begun(shell)
    assert "      - event: assigningAuthority\n        v2: .4\n        rules:\n" in text
    assert "          - {event: universalId, v2: .2}\n" in text


def test_segments_that_belong_together_are_one_item(shell: Shell) -> None:
    orders = rules(begun(shell))["orders[]"]
    assert orders["v2"] == {"group": ["ORC", "OBR"]}
    inner = {each["event"]: each for each in orders["rules"]}
    assert inner["observations[]"]["v2"] == {"group": "OBX"}
    assert inner["observations[]"]["number"] == "OBX-1"
    assert "notes[]" in {each["event"] for each in inner["observations[]"]["rules"]}


def test_a_remark_on_the_patient_is_none_on_a_result(shell: Shell) -> None:
    assert rules(begun(shell))["notes[]"]["v2"] == {"group": "NTE"}


def test_nothing_of_what_the_message_says_is_written(shell: Shell) -> None:
    text = begun(shell)
    said = set(re.findall(r"[A-Za-z]{4,}|\d{4,}", RESULT)) - {"ORU_R01"}
    written = set(re.findall(r"[A-Za-z]{4,}|\d{4,}", text))
    assert said & written == set()


def test_a_message_that_is_made_begins_like_those_that_were_read(shell: Shell) -> None:
    read = yaml.safe_load(begun(shell))["v2"]
    assert read["messages"] == ["ORU^R01"]
    assert read["order"] == ["MSH", "PID", "NTE", "ORC", "OBR", "OBX", "ZPA"]
    assert read["create"] == "MSH|^~\\&|||||||ORU^R01^ORU_R01|||2.5.1||||||UNICODE UTF-8\rPID|\rZPA|\r"


def test_a_list_of_values_is_quoted_where_yaml_would_break(shell: Shell) -> None:
    assert '{event: "zpa.field3[]", v2: ZPA-3}' in begun(shell, RESULT.replace("interne", "interne|a~b"))


def test_lines_that_are_no_segments_are_left_out(shell: Shell) -> None:
    assert "//" not in begun(shell, RESULT + "// a comment\r")


def test_the_event_is_named(shell: Shell) -> None:
    text = begun(shell, RESULT, "--event", "laboratory-result-available")
    assert yaml.safe_load(text)["events"] == "laboratory-result-available"


def test_nothing_is_overwritten(shell: Shell) -> None:
    begun(shell)
    ended = shell("new", "mapping", "results", "--from", "m.hl7")
    assert (ended.code, "nothing is overwritten" in ended.err) == (4, True)


def test_a_name_that_no_file_should_have_is_refused(shell: Shell) -> None:
    (shell.folder / "m.hl7").write_bytes(RESULT.encode())
    assert shell("new", "mapping", "../x", "--from", "m.hl7").code == 2


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Date/time of birth", "dateTimeOfBirth"),
        ("Driver's license number", "driversLicenseNumber"),
        ("SSN number", "ssnNumber"),
        ("", ""),
        ("2nd", ""),
    ],
)
def test_names_are_lower_camel_case(said: str, name: str) -> None:
    assert camel(said) == name


def test_the_shipped_samples_can_all_be_begun_from(shell: Shell) -> None:
    for number, path in enumerate(sorted((ROOT / "routes" / "hl7" / "samples").glob("*.hl7"))):
        if path.stem != "unreadable":
            assert shell("new", "mapping", f"m{number}", "--from", str(path)).code == 0


# --------------------------------------------------------------------------- routes and partners


def test_a_route_is_begun_and_loads(shell: Shell) -> None:
    write_project(shell.folder)
    ended = shell("new", "route", "copies", "--from", "door POST /copies", "--to", "clinic.box")
    assert ended.code == 0, ended.err
    assert (shell.folder / "routes" / "copies.yaml").read_text() == (
        "route: copies\nfrom: {door: POST /copies}\nto:\n  - clinic.box\n"
    )
    assert shell("check").code == 0


def test_a_route_to_nobody_does_not_stay(shell: Shell) -> None:
    write_project(shell.folder)
    ended = shell("new", "route", "copies", "--from", "door POST /copies", "--to", "clinic.nowhere")
    assert (ended.code, "routes/copies.yaml:4:" in ended.err) == (2, True)
    assert not (shell.folder / "routes" / "copies.yaml").exists()


def test_a_partner_is_begun_where_it_is_taken_in(shell: Shell) -> None:
    write_project(shell.folder, extra="include: [partners/*.yaml]\n")
    ended = shell("new", "partner", "labo", "--endpoint", "adt=mllp:127.0.0.1:2591", "--phi", "full")
    assert ended.code == 0, ended.err
    assert 'adt: {mllp: "127.0.0.1:2591", phi: full}' in (shell.folder / "partners/labo.yaml").read_text()


def test_a_partner_that_nothing_takes_in_does_not_stay(shell: Shell) -> None:
    write_project(shell.folder)
    ended = shell("new", "partner", "labo", "--endpoint", "adt=mllp:127.0.0.1:2591")
    assert (ended.code, "add it to `include:`" in ended.err) == (3, True)
    assert not (shell.folder / "partners" / "labo.yaml").exists()
