"""The table of the API holds together: names, parameters, roles, and the description made from it."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from engine.api import following, inboxes, operating, reading, searching, worklists
from engine.api.calls import ROLES, Operation
from engine.api.parameters import PARAMETERS
from engine.api.table import OPERATIONS, find, openapi
from engine.errors import NotFound

READ = re.compile(r'call\.(?:text|number|rate|flag|moment_ms|deadline_ms|has|states)\(\s*(?:"(\w+)")?')


def parameters_read(module: Any) -> set[str]:
    """Return the parameters that the functions of a module read."""
    return {match[1] or "state" for match in READ.finditer(inspect.getsource(module))}


def test_no_two_operations_share_method_and_path() -> None:
    places = [(each.method, re.sub(r"\{\w+\}", "{}", each.path)) for each in OPERATIONS]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.method} {each.path}")
def test_an_operation_answers_once_or_streams(operation: Operation) -> None:
    assert (operation.answer is None) != (operation.stream is None)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.method} {each.path}")
def test_an_operation_asks_for_a_role_that_exists(operation: Operation) -> None:
    assert operation.role in ROLES


def test_whatever_changes_something_needs_more_than_a_viewer() -> None:
    assert [each.path for each in OPERATIONS if each.method != "GET" and each.role == "viewer"] == []


def test_whatever_changes_something_takes_a_reason() -> None:
    silent = {each.path for each in OPERATIONS if each.method == "POST" and "reason" not in each.takes}
    assert silent == {"probe"}


def test_every_parameter_that_is_read_can_be_given_and_the_other_way_round() -> None:
    read = parameters_read(reading) | parameters_read(operating) | parameters_read(following)
    read |= parameters_read(searching) | parameters_read(inboxes) | parameters_read(worklists)
    in_paths = {name for each in OPERATIONS for name in re.findall(r"\{(\w+)\}", each.path)}
    given = {name for each in OPERATIONS for name in each.takes} | in_paths
    assert read == given == set(PARAMETERS)


def test_a_wrong_method_is_not_found() -> None:
    with pytest.raises(NotFound, match="no DELETE status"):
        find("DELETE", "status")


def test_the_description_names_every_operation_once() -> None:
    paths: dict[str, dict[str, Any]] = openapi("1")["paths"]
    names = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(names) == len(set(names)) == len(OPERATIONS)


def test_the_description_says_what_a_body_holds() -> None:
    release = openapi("1")["paths"]["/api/v1/dead/{delivery}/release"]["post"]
    properties = release["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert properties["out_of_order"]["type"] == "boolean"


def test_a_stream_is_described_as_lines() -> None:
    tail = openapi("1")["paths"]["/api/v1/tail"]["get"]
    assert list(tail["responses"]["200"]["content"]) == ["application/x-ndjson"]
