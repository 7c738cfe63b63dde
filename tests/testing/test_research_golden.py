"""The shipped route that changes images and de-identifies them, and how golden tests tell of instances."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config.load import load_configuration
from engine.config.loaded import Loaded
from engine.errors import ConfigurationError
from engine.testing.golden import load_cases, run_case

PROJECT = Path(__file__).parents[2] / "routes/research"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Loaded]:
    """The shipped example in a folder of its own."""
    shutil.copytree(PROJECT, tmp_path / "research")
    yield load_configuration(tmp_path / "research/config.yaml", environ={})


async def told(project: Loaded, words: str = "") -> dict[str, tuple[str, ...]]:
    [route] = project.routes
    cases = [case for case in load_cases(route) if words in case.name]
    found = {case.name: (await run_case(project, route, case)).differences for case in cases}
    return {name: differences for name, differences in found.items() if differences}


async def test_every_shipped_golden_test_passes(project: Loaded) -> None:
    assert await told(project) == {}


async def test_an_attribute_that_differs_is_named(project: Loaded) -> None:
    golden = project.root / "golden/region.txt"
    golden.write_text(golden.read_text().replace("HSJ-4711", "HSJ-4712"))
    [[difference]] = (await told(project, "own numbers")).values()
    assert "-PatientID LO HSJ-4712" in difference and "+PatientID LO HSJ-4711" in difference


async def test_an_instance_as_golden_file_is_compared_by_its_bytes(project: Loaded) -> None:
    cases = project.root / "images.test.yaml"
    (project.root / "golden/sent.dcm").write_bytes(
        b"\x01" + (project.root / "samples/ct.dcm").read_bytes()[1:]
    )
    route = project.root / "images.yaml"
    text = route.read_text()
    start, end = text.index("    steps:\n      - copy"), text.index("  - endpoint: centre.images")
    route.write_text(text[:start] + text[end:])
    cases.write_text(cases.read_text().replace("golden/region.txt", "golden/sent.dcm"))
    changed = load_configuration(project.root / "config.yaml", environ={})
    [[difference]] = (await told(changed, "own numbers")).values()
    assert difference == "golden/sent.dcm: the attributes say the same, but the bytes differ"


def test_only_what_deidentify_made_goes_where_persons_may_not(project: Loaded) -> None:
    route = project.root / "images.yaml"
    text = route.read_text()
    route.write_text(
        text[: text.index("    steps:\n      - deidentify")] + "    steps: [remove: [PatientName]]\n"
    )
    with pytest.raises(ConfigurationError, match="gets the whole message"):
        load_configuration(project.root / "config.yaml", environ={})
