"""`passerelle map`: a mapper by hand, there and back, its losses, its golden folders and laws, its coverage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.invoking import Ended, Shell

MAPPER = """\
mapper: visit
version: 1.0.0
v2:
  messages: [ADT^A01, ADT^A04]
  order: [MSH, EVN, PID, NK1, PV1]
  create: "MSH|^~\\\\&|||||||ADT|||2.5.1||||||UNICODE UTF-8\\rEVN|\\rPID|1\\rPV1|1\\r"
events: {by: trigger, types: {admitted: encounter-started}, else: encounter-updated}
tables:
  trigger: {admitted: {v2: A01}, registered: {v2: A04}}
  sex: {male: {v2: M}, female: {v2: F}}
rules:
  - {event: message.id, v2: MSH-10, fresh: true}
  - {event: trigger, v2: MSH-9.2, table: trigger}
  - {event: patient.birthDate, v2: PID-7, type: ts}
  - {event: patient.sex, v2: PID-8, table: sex}
  - {event: visit.ward, v2: PV1-3.1}
  - event: patient.names[]
    v2: PID-5
    rules:
      - {event: family, v2: .1}
      - {event: given, v2: .2}
drop:
  - {path: ZPV-3, reason: number of the old system}
"""
MESSAGE = (
    "MSH|^~\\&|ADT|HSJ|RIS|LABO|20260114093012||ADT^A01^ADT_A01|M1|P|2.5.1\r"
    "EVN||20260114\rPID|1||0001^^^HSJ^MR||Essai^Zoe||19800131|F\rPV1|1|I|2N^214\rZPV|a|b|c\r"
)
EVENT = {
    "message": {"id": "M1"},
    "trigger": "admitted",
    "patient": {"birthDate": "1980-01-31", "sex": "female", "names": [{"family": "Essai", "given": "Zoe"}]},
    "visit": {"ward": "2N"},
}


@pytest.fixture
def visit(shell: Shell) -> Shell:
    """A shell beside a mapper and a message."""
    (shell.folder / "mappings").mkdir()
    (shell.folder / "mappings" / "visit.yaml").write_text(MAPPER, encoding="utf-8")
    (shell.folder / "m.hl7").write_bytes(MESSAGE.encode())
    return shell


def golden(shell: Shell, **files: str) -> Path:
    folder = shell.folder / "mappings" / "golden" / "visit" / "admission"
    folder.mkdir(parents=True)
    for name, text in files.items():
        ending = "hl7" if name == "message" else "json"
        (folder / f"{name}.{ending}").write_bytes(text.encode())
    return folder


# --------------------------------------------------------------------------- run


def test_a_message_becomes_an_event(visit: Shell) -> None:
    ended = visit("map", "run", "visit", "m.hl7")
    assert ended.code == 0, ended.err
    assert ended.json == EVENT


def test_a_message_comes_back_byte_for_byte_with_what_was_kept(visit: Shell) -> None:
    visit("map", "run", "visit", "m.hl7", "--keep", "kept.json")
    (visit.folder / "e.json").write_text(json.dumps(EVENT), encoding="utf-8")
    ended = visit("map", "run", "visit", "e.json", "--to", "v2", "--complement", "kept.json")
    assert (ended.code, ended.out) == (0, MESSAGE)


def test_a_message_that_is_made_of_an_event_alone_has_what_the_event_says(visit: Shell) -> None:
    (visit.folder / "e.json").write_text(json.dumps(EVENT), encoding="utf-8")
    ended = visit("map", "run", "visit", "e.json", "--to", "v2")
    assert "PID|1||||Essai^Zoe||19800131|F" in ended.out
    assert "0001" not in ended.out


def test_a_mapper_that_is_not_there_is_told_with_one_like_it(visit: Shell) -> None:
    ended = visit("map", "run", "visits", "m.hl7")
    assert (ended.code, "did you mean 'visit'?" in ended.err) == (3, True)


def test_a_mapper_may_be_a_file(visit: Shell) -> None:
    assert visit("map", "run", "mappings/visit.yaml", "m.hl7").json == EVENT


# --------------------------------------------------------------------------- report


def report_of(ended: Ended) -> dict[str, tuple[str, str]]:
    """Return state and why by path."""
    return {each["path"]: (each["state"], each["why"] or "") for each in ended.json["documents"][0]["losses"]}


def test_the_report_says_what_became_of_each_leaf(visit: Shell) -> None:
    found = report_of(visit("map", "run", "visit", "m.hl7", "--report", "--json"))
    assert found["PID-8"][0] == "mapped"
    assert found["PV1-2"][0] == "complement"
    assert found["ZPV-3"] == ("dropped", "number of the old system")


def test_the_report_names_fields_and_shows_no_value(visit: Shell) -> None:
    ended = visit("map", "run", "visit", "m.hl7", "--report")
    assert "Patient class" in ended.out
    assert "Essai" not in ended.out
    assert ended.out.splitlines()[-1].endswith("dropped")


def test_an_event_has_no_report(visit: Shell) -> None:
    (visit.folder / "e.json").write_text(json.dumps(EVENT), encoding="utf-8")
    assert visit("map", "run", "visit", "e.json", "--to", "v2", "--report").code == 2


# --------------------------------------------------------------------------- check


def test_a_good_mapper_passes(visit: Shell) -> None:
    golden(visit, message=MESSAGE, event=json.dumps(EVENT))
    ended = visit("map", "check", "visit", "--events", "20", "--json")
    assert ended.code == 0, ended.out
    mine = ended.json["mappers"][0]
    assert (mine["mapper"], mine["passed"], mine["goldens"], mine["events"]) == ("visit", True, 1, 20)


def test_what_goes_into_a_file_has_no_colours(visit: Shell) -> None:
    golden(visit, message=MESSAGE, event=json.dumps(EVENT))
    assert visit("map", "check", "visit", "--events", "3").out == "ok   visit: 1 golden, 3 events\n"


def test_a_file_that_is_neither_is_told_by_what_it_is_not(visit: Shell) -> None:
    (visit.folder / "hello.hl7").write_text("hello")
    ended = visit("map", "run", "visit", "hello.hl7")
    assert ended.code != 0
    assert "hello.hl7: neither HL7 v2, which begins with MSH, FHS or BHS, nor JSON; say --from" in ended.err


def test_a_law_that_fails_is_told_with_the_smallest_event(visit: Shell) -> None:
    path = visit.folder / "mappings" / "visit.yaml"
    trap = "  - {event: message.charset, v2: MSH-18}\n"  # it says how a message is written, not what it means
    text = MAPPER.replace("||||||UNICODE UTF-8", "").replace("rules:\n", f"rules:\n{trap}", 1)
    path.write_text(text, encoding="utf-8")
    ended = visit("map", "check", "visit", "--events", "20", "--json")
    assert ended.code == 1
    failures = {each["what"]: each["why"] for each in ended.json["mappers"][0]["failures"]}
    why = failures["get and put: HL7 -> event -> HL7 (seed 0)"]
    assert "MSH-18" in why.splitlines()[0]
    assert [line.strip().partition(":")[0] for line in why.splitlines()[1:4]] == [
        "{",
        '"message"',
        '"charset"',
    ]


def test_a_golden_event_that_differs_is_told_by_its_path(visit: Shell) -> None:
    other = {**EVENT, "visit": {"ward": "3S"}}
    golden(visit, message=MESSAGE, event=json.dumps(other))
    ended = visit("map", "check", "visit", "--events", "0")
    assert ended.code == 1
    assert 'event.json, read from message.hl7: visit.ward: expected "3S", found "2N"' in ended.out


def test_all_that_is_wrong_in_a_file_is_told_with_its_place(visit: Shell) -> None:
    path = visit.folder / "mappings" / "visit.yaml"
    text = MAPPER.replace("v2: PV1-3.1", "v2: PV1-x").replace("type: ts", "type: tss")
    path.write_text(text, encoding="utf-8")
    ended = visit("map", "check", "visit", "--json")
    assert ended.code == 2
    lines = {each["line"] for each in ended.json["problems"]}
    assert {14, 16} <= lines


# --------------------------------------------------------------------------- coverage


def test_coverage_counts_leaves_and_lists_what_is_left(visit: Shell) -> None:
    (visit.folder / "in").mkdir()
    (visit.folder / "in" / "a.hl7").write_bytes(MESSAGE.encode())
    (visit.folder / "in" / "b.hl7").write_bytes(MESSAGE.replace("ADT^A01", "ORU^R01").encode())
    ended = visit("map", "coverage", "visit", "in", "--json")
    assert ended.code == 0, ended.err
    found = ended.json["types"]["ADT^A01"]
    assert (found["messages"], found["byte_exact"], ended.json["passed_over"]) == (1, 1, 1)
    assert {"path": "PV1-2.1", "count": 1} in found["unmapped"]
    assert found["event"] + found["complement"] + found["dropped"] == pytest.approx(1, abs=0.001)


def test_no_message_of_the_mapper_ends_with_3(visit: Shell) -> None:
    (visit.folder / "x.hl7").write_bytes(MESSAGE.replace("ADT^A01", "ORU^R01").encode())
    assert visit("map", "coverage", "visit", "x.hl7").code == 3


def test_coverage_lists_what_leads_one_way(visit: Shell) -> None:
    path = visit.folder / "mappings" / "visit.yaml"
    more = "compute: [{v2: NTE-3, value: '{msg.patient.family}'}]\ndrop: [{path: ZZZ-1, reason: old}]\n"
    path.write_text(MAPPER.partition("drop:")[0] + more, encoding="utf-8")
    ended = visit("map", "coverage", "visit", "m.hl7", "--json")
    assert ended.json["one_way"] == [
        {"side": "v2", "path": "NTE-3", "why": "computed: {msg.patient.family}"},
        {"side": "", "path": "ZZZ-1", "why": "dropped: old"},
    ]
    assert "computed" in visit("map", "coverage", "visit", "m.hl7").out


# --------------------------------------------------------------------------- JSON of a partner's own

NOTICE = """
mapper: notice
version: 1.0.0
rules:
  - {event: patient, json: usager, type: any}
  - {event: start, json: debut, type: ts}
compute:
  - {json: texte, value: "{msg.start}, {partner.name}, {meta.event.type}"}
"""
SCOPE = {"partner": {"name": "clinique"}, "meta": {"event": {"type": "told"}}}
TOLD = {"texte": "2026-01-14, clinique, told", "usager": {"nom": "ESSAI"}, "debut": "2026-01-14"}


@pytest.fixture
def notice(shell: Shell) -> Shell:
    """A shell beside a mapper of JSON, an event and what computed values read."""
    (shell.folder / "mappings").mkdir()
    (shell.folder / "mappings" / "notice.yaml").write_text(NOTICE, encoding="utf-8")
    (shell.folder / "event.json").write_text(json.dumps({"patient": {"nom": "ESSAI"}, "start": "2026-01-14"}))
    (shell.folder / "scope.json").write_text(json.dumps(SCOPE))
    return shell


def test_run_computes_with_what_a_file_tells(notice: Shell) -> None:
    ended = notice("map", "run", "notice", "event.json", "--scope", "scope.json", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["documents"][0]["document"] == TOLD


def test_run_computes_with_the_envelope_of_an_event(notice: Shell) -> None:
    event = json.loads((notice.folder / "event.json").read_text())
    whole = {"specversion": "1.0", "id": "1", "source": "/x", "type": "moved", "data": event}
    (notice.folder / "event.json").write_text(json.dumps(whole))
    ended = notice("map", "run", "notice", "event.json", "--json")
    assert ended.json["documents"][0]["document"]["texte"] == "2026-01-14, , moved"


def test_a_scope_that_is_none_is_told(notice: Shell) -> None:
    (notice.folder / "scope.json").write_text('{"msg": {}}')
    ended = notice("map", "run", "notice", "event.json", "--scope", "scope.json")
    assert ended.code != 0
    assert "meta, sender and partner" in ended.err


def test_run_reads_json_back_and_reports_what_is_computed(notice: Shell) -> None:
    (notice.folder / "told.json").write_text(json.dumps(TOLD))
    ended = notice("map", "run", "notice", "told.json", "--from", "json", "--report", "--json")
    states = {each["path"]: each["state"] for each in ended.json["documents"][0]["losses"]}
    assert states == {"texte": "dropped", "usager.nom": "mapped", "debut": "mapped"}


def test_check_compares_json_goldens_both_ways(notice: Shell) -> None:
    folder = notice.folder / "mappings" / "golden" / "notice" / "one"
    folder.mkdir(parents=True)
    for name in ("event.json", "scope.json"):
        (folder / name).write_text((notice.folder / name).read_text())
    (folder / "document.json").write_text(json.dumps(TOLD))
    assert notice("map", "check", "notice", "--events", "20").code == 0
    (folder / "document.json").write_text(json.dumps({**TOLD, "texte": "other", "debut": "2026-01-15"}))
    ended = notice("map", "check", "notice", "--events", "0", "--json")
    why = " ".join(each["why"] for each in ended.json["mappers"][0]["failures"])
    assert "texte" in why
    assert "event.json, read from document.json: start" in why
