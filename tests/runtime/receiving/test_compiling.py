"""Routes are compiled for what their messages are; what cannot be compiled is told at its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.errors import ConfigurationError
from engine.runtime.compiling.assembling import assemble
from engine.runtime.routing.outlet import Exposure, Outlet
from engine.runtime.routing.program import Program
from tests.runtime.receiving.house import DOOR, house, sample
from tests.runtime.receiving.project import CONFIG, SAMPLE, assembled, load, project

TEXTS = CONFIG.replace('folder: {file: in, match: "*.json"}', "folder: {file: in, codec: text}")
TEXT = """
route: notes
from: folder
keys: {first: "msg.line[0]"}
steps: [{map: note}]
to: [{endpoint: clinique-abc.emr, when: msg.title}]
"""
NOTE = """
mapper: note
version: "1"
document: {title: "{msg.line[0]}", from: "{meta.listener}"}
"""


def program(folder: Path, *routes: str, name: str, codec: str = "json", config: str = CONFIG) -> Program:
    return assembled(folder, *routes, config=config).board.routes[name].programs[codec]


def outlet(given: Program, index: int = 0) -> Outlet:
    found = given.entries[index]
    assert isinstance(found, Outlet)
    return found


async def test_a_text_is_mapped_and_routed_by_what_it_became(tmp_path: Path) -> None:
    given = assembled(tmp_path, TEXT, config=TEXTS, files={"mappings/note.yaml": NOTE})
    async with house(tmp_path, given) as inside:
        await inside.post("Reçu à 14 h\nrest".encode(), listener="folder", selector="", codec="text")
        delivery = await inside.only()
        assert await inside.body(delivery) == {"title": "Reçu à 14 h", "from": "folder"}


def test_a_route_is_compiled_for_the_codec_that_its_listener_says(tmp_path: Path) -> None:
    given = assembled(tmp_path, TEXT, config=TEXTS, files={"mappings/note.yaml": NOTE})
    assert set(given.board.routes["notes"].programs) == {"text"}


def test_where_the_listener_says_nothing_every_codec_that_fits_is_read(tmp_path: Path) -> None:
    plain = "route: plain\nfrom: folder\nto: [clinique-abc.emr]\n"
    keyed = "route: keyed\nfrom: folder\norder_by: msg.patient.id\nto: [clinique-abc.emr]\n"
    routes = assembled(tmp_path, plain, keyed).board.routes
    assert set(routes["plain"].programs) == {"json", "text", "opaque"}
    assert set(routes["keyed"].programs) == {"json"}


def refused(folder: Path, *routes: str, config: str = CONFIG, files: dict[str, str] | None = None) -> str:
    """Return what a project is refused for, by the check or by the compiler."""
    with pytest.raises(ConfigurationError) as error:
        assemble(load(project(folder, *routes, config=config, files=files)))
    return "\n".join(problem.render() for problem in error.value.problems if problem.severity == "error")


def test_a_fallback_that_would_split_is_refused_at_its_step(tmp_path: Path) -> None:
    route = """
route: parts
from: {public: POST /v1/any}
to:
  - endpoint: clinique-abc.emr
    fallback:
      to:
        - endpoint: clinique-abc.queue
          steps:
            - split: {of: items}
"""
    assert re.search(
        r"parts\.yaml:10:\d+: error: a fallback takes over one message", refused(tmp_path, route)
    )


def test_message_types_are_refused_where_the_codec_has_none(tmp_path: Path) -> None:
    route = "route: typed\nfrom: folder\naccept: {types: [ADT^A01]}\nto: [clinique-abc.emr]\n"
    assert "json messages have no types" in refused(tmp_path, route)


def test_the_message_as_received_is_not_read_as_another_format(tmp_path: Path) -> None:
    route = TEXT.replace("when: msg.title", "when: source.title")
    told = refused(tmp_path, route, config=TEXTS, files={"mappings/note.yaml": NOTE})
    assert "notes.yaml:6:" in told


def test_all_routes_that_do_not_compile_are_told_at_once(tmp_path: Path) -> None:
    one = "route: one\nfrom: folder\naccept: {types: [A]}\nto: [clinique-abc.emr]\n"
    told = refused(tmp_path, one, one.replace("one", "two"))
    assert "one.yaml" in told
    assert "two.yaml" in told


# --------------------------------------------------------------------------- how much of a message leaves


def test_what_may_leave_follows_from_the_steps(tmp_path: Path) -> None:
    chain = outlet(program(tmp_path, SAMPLE, name="appointment-to-clinic")).ways
    assert [way.exposure for way in chain] == [Exposure.MINIMAL, Exposure.MINIMAL, Exposure.NOTHING]


@pytest.mark.parametrize(
    ("text", "exposure"),
    [
        ("constant", Exposure.NOTHING),
        ("{meta.id} {partner.name}", Exposure.NOTHING),
        ("{meta.event.type}", Exposure.NOTHING),
        ("{meta.event.subject}", Exposure.MINIMAL),
        ("{meta.headers.x}", Exposure.MINIMAL),
        ("{meta.file}", Exposure.MINIMAL),
        ("{vars.x}", Exposure.MINIMAL),
        ("{source.patient}", Exposure.MINIMAL),
    ],
)
def test_a_mapper_is_free_of_content_when_its_templates_are(
    tmp_path: Path, text: str, exposure: Exposure
) -> None:
    mapper = f'mapper: free\nversion: "1"\ndocument: {{a: "{text}"}}\n'
    route = "route: free\nfrom: folder\nsteps: [{map: free}]\nto: [clinique-abc.emr]\n"
    given = assembled(tmp_path, route, files={"mappings/free.yaml": mapper}).board.routes["free"]
    assert outlet(given.programs["json"]).ways[0].exposure is exposure


@pytest.mark.parametrize(
    ("step", "exposure"),
    [
        ('set: {b: "{source.patient}"}', Exposure.MINIMAL),
        ('set: {b: "{meta.id}"}', Exposure.NOTHING),
        ("remove: [a]", Exposure.NOTHING),
    ],
)
def test_what_is_set_after_a_mapper_counts(tmp_path: Path, step: str, exposure: Exposure) -> None:
    route = f"""
route: free
from: folder
steps:
  - map: appointment-notice
  - {step}
to: [clinique-abc.emr]
"""
    assert outlet(program(tmp_path, route, name="free")).ways[0].exposure is exposure


async def test_a_notice_goes_where_nothing_may_go(tmp_path: Path) -> None:
    route = """
route: notices
from: {public: POST /v1/appointments}
steps: [{map: appointment-notice}]
to: [clinique-abc.curious]
"""
    async with house(tmp_path, assembled(tmp_path, route)) as inside:
        await inside.post(sample(), selector=DOOR)
        assert (await inside.only()).chain[0].endpoint == "clinique-abc.curious"


# --------------------------------------------------------------------------- tables


async def test_tables_of_the_project_are_read_by_steps(tmp_path: Path) -> None:
    config = CONFIG + "tables: {units: {csv: units.csv, key: local, value: code}}\n"
    route = """
route: tabled
from: {public: POST /v1/appointments}
steps: [{set: {unit: "{table('units', msg.unit, miss='keep')}"}}]
to: [clinique-abc.emr]
"""
    files = {"units.csv": "local,code\nA,Alpha\n"}
    async with house(tmp_path, assembled(tmp_path, route, config=config, files=files)) as inside:
        for unit in ("A", "B"):
            await inside.post({"unit": unit})
        found = [(await inside.body(row.delivery))["unit"] for row in await inside.rows()]
        assert found == ["Alpha", "B"]
