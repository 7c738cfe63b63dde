"""The shipped golden tests pass on the real engine, and an engine that does not retry fails them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config.load import load_configuration
from engine.config.loaded import Loaded
from engine.errors import ConfigurationError
from engine.runtime.sending import schedule
from engine.runtime.sending.policy import Retry
from engine.security.certificates import make_dev_certificates
from engine.store.sqlite import group
from engine.store.sqlite import store as sqlite
from engine.testing.golden import load_cases, run_case

TOP = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Loaded]:
    """The shipped project in a folder of its own, with certificates."""
    for name in ("routes", "mappings"):
        shutil.copytree(TOP / name, tmp_path / name)
    shutil.copy(TOP / "config.yaml", tmp_path)
    make_dev_certificates(tmp_path / "certs", ["platform", "clinique-abc", "clinique-nord", "clinique-sud"])
    yield load_configuration(tmp_path / "config.yaml", environ=os.environ)


async def test_every_shipped_golden_test_passes(project: Loaded) -> None:
    told = {}
    for route in project.routes:
        for case in load_cases(route):
            result = await run_case(project, route, case)
            told[case.name] = result.differences
    assert len(told) >= 9
    assert {name: differences for name, differences in told.items() if differences} == {}


async def test_no_virtual_time_passes_while_a_slow_disk_commits(
    project: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def threaded(*_: object) -> None:
        raise AssertionError("a commit in a thread leaves the loop idle, and the clock would run on")

    monkeypatch.setattr(sqlite, "probe", lambda path: 1_000.0)
    monkeypatch.setattr(group, "ThreadPoolExecutor", threaded)
    route = project.routes[0]
    (case,) = (case for case in load_cases(route) if "busy twice" in case.name)
    assert (await run_case(project, route, case)).differences == ()


async def test_an_engine_that_never_retries_fails_the_sample(
    project: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    route = project.routes[0]
    (case,) = (case for case in load_cases(route) if "busy twice" in case.name)
    monkeypatch.setattr(schedule, "retry_of", lambda delivery, policy: Retry(attempts=1))
    result = await run_case(project, route, case)
    assert any("expected delivered" in difference for difference in result.differences)


async def test_a_wrong_expectation_is_told_in_words(project: Loaded) -> None:
    route = project.routes[0]
    case = load_cases(route)[0]
    wrong = case.model_copy(update={"expect": (case.expect[1].model_copy(update={"attempts": 7}),)})
    result = await run_case(project, route, wrong)
    assert result.differences == ("clinique-abc.emr: expected 7 attempts, found 1",)


async def test_update_writes_what_was_sent(project: Loaded) -> None:
    route = project.routes[0]
    golden = route.path.parent / "golden" / "booked.json"
    before = golden.read_text()
    golden.unlink()
    result = await run_case(project, route, load_cases(route)[0], update=True)
    assert result.updated == (golden,)
    assert golden.read_text() == before


async def test_the_order_of_keys_tells_nothing_and_a_value_does(project: Loaded) -> None:
    route = project.routes[0]
    case = load_cases(route)[0]
    golden = route.path.parent / "golden" / "booked.json"
    held = json.loads(golden.read_text())
    golden.write_text(json.dumps(dict(reversed(held.items()))))
    assert (await run_case(project, route, case)).differences == ()
    golden.write_text(json.dumps({**held, "sentFor": "somebody else"}))
    [told] = (await run_case(project, route, case)).differences
    assert '-  "sentFor": "somebody else"' in told
    assert told.count("\n-") == 2  # its head, and the one line


def test_a_mistake_in_a_test_file_is_told_at_its_place(project: Loaded) -> None:
    route = project.routes[0]
    file = route.path.with_suffix(".test.yaml")
    file.write_text(
        "- name: x\n  in: [{file: samples/booked.json, at: tomorrow}]\n  expect: [{reply: 202}]\n"
    )
    with pytest.raises(ConfigurationError, match=r'test.yaml:2:40: error: "tomorrow" is not a time'):
        load_cases(route)
