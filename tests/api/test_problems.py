"""Errors travel: what an operation raised is what its caller gets."""

from __future__ import annotations

import json

import pytest

from engine.api.problems import FAILINGS, Failing, error_of, failing_of, problem_of
from engine.errors import ConfigurationError, PasserelleError, Problem, Rejected, Transient
from engine.model import Fault


def _raised(failing: Failing) -> PasserelleError:
    if failing.error is ConfigurationError:
        return ConfigurationError([Problem("a.yaml", 3, 7, "unknown key", 6, "did you mean x?", "  kye: 1")])
    return failing.error("what happened")


@pytest.mark.parametrize("failing", FAILINGS, ids=lambda failing: failing.word)
def test_every_error_arrives_as_itself(failing: Failing) -> None:
    error = _raised(failing)
    found = error_of(json.loads(json.dumps(problem_of(error))))
    assert (type(found), str(found)) == (failing.error, str(error))


def test_problems_of_a_configuration_keep_their_places() -> None:
    problem = Problem("a.yaml", 3, 7, "unknown key", 6, "did you mean x?", "  kye: 1")
    found = error_of(json.loads(json.dumps(problem_of(ConfigurationError([problem])))))
    assert isinstance(found, ConfigurationError)
    assert found.problems == (problem,)


def test_faults_of_a_refused_message_keep_their_paths() -> None:
    error = Rejected("ends before it starts", faults=[Fault("appointment.end", "ends before it starts", "")])
    found = error_of(problem_of(error))
    assert isinstance(found, Rejected)
    assert found.faults == error.faults


def test_when_to_come_again_is_kept() -> None:
    found = error_of(problem_of(Transient("busy", retry_after=30)))
    assert isinstance(found, Transient)
    assert found.retry_after == 30


def test_a_subclass_is_told_as_what_it_is_one_of() -> None:
    class DiskShort(Transient):
        """A made-up Transient."""

    assert failing_of(DiskShort("no room")).word == "transient"


def test_an_error_of_a_later_version_is_still_an_error() -> None:
    found = error_of({"type": "urn:passerelle:problem:unheard-of", "detail": "what happened"})
    assert (type(found), str(found)) == (PasserelleError, "what happened")
