"""`passerelle explain`: what each step changes, which destinations are served and why, from files alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine.security.certificates import make_dev_certificates
from tests.cli.invoking import ROOT, Ended, Shell

CONFIG = """\
engine: {name: test}
listen:
  door: {rest: 127.0.0.1:0}
partners:
  clinic:
    endpoints:
      box: {inbox: clinic, phi: full}
      emr: {webhook: "http://127.0.0.1:9/hook", phi: full}
      mail: {inbox: mail, phi: full}
"""
ROUTE = """\
route: notes
from: {door: POST /notes}
order_by: msg.id
keys: {note: msg.id}
steps:
  - require: {that: msg.id != "", at: id, message: has no id}
  - keep: msg.kind != "noise"
  - set: {kind: "{upper(msg.kind)}", sent.by: engine}
to:
  - {endpoint: clinic.box, when: msg.kind == "A"}
  - one_of:
      - {endpoint: clinic.emr, when: msg.kind == "B"}
      - {endpoint: clinic.mail, otherwise: true}
"""


def write(folder: Path, route: str, name: str = "notes", config: str = CONFIG) -> None:
    (folder / "routes").mkdir(exist_ok=True)
    (folder / "routes" / f"{name}.yaml").write_text(route, encoding="utf-8")
    (folder / "config.yaml").write_text(config, encoding="utf-8")


def explained(shell: Shell, note: object, *options: str, route: str = ROUTE) -> Ended:
    write(shell.folder, route)
    (shell.folder / "note.json").write_text(json.dumps(note), encoding="utf-8")
    return shell("explain", "notes", "note.json", *options)


def test_each_step_is_shown_with_what_it_changed(shell: Shell) -> None:
    ended = explained(shell, {"id": "1", "kind": "a", "amount": 1.50}, "--json")
    steps = ended.json["messages"][0]["steps"]
    assert [(each["step"], each["at"]) for each in steps] == [
        ("require", "routes/notes.yaml:6"),
        ("keep", "routes/notes.yaml:7"),
        ("set", "routes/notes.yaml:8"),
    ]
    assert [each["changes"] for each in steps[:2]] == [[], []]
    assert steps[2]["changes"] == [
        {"path": "kind", "before": '"a"', "after": '"A"'},
        {"path": "sent.by", "before": None, "after": '"engine"'},
    ]


def test_each_destination_says_why_it_is_served_or_not(shell: Shell) -> None:
    view = explained(shell, {"id": "1", "kind": "a"}, "--json").json["messages"][0]
    assert [(each["destination"], each["taken"], each["when"]) for each in view["destinations"]] == [
        ("clinic.box", True, 'msg.kind == "A"'),
        ("clinic.emr", False, 'msg.kind == "B"'),
        ("clinic.mail", True, "otherwise"),
    ]


def test_what_is_delivered_stands_at_the_end(shell: Shell) -> None:
    view = explained(shell, {"id": "1", "kind": "b"}, "--json").json["messages"][0]
    assert view["order_by"] == ["1"]
    assert view["keys"] == [{"name": "note", "value": "1"}]
    assert [(each["destination"], each["state"], each["endpoints"]) for each in view["deliveries"]] == [
        ("clinic.emr", "pending", ["clinic.emr"])
    ]


def test_a_refusal_names_the_step_and_the_path(shell: Shell) -> None:
    ended = explained(shell, {"id": "", "kind": "a"})
    assert ended.code == 1
    assert "routes/notes.yaml:6  require  refuses it" in ended.out
    assert "id: has no id" in ended.out
    assert ended.out.rstrip().endswith("its sender is refused")


def test_what_a_step_filters_goes_nowhere(shell: Shell) -> None:
    ended = explained(shell, {"id": "1", "kind": "noise"})
    assert ended.code == 0
    assert "routes/notes.yaml:7  keep  filtered out" in ended.out
    assert "filtered" in ended.out.splitlines()[-2]


def test_what_a_step_splits_goes_on_part_by_part(shell: Shell) -> None:
    route = ROUTE.replace("  - set:", "  - split: parts\n  - set:")
    view = explained(shell, {"id": "1", "parts": [{"kind": "a"}, {"kind": "b"}]}, "--json", route=route).json
    steps = view["messages"][0]["steps"]
    assert [(each["step"], each["documents"]) for each in steps][2:] == [("split", 2), ("set", 1), ("set", 1)]


def test_what_cannot_be_read_ends_with_1(shell: Shell) -> None:
    write(shell.folder, ROUTE)
    (shell.folder / "note.json").write_text("{", encoding="utf-8")
    assert shell("explain", "notes", "note.json").code == 1


def test_an_unknown_route_is_told_with_the_one_that_was_meant(shell: Shell) -> None:
    write(shell.folder, ROUTE)
    (shell.folder / "note.json").write_text("{}", encoding="utf-8")
    ended = shell("explain", "nots", "note.json")
    assert (ended.code, 'did you mean "notes"?' in ended.err) == (3, True)


def test_french_is_spoken(shell: Shell) -> None:
    ended = explained(shell, {"id": "1", "kind": "b"}, "--lang", "fr")
    assert "routes/notes.yaml:6  require  inchangé" in ended.out
    assert "-> clinic.box  non servie" in ended.out


def test_each_subscriber_is_told_of_served_or_not(shell: Shell) -> None:
    config = CONFIG.replace(
        "    endpoints:\n",
        "    subscriptions:\n"
        "      - {events: booked, endpoint: box, when: msg.kind == 'a'}\n"
        "      - {events: moved, endpoint: mail}\n"
        "    endpoints:\n",
    )
    write(
        shell.folder, "route: notes\nfrom: {door: POST /notes}\nto: [{subscribers: event}]\n", config=config
    )
    event = {"specversion": "1.0", "id": "1", "source": "/x", "type": "booked", "data": {"kind": "a"}}
    (shell.folder / "note.json").write_text(json.dumps(event), encoding="utf-8")
    ended = shell("explain", "notes", "note.json", "--json")
    assert ended.code == 0, ended.err
    view = ended.json["messages"][0]
    assert [(each["destination"], each["taken"], each["when"]) for each in view["destinations"]] == [
        ("clinic.box", True, "booked when msg.kind == 'a'"),
        ("clinic.mail", False, "moved"),
    ]
    assert [each["destination"] for each in view["deliveries"]] == ["clinic.box"]


def test_an_entry_for_subscribers_that_does_not_hold_says_its_own_condition(shell: Shell) -> None:
    config = CONFIG.replace(
        "    endpoints:\n", "    subscriptions: [{events: booked, endpoint: box}]\n    endpoints:\n"
    )
    entry = "{subscribers: event, when: meta.event.type == 'moved'}"
    write(shell.folder, f"route: notes\nfrom: {{door: POST /notes}}\nto: [{entry}]\n", config=config)
    event = {"specversion": "1.0", "id": "1", "source": "/x", "type": "booked", "data": {"kind": "a"}}
    (shell.folder / "note.json").write_text(json.dumps(event), encoding="utf-8")
    ended = shell("explain", "notes", "note.json")
    assert "-> clinic.box  not taken: meta.event.type == 'moved'" in ended.out


# --------------------------------------------------------------------------- the shipped projects


@pytest.fixture
def hospital(shell: Shell) -> Shell:
    shutil.copytree(ROOT / "routes" / "hl7", shell.folder, dirs_exist_ok=True)
    return shell


def test_hl7_is_shown_by_field(hospital: Shell) -> None:
    ended = hospital("explain", "adt-hsj", "samples/admission.hl7")
    assert ended.code == 0, ended.err
    assert "imagerie.adt: set  2 changes\n    MSH-5\n      - PASSERELLE\n      + RIS\n" in ended.out
    assert "imagerie.adt: remove  6 changes" in ended.out


def test_a_message_that_the_route_does_not_take_ends_with_3(hospital: Shell) -> None:
    ended = hospital("explain", "adt-hsj", "samples/schedule.hl7")
    assert ended.code == 3
    assert "this door takes ADT^A01..A13, ADT^A31, ADT^A40" in ended.out
    assert "not taken by this route" in ended.out


def test_what_was_taken_out_is_told_without_its_bytes(hospital: Shell) -> None:
    ended = hospital("explain", "oru-labo", "samples/results.hl7")
    assert "vars.pdf = type application/pdf, size 36" in ended.out
    assert "%PDF" not in ended.out


@pytest.fixture
def shipped(shell: Shell) -> Shell:
    """The shipped project in a folder of its own, with certificates: a clean tree has none."""
    for name in ("routes", "mappings"):
        shutil.copytree(ROOT / name, shell.folder / name)
    shutil.copy(ROOT / "config.yaml", shell.folder)
    make_dev_certificates(
        shell.folder / "certs", ["platform", "clinique-abc", "clinique-nord", "clinique-sud"]
    )
    return shell


def test_an_endpoint_that_the_partner_lacks_is_told(shipped: Shell) -> None:
    ended = shipped("explain", "appointment-to-clinic", "routes/samples/booked.json")
    assert "    not clinique-abc.queue: there is no such endpoint\n" in ended.out


def test_a_mapped_document_is_shown_whole(shipped: Shell) -> None:
    ended = shipped("explain", "appointment-to-clinic", "routes/samples/booked.json", "--json")
    steps = {each["step"]: each for each in ended.json["messages"][0]["steps"]}
    assert json.loads(steps["map"]["document"])["type"] == "appointment-booked"
    assert steps["partner"]["told"] == {"partner": "clinique-abc"}
