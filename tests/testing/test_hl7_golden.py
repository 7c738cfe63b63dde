"""Golden tests over HL7 v2: the shipped ones pass, and a difference is told by its field."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config.load import load_configuration
from engine.config.loaded import Loaded, LoadedRoute
from engine.testing.cases import Case
from engine.testing.fields import field_differences
from engine.testing.golden import Verdicts, load_cases, run_case

TOP = Path(__file__).parents[2]
GOLDEN = (
    b"MSH|^~\\&|A|B|||20261102||ADT^A01|1|P|2.5\rPID|1||7^^^H^MR~8^^^R||Roy^\xc9mile\rOBX|1||X\rOBX|2||Y&1\r"
)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Loaded]:
    """The shipped interfaces in a folder of their own."""
    shutil.copytree(TOP / "routes/hl7", tmp_path / "hl7")
    yield load_configuration(tmp_path / "hl7/config.yaml", environ={})


def named(project: Loaded, route: str, words: str) -> tuple[LoadedRoute, Case]:
    found = next(each for each in project.routes if each.name == route)
    return found, next(case for case in load_cases(found) if words in case.name)


async def ran(project: Loaded, route: str, words: str, **changed: object) -> Verdicts:
    found, case = named(project, route, words)
    return await run_case(project, found, case.model_copy(update=changed))


@pytest.mark.parametrize("name", ["adt-hsj", "oru-labo", "pdq"])
async def test_every_shipped_golden_test_passes(project: Loaded, name: str) -> None:
    route = next(each for each in project.routes if each.name == name)
    told = {case.name: (await run_case(project, route, case)).differences for case in load_cases(route)}
    assert {case: differences for case, differences in told.items() if differences} == {}


async def test_a_field_that_differs_is_named(project: Loaded) -> None:
    golden = project.root / "golden/admission-imaging.hl7"
    golden.write_bytes(golden.read_bytes().replace(b"4-EST", b"4EST"))
    (difference,) = (await ran(project, "adt-hsj", "its own changes")).differences
    assert difference.splitlines()[1:] == ['PV1-3.1: expected "4EST", found "4-EST"']


async def test_a_wrong_acknowledgement_is_told(project: Loaded) -> None:
    _, case = named(project, "adt-hsj", "cannot be read")
    wrong = case.expect[0].model_copy(update={"reply": "AA"})
    result = await ran(project, "adt-hsj", "cannot be read", expect=(wrong,))
    assert result.differences == ("reply 1: expected AA, found AR naming MSH",)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"7^^^H^MR", b"9^^^H^MR", 'PID-3.1: expected "7", found "9"'),
        (b"~8^^^R", b"~9^^^R", 'PID-3[2].1: expected "8", found "9"'),
        (b"Y&1", b"Y&2", 'OBX[2]-3.2: expected "1", found "2"'),
        (b"OBX|1||X\r", b"OBX|1||X|new\r", 'OBX-4: expected nothing, found "new"'),
        (b"|P|2.5", b"|T|2.5", 'MSH-11: expected "P", found "T"'),
        (b"OBX|2||Y&1\r", b"", 'OBX[2]: expected "OBX", found nothing'),
    ],
)
def test_a_leaf_that_differs_is_told_with_both_values(old: bytes, new: bytes, told: str) -> None:
    assert old in GOLDEN
    assert field_differences(GOLDEN, GOLDEN.replace(old, new), ())[0] == told


def test_what_is_only_written_otherwise_is_told_too() -> None:
    (told,) = field_differences(GOLDEN, GOLDEN.replace(b"\r", b"\n"), ())
    assert "the fields say the same" in told


@pytest.mark.parametrize("ignored", ["MSH-7", "PID-3", "OBX-3"])
def test_fields_that_are_not_compared_may_differ(ignored: str) -> None:
    changed = {"MSH-7": (b"20261102", b"20261103"), "PID-3": (b"7^^^H", b"9^^^H"), "OBX-3": (b"Y&1", b"Z&1")}
    assert field_differences(GOLDEN, GOLDEN.replace(*changed[ignored]), [ignored]) == []


def test_a_field_beside_those_that_are_not_compared_is(project: Loaded) -> None:
    sent = GOLDEN.replace(b"20261102", b"20261103").replace(b"|P|", b"|T|")
    assert len(field_differences(GOLDEN, sent, ["MSH-7"])) == 1
