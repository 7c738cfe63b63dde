"""The shipped project of events: each route that brings one, and who gets it, as its golden tests say."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.load import load_configuration
from engine.config.loaded import Loaded
from engine.testing.golden import load_cases, run_case

PROJECT = Path(__file__).parents[2] / "routes/events"
TESTED = (
    "appointments",
    "admissions",
    "results",
    "orders",
    "pharmacy",
    "billing",
    "published",
    "appointment-back",
)


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


def test_every_route_but_the_one_that_delivers_is_tested(project: Loaded) -> None:
    assert {route.name for route in project.routes} == {*TESTED, "deliver"}


def test_every_event_of_the_catalogue_has_a_subscriber(project: Loaded) -> None:
    assert [each.message for each in project.warnings if "nobody subscribes" in each.message] == []
