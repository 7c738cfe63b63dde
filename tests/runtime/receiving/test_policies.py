"""The policy of a delivery is what the configuration says now, the nearest word first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.model import Delivery, Hop, State
from engine.runtime.compiling.policies import CurrentPolicies
from engine.runtime.routing.board import Current
from engine.runtime.sending.policy import DestinationPolicy, EndpointPolicy, Maintenance, Policies, Retry
from tests.runtime.receiving.project import CONFIG, SAMPLE, assembled

ROUTE = """
route: plain
from: {public: POST /v1/any}
to:
  - endpoint: clinique-abc.emr
    fallback: {after: 15m, on: [422], to: [clinique-abc.queue, "{partner}.mail"]}
steps: [{partner: {where: {permit: msg.permit}}}, {map: appointment-notice}]
"""


def policies(folder: Path, *routes: str, config: str = CONFIG) -> Policies:
    return assembled(folder, *routes, config=config).board.policies


def delivery(
    *chain: str, route: str = "plain", destination: str = "clinique-abc.emr", hop: int = 0, **more: Any
) -> Delivery:
    hops = tuple(Hop(name) for name in chain or ("clinique-abc.emr", "clinique-abc.queue"))
    return Delivery(1, 1, "id", route, "v", destination, b"", hops, hop, State.PENDING, 0, 0, **more)


def destination(given: Policies, asked: Delivery) -> DestinationPolicy:
    found = given.destination(asked)
    assert found is not None
    return found


def endpoint(given: Policies, name: str = "clinique-abc.emr") -> EndpointPolicy:
    found = given.endpoint(name)
    assert found is not None
    return found


def test_without_a_word_the_defaults_hold(tmp_path: Path) -> None:
    found = destination(policies(tmp_path, ROUTE), delivery())
    assert found.retry == Retry(first=2.0, ceiling=300.0, budget=86_400.0)
    assert found.timeout is None
    assert (found.parks, found.supersedes, found.keep_first, found.recallable) == (False, False, False, False)


def test_a_fallback_is_insisted_on_for_an_hour(tmp_path: Path) -> None:
    found = destination(policies(tmp_path, ROUTE), delivery())
    assert found.fallback_retry == {"clinique-abc.queue": Retry(budget=3600.0)}
    assert (found.fallback_after, found.fallback_on) == (900.0, frozenset({"422"}))


@pytest.mark.parametrize(
    ("where", "budget"),
    [
        ("defaults", 1.0),
        ("endpoint profile", 2.0),
        ("profile", 4.0),
        ("later profile", 5.0),
        ("endpoint", 3.0),
        ("destination", 6.0),
    ],
)
def test_what_is_written_at_a_thing_wins_over_what_it_shares(
    tmp_path: Path, where: str, budget: float
) -> None:
    said = ["defaults", "endpoint profile", "profile", "later profile", "endpoint", "destination"]
    words = set(said[: said.index(where) + 1])

    def when(name: str, text: str) -> str:
        return text if name in words else ""

    config = CONFIG + when("defaults", "defaults: {retry: {for: 1s}}\n")
    config = config.replace(
        "profiles:\n",
        "profiles:\n  two: {retry: {for: 2s}}\n  four: {retry: {for: 4s}}\n  five: {retry: {for: 5s}}\n",
    )
    own = when("endpoint profile", ", use: two") + when("endpoint", ", retry: {for: 3s}")
    config = config.replace("inbox: abc-emr", f"inbox: abc-emr{own}")
    use = when("profile", "four") + when("later profile", ", five")
    route = ROUTE.replace(
        "    fallback:",
        (f"    use: [{use}]\n" if use else "")
        + when("destination", "    retry: {for: 6s}\n")
        + "    fallback:",
    )
    assert destination(policies(tmp_path, route, config=config), delivery()).retry.budget == budget


def test_the_endpoints_own_timeout_wins_over_a_profile_of_the_destination(tmp_path: Path) -> None:
    route = ROUTE.replace("    fallback:", "    use: patient-hooks\n    fallback:")
    config = CONFIG.replace("inbox: abc-emr", "inbox: abc-emr, timeout: 7s")
    assert destination(policies(tmp_path, route), delivery()).timeout == 20.0
    assert destination(policies(tmp_path, route, config=config), delivery()).timeout == 7.0


def test_retry_none_is_one_attempt(tmp_path: Path) -> None:
    route = ROUTE.replace("    fallback:", "    retry: none\n    fallback:")
    assert destination(policies(tmp_path, route), delivery()).retry.attempts == 1


def test_a_fallback_may_have_its_own_words(tmp_path: Path) -> None:
    route = ROUTE.replace(
        "[clinique-abc.queue,", "[{endpoint: clinique-abc.queue, use: patient-hooks, retry: {for: 9s}},"
    )
    found = destination(policies(tmp_path, route), delivery())
    assert found.fallback_retry["clinique-abc.queue"].budget == 9.0
    assert found.fallback_timeout == {"clinique-abc.queue": 20.0}


def test_a_chain_that_left_endpoints_out_is_matched_all_the_same(tmp_path: Path) -> None:
    route = ROUTE.replace('"{partner}.mail"', '{endpoint: "{partner}.mail", retry: {for: 7s}}')
    found = destination(policies(tmp_path, route), delivery("clinique-nord.mail", fallback=True))
    assert found.fallback_retry == {"clinique-nord.mail": Retry(budget=7.0)}


def test_the_sample_route_parks_supersedes_and_recalls(tmp_path: Path) -> None:
    asked = delivery(route="appointment-to-clinic", destination="{partner}.emr")
    found = destination(policies(tmp_path, SAMPLE), asked)
    assert (found.parks, found.supersedes, found.keep_first, found.recallable) == (True, True, True, True)
    assert (found.timeout, found.alert) == (20.0, "ops")


@pytest.mark.parametrize(
    ("order", "lane", "parks"),
    [
        ("", "", False),
        ("order_by: msg.a\n", "", True),
        ("", "park", True),
        ("order_by: msg.a\n", "skip", False),
    ],
)
def test_a_lane_parks_where_the_route_orders_or_says_so(
    tmp_path: Path, order: str, lane: str, parks: bool
) -> None:
    route = ROUTE + order + (f"on_dead: {{lane: {lane}}}\n" if lane else "")
    assert destination(policies(tmp_path, route), delivery()).parks is parks


def test_what_is_gone_has_no_policy(tmp_path: Path) -> None:
    given = policies(tmp_path, ROUTE)
    assert given.destination(delivery(route="removed")) is None
    assert given.destination(delivery(destination="removed")) is None
    assert given.endpoint("clinique-abc.removed") is None


def test_an_endpoint_that_may_no_longer_carry_the_content_has_no_policy(tmp_path: Path) -> None:
    config = CONFIG.replace("inbox: abc-queue, phi: full", "inbox: abc-queue, phi: none")
    given = policies(tmp_path, SAMPLE, config=config)
    chain = ("clinique-abc.emr", "clinique-abc.queue", "clinique-abc.mail")
    asked = [
        delivery(*chain, route="appointment-to-clinic", destination="{partner}.emr", hop=hop)
        for hop in range(3)
    ]
    assert [given.destination(each) is None for each in asked] == [False, True, False]


def test_what_waits_to_be_routed_has_a_policy_of_its_own(tmp_path: Path) -> None:
    given = policies(tmp_path, ROUTE + "order_by: msg.a\non_reject: {alert: ops}\n")
    found = destination(given, delivery("route:plain", destination="", kind="route"))
    assert (found.retry.budget, found.parks, found.alert) == (86_400.0, True, "ops")


def test_an_alert_never_alerts_about_itself(tmp_path: Path) -> None:
    given = policies(tmp_path, ROUTE)
    assert destination(given, delivery("operations.alerts", route="alert:ops", destination="ops")).alert == ""
    assert given.destination(delivery("operations.alerts", route="alert:gone", destination="gone")) is None


def test_an_endpoint_has_its_limits_breaker_and_maintenance(tmp_path: Path) -> None:
    own = ", timeout: 7s, limits: {concurrency: 2, rate: 60/m}, breaker: {failures: 9, open: 90s}"
    config = CONFIG.replace("inbox: abc-emr", "inbox: abc-emr" + own).replace(
        "    zone: America/Toronto\n",
        "    zone: America/Vancouver\n    maintenance: [{every: tue 22:00-02:00, catch_up: 5/s}]\n",
    )
    assert endpoint(policies(tmp_path, ROUTE, config=config)) == EndpointPolicy(
        name="clinique-abc.emr",
        partner="clinique-abc",
        timeout=7.0,
        concurrency=2,
        rate=1.0,
        breaker_failures=9,
        breaker_open=90.0,
        maintenance=(
            Maintenance(frozenset({1}), start=1320, end=120, zone="America/Vancouver", catch_up=5.0),
        ),
    )


def test_limits_come_from_profiles_and_defaults_where_the_endpoint_is_silent(tmp_path: Path) -> None:
    config = CONFIG.replace("inbox: abc-emr", "inbox: abc-emr, use: slow").replace(
        "profiles:\n", "profiles:\n  slow: {limits: {concurrency: 1}}\n"
    )
    config += "defaults: {limits: {concurrency: 3}, breaker: {failures: 8}, timeout: 11s}\n"
    given = policies(tmp_path, ROUTE, config=config)
    assert (endpoint(given).concurrency, endpoint(given).breaker_failures) == (1, 8)
    assert endpoint(given, "clinique-abc.queue").concurrency == 3
    assert endpoint(given, "clinique-abc.queue").timeout == 11.0


def test_the_current_policies_follow_the_board(tmp_path: Path) -> None:
    current = Current(assembled(tmp_path, ROUTE).board)
    given = CurrentPolicies(current)
    before = destination(given, delivery()).retry.budget
    current.board = assembled(
        tmp_path, ROUTE.replace("    fallback:", "    retry: {for: 5s}\n    fallback:")
    ).board
    assert (before, destination(given, delivery()).retry.budget) == (86_400.0, 5.0)
    assert given.endpoint("clinique-abc.emr") is not None
