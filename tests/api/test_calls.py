"""How parameters are read: words to times, rates and states, and what is refused."""

from __future__ import annotations

import pytest

from engine.api.calls import Call, Operation
from engine.api.problems import BadCall, Forbidden
from engine.model import State

NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("30m", NOW - 1_800_000),
        ("7d", NOW - 7 * 86_400_000),
        ("45s", NOW - 45_000),
        ("2027-01-15T03:00:00-05:00", 1_800_000_000_000),
        ("2027-01-15T08:00:00", 1_800_000_000_000),
        ("", 0),
    ],
)
def test_a_time_is_absolute_or_how_long_ago(text: str, moment: int) -> None:
    assert Call(query={"since": text}, now_ms=NOW).moment_ms("since") == moment


def test_a_deadline_counts_from_now_on() -> None:
    assert Call(body={"until": "2h"}, now_ms=NOW).deadline_ms("until") == NOW + 7_200_000


@pytest.mark.parametrize("text", ["tomorrow", "1w", "-3m", "99999999999d", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadCall, match="is no time"):
        Call(query={"since": text}, now_ms=NOW).moment_ms("since")


@pytest.mark.parametrize(("text", "rate"), [("5/s", 5.0), ("0.5", 0.5), ("0", 0.0)])
def test_a_rate_is_per_second(text: str, rate: float) -> None:
    assert Call(body={"rate": text}).rate("rate") == rate


@pytest.mark.parametrize("text", ["fast", "-1", "nan", "inf", "5/m"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(BadCall, match="is no rate"):
        Call(body={"rate": text}).rate("rate")


@pytest.mark.parametrize("text", ["-1", "1.5", "many", "²"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(BadCall, match="whole number"):
        Call(query={"limit": text}).number("limit")


def test_states_are_read_by_their_words() -> None:
    assert Call(query={"state": "dead,retrying"}).states() == (State.DEAD, State.RETRYING)


def test_an_unknown_state_is_refused_with_those_that_exist() -> None:
    with pytest.raises(BadCall, match="there are pending, retrying"):
        Call(query={"state": "asleep"}).states()


def test_a_missing_value_is_told_by_name() -> None:
    with pytest.raises(BadCall, match='"route" is missing'):
        Call().text("route")


async def _nothing(control: object, call: Call) -> dict[str, object]:
    return {}


OPERATION = Operation("POST", "things/{name}", "", _nothing, role="operator", takes=("reason",))


def test_a_path_gives_the_values_in_it() -> None:
    assert OPERATION.match("things/a b") == {"name": "a b"}


@pytest.mark.parametrize("path", ["things", "things/a/b", "others/a"])
def test_another_path_is_not_matched(path: str) -> None:
    assert OPERATION.match(path) is None


def test_a_parameter_that_an_operation_does_not_take_is_refused() -> None:
    with pytest.raises(BadCall, match='no parameter "raeson"; did you mean "reason"'):
        OPERATION.check(Call(body={"raeson": "x"}))


def test_a_caller_without_the_role_is_forbidden() -> None:
    with pytest.raises(Forbidden, match="operator"):
        OPERATION.check(Call(roles=frozenset({"viewer"})))


def test_a_caller_without_any_role_sees_nothing() -> None:
    with pytest.raises(Forbidden):
        Call(roles=frozenset()).require("viewer")
