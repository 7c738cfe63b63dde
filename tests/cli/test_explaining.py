"""A rehearsal: which door and codec a file stands for, and what a route makes of what cannot be routed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.cli.explaining import Explained, Rehearsal
from engine.config.load import load_configuration
from engine.errors import ConfigurationError, NotFound
from engine.testing.virtual_clock import VirtualClock

CONFIG = """\
engine: {name: test}
listen:
  analyser: {mllp: 127.0.0.1:0, partner: clinic}
  door: {rest: 127.0.0.1:0}
  other: {rest: 127.0.0.1:0, codec: fhir}
partners:
  clinic:
    endpoints:
      box: {inbox: clinic, phi: full}
"""
ROUTES = {
    "results": """\
from: analyser
accept: {types: [ORU]}
order_by: msg.MSH-3
keys: {result: meta.control_id}
steps: [{keep: msg.OBX-11 != "P"}]
to: [clinic.box]
""",
    "judged": """\
from: analyser
accept: {types: [ADT]}
acknowledge: stored
steps: [{validate: hl7v2}]
to: [clinic.box]
""",
    "notes": """\
from: {door: POST /notes, other: POST /notes}
steps: [{require: {that: msg.id != "", at: id, message: has no id}}]
to: [clinic.box]
""",
    "below": "to: [clinic.box]\n",
    "above": "from: {door: POST /above}\nto: [{route: below}]\n",
}
RESULT = b"MSH|^~\\&|LAB|HUG|EMR|HUG|20260102030405||ORU^R01^ORU_R01|A-1|P|2.5.1\rOBX|1|NM|K||4.1||||||F\r"


def rehearsal(folder: Path, **changed: str) -> Rehearsal:
    (folder / "routes").mkdir(exist_ok=True)
    for name, text in {**ROUTES, **changed}.items():
        (folder / "routes" / f"{name}.yaml").write_text(f"route: {name}\n{text}", encoding="utf-8")
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    loaded = load_configuration(folder / "config.yaml", environ={})
    return Rehearsal(loaded, VirtualClock(datetime(2026, 11, 2, 9, tzinfo=UTC)))


@pytest.fixture
def found(tmp_path: Path) -> Rehearsal:
    return rehearsal(tmp_path)


def explained(found: Rehearsal, route: str, content: bytes, file: str = "m") -> Explained:
    door = found.door(route, None)
    return found.explain(route, door, content, found.reader(door, Path(file)), file)


def faults(found: Explained) -> list[tuple[str, str]]:
    return [(fault.path, fault.code) for fault in found.refused]


# --------------------------------------------------------------------------- doors


def test_a_routes_first_door_is_taken_where_none_is_named(found: Rehearsal) -> None:
    assert found.door("notes", None).listener == "door"
    assert found.door("notes", "other").listener == "other"


@pytest.mark.parametrize(
    ("route", "listener", "why"),
    [
        ("nots", None, r'no route "nots"; did you mean "notes"\?$'),
        ("notes", "analyser", "no door at analyser"),
        ("below", None, "no door of its own: explain one that hands on to it"),
    ],
)
def test_a_door_that_is_not_there_is_told_with_those_that_are(
    found: Rehearsal, route: str, listener: str | None, why: str
) -> None:
    with pytest.raises(NotFound, match=why):
        found.door(route, listener)


def test_a_configuration_that_does_not_compile_cannot_be_rehearsed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"results\.yaml:\d+:"):
        rehearsal(tmp_path, results='from: analyser\nsteps: [{keep: "msg.OBX-"}]\nto: [clinic.box]\n')


# --------------------------------------------------------------------------- codecs


@pytest.mark.parametrize(
    ("route", "listener", "file", "codec"),
    [
        ("results", None, "m.json", "hl7v2"),
        ("notes", "other", "m.hl7", "fhir"),
        ("notes", "door", "m.HL7", "hl7v2"),
        ("notes", "door", "m.er7", "hl7v2"),
        ("notes", "door", "m.txt", "text"),
        ("notes", "door", "-", "json"),
    ],
)
def test_a_door_says_how_its_files_are_read_else_their_names(
    found: Rehearsal, route: str, listener: str | None, file: str, codec: str
) -> None:
    assert found.reader(found.door(route, listener), Path(file)) == codec


# --------------------------------------------------------------------------- what becomes of a message


def test_what_is_routed_has_its_kind_its_keys_and_its_deliveries(found: Rehearsal) -> None:
    told = explained(found, "results", RESULT)
    assert (told.kind, told.codec, told.taken, told.stored, told.waits) == (
        "ORU^R01", "hl7v2", True, False, False,
    )  # fmt: skip
    assert (told.lane, list(told.keys)) == ("LAB", [("result", "A-1")])
    assert told.routed is not None
    assert [each.destination for each in told.routed.deliveries] == ["clinic.box"]
    assert not told.refused


@pytest.mark.parametrize(
    ("route", "content", "code"),
    [
        ("results", b"", "malformed"),
        ("results", b"PID|1", "malformed"),
        ("notes", b"{", "malformed"),
        ("notes", b"\xff\xfe", "malformed"),
        ("notes", b'{"id": 1, "id": 2}', "malformed"),
    ],
)
def test_what_cannot_be_read_is_told_and_never_raised(
    found: Rehearsal, route: str, content: bytes, code: str
) -> None:
    told = explained(found, route, content)
    assert [fault.code for fault in told.refused] == [code]
    assert (told.taken, told.received, told.routed) == (False, None, None)


def test_what_the_route_does_not_accept_was_read_all_the_same(found: Rehearsal) -> None:
    told = explained(found, "results", RESULT.replace(b"ORU^R01^ORU_R01", b"ADT^A01^ADT_A01"))
    assert (told.kind, told.taken, told.routed) == ("ADT^A01", False, None)
    assert told.received is not None
    assert len(told.refused) == 1


def test_a_codec_that_the_route_was_not_made_for_is_refused(found: Rehearsal) -> None:
    told = found.explain("results", found.door("results", None), b'{"id": "1"}', "json", "m.json")
    assert [fault.code for fault in told.refused] == ["content_type"]
    assert not told.taken


def test_a_refusal_of_a_step_names_the_place(found: Rehearsal) -> None:
    told = explained(found, "notes", json.dumps({"id": ""}).encode())
    assert (told.taken, faults(told)) == (True, [("id", "incoherent")])


def test_a_message_that_its_standard_does_not_know_is_refused_before_the_first_step(found: Rehearsal) -> None:
    told = explained(found, "judged", RESULT.replace(b"ORU^R01^ORU_R01", b"ADT^A01^ADT_A01"))
    assert told.taken
    assert told.refused
    assert list(told.notes) == []
