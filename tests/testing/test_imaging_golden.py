"""The shipped project of radiology: what feeds a worklist, and what modalities perform, as its golden tests say."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.load import load_configuration
from engine.config.loaded import Loaded
from engine.testing.golden import load_cases, run_case

PROJECT = Path(__file__).parents[2] / "routes/imaging"
TESTED = ("orders", "appointments", "patients", "performed", "images", "studies")


@pytest.fixture(scope="module")
def project() -> Loaded:
    return load_configuration(PROJECT / "config.yaml", environ={})


@pytest.mark.parametrize("name", TESTED)
async def test_every_shipped_golden_test_passes(project: Loaded, name: str) -> None:
    route = next(each for each in project.routes if each.name == name)
    cases = load_cases(route)
    told = {case.name: (await run_case(project, route, case)).differences for case in cases}
    assert told
    assert {case: differences for case, differences in told.items() if differences} == {}


def test_every_route_is_tested(project: Loaded) -> None:
    assert {route.name for route in project.routes} == set(TESTED)
