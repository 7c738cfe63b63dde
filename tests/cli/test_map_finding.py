"""The mappers that a person names: by name or by file, from wherever they stand, and what is said of one not found."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.calling import Where
from engine.cli.desk import Desk
from engine.cli.map.finding import every, named
from engine.cli.terminal import Terminal
from engine.cli.words import chosen_language
from engine.errors import ConfigurationError, NotFound

MAPPER = """\
mapper: NAME
version: VERSION
v2: {messages: [ADT^A01], order: [MSH, PID], create: "MSH|^~\\\\&|||||||ADT|||2.5.1\\rPID|1\\r"}
events: {by: trigger, types: {admitted: encounter-started}, else: encounter-updated}
tables:
  trigger: {admitted: {v2: A01}}
rules:
  - {event: trigger, v2: MSH-9.2, table: trigger}
"""
ONE_WAY = "document: {id: msg.id}\n"
SHAPES = "tables: {sex: {male: {v2: M}}}\n"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk in a project with mappers of its own."""
    write(tmp_path, "visit")
    for name, text in (("mail", ONE_WAY), ("kinds", SHAPES)):
        (tmp_path / "mappings" / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    where = Where(Path("config.yaml"), None, None, None)
    return Desk(where, Terminal(as_json=True, language=chosen_language("en")))


def write(folder: Path, name: str, *, within: str = "mappings", version: str = "1.0.0") -> Path:
    file = folder / within / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(MAPPER.replace("NAME", name).replace("VERSION", version), encoding="utf-8")
    return file


# --------------------------------------------------------------------------- found


def test_a_project_comes_before_what_is_shipped(desk: Desk, tmp_path: Path) -> None:
    shipped = named(desk, "order").version
    write(tmp_path, "order", version="9.9.9")
    assert (shipped == "9.9.9", named(desk, "order").version) == (False, "9.9.9")


@pytest.mark.parametrize(
    ("there", "file"),
    [
        (".", "mappings/visit.yaml"),
        ("mappings", "visit.yaml"),
        ("mappings", "./visit.yaml"),
        ("mappings/deep", "../visit.yaml"),
    ],
)
def test_a_file_is_found_from_wherever_one_stands(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str, file: str
) -> None:
    (tmp_path / "mappings" / "deep").mkdir()
    monkeypatch.chdir(tmp_path / there)
    assert named(desk, file).name == "visit"


def test_a_file_of_another_project_is_read_there(desk: Desk, tmp_path: Path) -> None:
    file = write(tmp_path / "other", "visit", version="2.0.0")
    assert named(desk, str(file)).version == "2.0.0"


def test_a_file_may_lie_in_a_folder_below_mappings(desk: Desk, tmp_path: Path) -> None:
    file = write(tmp_path, "deeper", within="mappings/wards")
    assert named(desk, str(file)).name == "deeper"


# --------------------------------------------------------------------------- not found


def test_a_file_that_another_of_its_name_hides_is_refused(desk: Desk, tmp_path: Path) -> None:
    hidden = write(tmp_path, "visit", within="mappings/wards", version="3.0.0")
    with pytest.raises(NotFound, match=r"visit\.yaml.*same name"):
        named(desk, str(hidden))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("visits", r"no mapper 'visits'; did you mean 'visit'\?"),
        ("nothing-like-it", r"no mapper 'nothing-like-it'$"),
        ("mail", "'mail' is one-way"),
        ("mappings/mail.yaml", "'mail' is one-way"),
        ("kinds", "'kinds' is no mapper.*others include"),
        ("mappings/none.yaml", "no file mappings/none.yaml"),
        ("mappings.yaml", "no file"),
    ],
)
def test_what_is_not_found_is_told_with_the_reason(desk: Desk, name: str, why: str) -> None:
    with pytest.raises(NotFound, match=why):
        named(desk, name)


def test_a_file_outside_of_any_mappings_has_nothing_to_include_from(desk: Desk, tmp_path: Path) -> None:
    file = write(tmp_path, "alone", within="elsewhere")
    with pytest.raises(NotFound, match="below no folder mappings/"):
        named(desk, str(file))


def test_a_mapper_that_does_not_compile_is_told_with_its_line(desk: Desk, tmp_path: Path) -> None:
    file = write(tmp_path, "broken")
    file.write_text(file.read_text(encoding="utf-8").replace("MSH-9.2", "MSH-"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"broken\.yaml:8:"):
        named(desk, "broken")


# --------------------------------------------------------------------------- all of them


def test_all_two_way_mappers_are_listed_and_nothing_else(desk: Desk) -> None:
    names = every(desk)
    assert names == sorted(names)
    assert {"visit", "order"} <= set(names)
    assert not {"mail", "kinds", "shapes"} & set(names)
