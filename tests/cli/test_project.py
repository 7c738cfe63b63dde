"""Verbs that work on a project's files: init, certs, check, config, graph, schema."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from engine.cli.certs import names_in
from engine.cli.init import PROJECT
from engine.config.load import load_configuration
from tests.api.project import write_project
from tests.cli.invoking import ROOT, Shell


def test_a_new_project_is_good_as_it_is_written(shell: Shell) -> None:
    assert shell("init", "new").code == 0
    config = str(shell.folder / "new" / "config.yaml")
    assert shell("certs", "dev", "--config", config).code == 0
    checked = shell("check", "--strict", "--config", config)
    assert (checked.code, checked.err) == (0, "")


def test_a_new_project_passes_its_own_test(shell: Shell) -> None:
    shell("init", "new")
    config = str(shell.folder / "new" / "config.yaml")
    shell("certs", "dev", "--config", config)
    ended = shell("test", "--config", config)
    assert ended.code == 0, ended.out + ended.err


def test_a_new_project_keeps_its_secrets_out_of_git(shell: Shell) -> None:
    shell("init", "new")
    ignored = (shell.folder / "new" / ".gitignore").read_text().splitlines()
    assert {"certs/*", "!certs/README.md", "var/"} <= set(ignored)


def test_init_overwrites_nothing(shell: Shell) -> None:
    (shell.folder / "config.yaml").write_text("mine")
    ended = shell("init", ".")
    assert (ended.code, "config.yaml already" in ended.err) == (4, True)
    assert not (shell.folder / "routes").exists()


def test_every_template_is_in_the_package() -> None:
    templates = {path.name for path in (ROOT / "engine" / "cli" / "templates").iterdir()}
    assert templates == set(PROJECT.values())


def test_certificates_are_made_for_whom_the_configuration_names(shell: Shell) -> None:
    shell("init", ".")
    assert names_in(Path("config.yaml")) == ("clinic", "platform")


def test_names_in_comments_get_no_certificates(shell: Shell) -> None:
    (shell.folder / "config.yaml").write_text("a: certs/one.pem # not certs/two.pem\n")
    (shell.folder / "partners").mkdir()
    (shell.folder / "partners" / "b.yaml").write_text('san: "dns:three.localhost"\n')
    assert names_in(Path("config.yaml")) == ("one", "three")


def test_a_second_call_writes_no_certificate(shell: Shell) -> None:
    shell("init", ".")
    first, second = shell("certs", "dev"), shell("certs", "dev")
    assert "wrote certs/ca.pem" in first.out
    assert second.out == "everything is there already\n"


def test_certificates_are_listed_with_their_end(shell: Shell) -> None:
    shell("certs", "dev", "somebody")
    listed = shell("certs", "list", "--json")
    assert listed.code == 0
    found = {Path(each["file"]).name: each["days_left"] for each in listed.json["certificates"]}
    assert set(found) == {"ca.pem", "engine.pem", "somebody.pem"}
    assert min(found.values()) >= 364


def test_no_certificate_ends_with_3(shell: Shell) -> None:
    assert shell("certs", "list").code == 3


def test_a_mistake_is_found_where_it_stands(shell: Shell) -> None:
    write_project(shell.folder)
    route = shell.folder / "routes" / "notes.yaml"
    route.write_text(route.read_text().replace("require:", "reqire:"))
    plain, as_json = shell("check"), shell("check", "--json")
    assert (plain.code, plain.out) == (2, "")
    assert "routes/notes.yaml:5:5: error:" in plain.err
    assert (as_json.code, as_json.json["problems"][0]["line"]) == (2, 5)


def test_what_only_compiling_finds_is_found_before_a_run(shell: Shell) -> None:
    write_project(shell.folder)
    route = shell.folder / "routes" / "notes.yaml"
    route.write_text(route.read_text() + "accept: {types: [ADT^A01]}\n")
    ended = shell("check")
    assert ended.code == 2
    assert "json messages have no types" in ended.err


def test_event_types_that_nobody_takes_are_listed(shell: Shell) -> None:
    write_project(shell.folder)
    route = shell.folder / "routes" / "notes.yaml"
    everything = shell("check", "--json").json["untaken"]
    route.write_text(route.read_text() + "accept: {events: [appointment-booked, note-taken]}\n")
    plain, as_json = shell("check"), shell("check", "--json")
    known = {path.stem for path in (ROOT / "mappings" / "events").glob("*.json")}
    assert everything == []
    assert (plain.code, as_json.json["untaken"]) == (0, sorted(known - {"appointment-booked"}))
    assert f"no route takes {', '.join(as_json.json['untaken'])}\n" in plain.out
    assert {"appointment-cancelled", "appointment-modified"} <= known


def test_what_each_door_takes_is_explained(shell: Shell) -> None:
    write_project(shell.folder)
    ended = shell("check", "--explain", "--json").json
    assert ended["doors"] == [
        {"listener": "door", "selector": "POST /notes", "route": "notes", "kinds": [], "otherwise": "refused"}
    ]


def test_expressions_are_explained(shell: Shell) -> None:
    write_project(shell.folder)
    ended = shell("check", "--explain")
    assert 'routes/notes.yaml:5: msg.id != ""' in ended.out


def test_warnings_are_told_and_fail_a_strict_check(shell: Shell) -> None:
    write_project(shell.folder, extra="include: nothing/*.yaml\n")
    lenient, strict = shell("check"), shell("check", "--strict")
    assert (lenient.code, strict.code) == (0, 1)
    assert "warning" in lenient.err


def test_a_missing_configuration_is_told(shell: Shell) -> None:
    ended = shell("check")
    assert ended.code == 2
    assert "config.yaml" in ended.err
    assert "Traceback" not in ended.err


def test_the_configuration_is_shown_without_secrets(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOOR", "127.0.0.1:1234")
    (shell.folder / "token").write_text("very secret\n")
    config = write_project(
        shell.folder,
        extra='api: {tcp: 127.0.0.1:0, tokens: {nagios: {secret: "${file:token}", role: viewer}}}\n',
    )
    config.write_text(config.read_text().replace("127.0.0.1:0}", '"${env:DOOR}"}', 1))
    ended = shell("config", "show")
    shown = list(yaml.safe_load_all(ended.out))
    assert shown[0]["listen"]["door"]["rest"] == "127.0.0.1:1234"
    assert shown[0]["api"]["tokens"]["nagios"]["secret"] == "${file:token}"
    assert shown[1]["route"] == "notes"
    assert "very secret" not in ended.out + shell("config", "show", "--origins").out


def test_every_value_says_where_it_was_written(shell: Shell) -> None:
    write_project(shell.folder)
    ended = shell("config", "show", "--origins")
    assert "config.yaml:1: engine.name = test" in ended.out.splitlines()
    assert shell("config", "show", "--origins", "--json").json["engine.name"]["line"] == 1


@pytest.mark.parametrize(("form", "text"), [("mermaid", "flowchart LR"), ("dot", "digraph passerelle {")])
def test_the_picture_needs_no_engine(shell: Shell, form: str, text: str) -> None:
    write_project(shell.folder)
    ended = shell("graph", "--form", form)
    assert ended.out.startswith(text)
    assert "clinic.box" in ended.out


def test_schemas_and_pages_are_written(shell: Shell) -> None:
    assert shell("schema", "--write", "reference").code == 0
    names = {path.name for path in (shell.folder / "reference").iterdir()}
    assert {
        "config.schema.json",
        "route.schema.json",
        "openapi.json",
        "command-line.md",
        "routes.md",
    } <= names
    for path in (shell.folder / "reference").glob("*.json"):
        json.loads(path.read_text())


def test_schemas_are_printed(shell: Shell) -> None:
    assert {"config", "route"} <= shell("schema").json.keys()


def test_the_pages_are_the_same_each_time(shell: Shell) -> None:
    shell("schema", "--write", "one")
    shell("schema", "--write", "two")
    for path in (shell.folder / "one").iterdir():
        assert path.read_text() == (shell.folder / "two" / path.name).read_text()


def test_the_template_is_a_project_of_its_own(shell: Shell) -> None:
    shell("init", ".")
    shell("certs", "dev")
    loaded = load_configuration(Path("config.yaml"), environ=os.environ)
    assert [route.name for route in loaded.routes] == ["appointments"]
    assert loaded.warnings == ()
