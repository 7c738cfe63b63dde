"""The policy of every destination and endpoint, as the current configuration says it.

Where several say something, what is written at a thing itself wins over what it shares: the destination (or fallback),
the endpoint, then the destination's profiles (the last of `use`), the endpoint's profiles, `defaults`. A fallback is
insisted on for an hour where nobody says.

Names with a colon are the engine's own: `route:NAME` is where messages wait to be routed, `alert:NAME` whoever an
alert's `mailto:` reaches. No partner, endpoint or route may bear such a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import time
from typing import TypeVar

from engine.codecs import codec
from engine.config.formats import reply_codec
from engine.config.loaded import Loaded
from engine.config.models import EndpointConfig, RetryPolicy
from engine.config.partner import PartnerConfig
from engine.config.route import Destination, EndpointText, RouteConfig, Way
from engine.config.settings import Profile
from engine.expressions import Expression, compile_expression
from engine.model import Delivery
from engine.partners.directory import Directory
from engine.runtime.compiling.routes import parks
from engine.runtime.receiving.announcing import ANSWER
from engine.runtime.receiving.replaying import REPLAY
from engine.runtime.routing.board import CompiledRoute, Current
from engine.runtime.routing.outlet import Exposure, Outlet
from engine.runtime.routing.program import OneOf, Program
from engine.runtime.routing.subscribing import Subscribers
from engine.runtime.sending.policy import DestinationPolicy, EndpointPolicy, Maintenance, Retry
from engine.runtime.sending.rulings import NAMES, Rule, Rulings
from engine.runtime.sending.schedule import FALLBACK_RETRY

ALERT = "alert:"
"""Begins the route of an alert's deliveries, and the endpoint that stands for its `mailto:`."""

_ROUTING_RETRY = Retry(first=1.0, ceiling=300.0, budget=86_400.0)
_CACHED = 20_000
"""Chains whose policy is remembered: some per clinic."""

_S = TypeVar("_S")
_T = TypeVar("_T")
_Chain = tuple[str, str, tuple[str, ...]]


class ConfiguredPolicies:
    """The policies of one configuration; implements `engine.runtime.sending.policy.Policies`."""

    def __init__(self, loaded: Loaded, routes: Mapping[str, CompiledRoute], directory: Directory) -> None:
        self._loaded = loaded
        self._directory = directory
        self._routes = {route.name: route.config for route in loaded.routes}
        self._destinations = {
            (name, destination.name): destination
            for name, route in self._routes.items()
            for destination in route.destinations()
        }
        self._exposures = dict(_exposures(routes))
        self._endpoints = dict(_endpoints(loaded))
        self._rulings: dict[tuple[str, str, str], Rulings] = {}
        self._tables = frozenset(loaded.app.tables)
        self._chains: dict[_Chain, tuple[DestinationPolicy, frozenset[str]]] = {}

    def endpoint(self, name: str) -> EndpointPolicy | None:
        """Return the policy of `partner.endpoint`, None when it is gone."""
        return self._endpoints.get(name)

    def destination(self, delivery: Delivery) -> DestinationPolicy | None:
        """Return the policy for a delivery, None when nothing may be done with it now.

        That is: its route or destination is gone, or its endpoint may no longer carry what it would get.
        """
        chain = (
            delivery.route,
            delivery.destination,
            tuple(hop.endpoint for hop in delivery.chain),
        )
        found = self._chains.get(chain)
        if found is None:
            made = self._of_chain(*chain)
            if made is None:
                return None
            if len(self._chains) >= _CACHED:
                self._chains.clear()
            found = self._chains[chain] = made
        policy, forbidden = found
        return None if forbidden and delivery.endpoint in forbidden else policy

    # ------------------------------------------------------------- inside

    def _of_chain(
        self, route_name: str, name: str, chain: tuple[str, ...]
    ) -> tuple[DestinationPolicy, frozenset[str]] | None:
        if route_name.startswith(ALERT):
            return self._of_alert(route_name, name)
        if route_name.startswith(ANSWER):
            return self._of_answer(route_name, name)
        if route_name.startswith(REPLAY):
            return self._of_replay(route_name, name)
        route = self._routes.get(route_name)
        if route is None:
            return None
        if not name:
            return _of_routing(route), frozenset()
        destination = self._destinations.get((route_name, name))
        if destination is None:
            return None
        exposures = self._exposures.get((route_name, name), ())
        retries, timeouts, forbidden = self._fallbacks(destination, chain, exposures)
        after = destination.fallback.after if destination.fallback else None
        policy = DestinationPolicy(
            route=route_name,
            destination=name,
            retry=self._retry(destination, chain[0], _retry(self._loaded.app.defaults.retry)),
            timeout=self._timeout(destination, chain[0]),
            fallback_retry=retries,
            fallback_timeout=timeouts,
            fallback_after=None if after is None else after.total_seconds(),
            fallback_on=frozenset(destination.fallback.on if destination.fallback else ()),
            parks=parks(route),
            supersedes=destination.supersede is not None,
            keep_first=destination.supersede is not None and destination.supersede.kind == "keep_first",
            recallable=destination.recall is not None,
            alert=route.on_dead.alert or "",
            rulings=self._rulings_of(route_name, destination, chain[0]),
            priority=destination.priority or "",
        )
        return policy, forbidden

    def _fallbacks(
        self, destination: Destination, chain: tuple[str, ...], exposures: Sequence[Exposure]
    ) -> tuple[dict[str, Retry], dict[str, float], frozenset[str]]:
        """Return how the endpoints after the first are tried, and which of all may not see what they would get."""
        ways = [destination, *(destination.fallback.to if destination.fallback else ())]
        retries: dict[str, Retry] = {}
        timeouts: dict[str, float] = {}
        forbidden: set[str] = set()
        for endpoint, index in _matched(chain, [way.endpoint for way in ways]):
            way = ways[index]
            phi = self._directory.phi(endpoint)
            if phi is not None and index < len(exposures) and Exposure.of(phi) < exposures[index]:
                forbidden.add(endpoint)
            if index == 0:
                continue
            retries[endpoint] = self._retry(way, endpoint, FALLBACK_RETRY)
            if (seconds := self._timeout(way, endpoint)) is not None:
                timeouts[endpoint] = seconds
        return retries, timeouts, frozenset(forbidden)

    def _rulings_of(self, route: str, destination: Destination, endpoint: str) -> Rulings | None:
        """Return what a destination says about the answers of an endpoint, compiled once for each codec."""
        if not (destination.on_reply or destination.remember):
            return None
        codec_name = reply_codec(self._loaded, endpoint)
        key = (route, destination.name, codec_name)
        if key not in self._rulings:
            self._rulings[key] = _rulings(destination, codec_name, self._tables)
        return self._rulings[key]

    def _of_alert(self, route: str, name: str) -> tuple[DestinationPolicy, frozenset[str]] | None:
        """Return the policy of an alert's own message; it never alerts about itself (decision 14)."""
        if route.removeprefix(ALERT) not in self._loaded.app.alerts:
            return None
        retry = _retry(self._loaded.app.defaults.retry)
        return DestinationPolicy(route=route, destination=name, retry=retry, recallable=False), frozenset()

    def _of_answer(self, route: str, name: str) -> tuple[DestinationPolicy, frozenset[str]] | None:
        """Return the policy of an acknowledgement that a listener sends to an endpoint."""
        if route.removeprefix(ANSWER) not in self._loaded.app.listen:
            return None
        retry = _retry(self._loaded.app.defaults.retry)
        return DestinationPolicy(route=route, destination=name, retry=retry, recallable=False), frozenset()

    def _of_replay(self, route: str, name: str) -> tuple[DestinationPolicy, frozenset[str]] | None:
        """Return the policy of a study that an operator sends to an endpoint, which may be given all that it holds."""
        if self._directory.phi(name) != "full":
            return None
        retry = _retry(self._loaded.app.defaults.retry)
        return DestinationPolicy(route=route, destination=name, retry=retry, recallable=False), frozenset()

    def _retry(self, way: Way, endpoint: str, otherwise: Retry) -> Retry:
        said = _said(self._speakers(way, endpoint), lambda one: one.retry)
        return otherwise if said is None else _retry(said)

    def _speakers(self, way: Way, endpoint: str) -> list[Way | Profile | EndpointConfig]:
        written = _endpoint_config(self._loaded, endpoint)
        own, shared = ([], []) if written is None else ([written], self._profiles(written.use))
        return [way, *own, *self._profiles(way.use), *shared]

    def _timeout(self, way: Way, endpoint: str) -> float | None:
        said = _said(self._speakers(way, endpoint), lambda one: one.timeout)
        return None if said is None else said.total_seconds()

    def _profiles(self, names: Sequence[str]) -> list[Profile]:
        return _profiles(self._loaded, names)


class CurrentPolicies:
    """The policies of whatever configuration is current; what the dispatcher is given."""

    def __init__(self, current: Current) -> None:
        self._current = current

    def destination(self, delivery: Delivery) -> DestinationPolicy | None:
        """Return the policy for a delivery, None when its route or destination is gone (the delivery is parked)."""
        return self._current.board.policies.destination(delivery)

    def endpoint(self, name: str) -> EndpointPolicy | None:
        """Return the policy of `partner.endpoint`, None when it is gone."""
        return self._current.board.policies.endpoint(name)


def _of_routing(route: RouteConfig) -> DestinationPolicy:
    return DestinationPolicy(
        route=route.route,
        destination="",
        retry=_ROUTING_RETRY,
        parks=parks(route),
        recallable=False,
        alert=route.on_dead.alert or route.on_reject.alert or "",
    )


def _rulings(destination: Destination, codec_name: str, tables: frozenset[str]) -> Rulings:
    reader = codec(codec_name)

    def compiled(text: str) -> Expression:
        return compile_expression(text, reader, names=NAMES, tables=tables)

    rules = tuple(
        Rule(
            compiled(said.when),
            "hold" if said.hold is not None else "dead" if said.dead else "retry",
            said.hold.total_seconds() if said.hold is not None else 0.0,
        )
        for said in destination.on_reply
    )
    remember = tuple((name, compiled(text)) for name, text in destination.remember.items())
    return Rulings(codec_name, rules, remember)


def _matched(chain: Sequence[str], written: Sequence[EndpointText]) -> Iterator[tuple[str, int]]:
    """Pair the endpoints of a chain with the ways they came from: in order, some may have been left out."""
    at = 0
    for endpoint in chain:
        partner, _, short = endpoint.rpartition(".")
        for index in range(at, len(written)):
            if written[index].short == short and written[index].partner in (None, partner):
                yield endpoint, index
                at = index + 1
                break


def _exposures(
    routes: Mapping[str, CompiledRoute],
) -> Iterator[tuple[tuple[str, str], tuple[Exposure, ...]]]:
    """Give for each destination how much each of its ways may hold; the most over all codecs."""
    found: dict[tuple[str, str], tuple[Exposure, ...]] = {}
    for route in routes.values():
        for program in route.programs.values():
            for outlet in _outlets(program):
                key = (route.name, outlet.name)
                own = tuple(way.exposure for way in outlet.ways)
                known = found.get(key, own)
                found[key] = tuple(max(pair) for pair in zip(known, own, strict=True))
    yield from found.items()


def _outlets(program: Program) -> Iterator[Outlet]:
    for entry in program.entries:
        if isinstance(entry, Outlet):
            yield entry
        elif isinstance(entry, OneOf):
            yield from entry.outlets
        elif isinstance(entry, Subscribers):
            yield from (subscriber.outlet for subscriber in entry.subscribers)


# --------------------------------------------------------------------------- endpoints


def _endpoints(loaded: Loaded) -> Iterator[tuple[str, EndpointPolicy]]:
    for name, partner in loaded.partners.items():
        windows = _maintenance(partner, loaded.app.engine.zone)
        for short, written in partner.endpoints.items():
            yield f"{name}.{short}", _endpoint(loaded, name, short, written, windows)
    for name, alert in loaded.app.alerts.items():
        if alert.to.startswith("mailto:"):
            timeout = loaded.app.defaults.timeout.total_seconds()
            yield ALERT + name, EndpointPolicy(ALERT + name, partner="", timeout=timeout)


def _endpoint(
    loaded: Loaded, partner: str, short: str, written: EndpointConfig, windows: tuple[Maintenance, ...]
) -> EndpointPolicy:
    speakers: list[EndpointConfig | Profile] = [written, *_profiles(loaded, written.use)]
    defaults = loaded.app.defaults
    limits = _said(speakers, lambda one: one.limits) or defaults.limits
    breaker = _said(speakers, lambda one: one.breaker) or defaults.breaker
    timeout = _said(speakers, lambda one: one.timeout) or defaults.timeout
    return EndpointPolicy(
        name=f"{partner}.{short}",
        partner=partner,
        timeout=timeout.total_seconds(),
        concurrency=limits.concurrency,
        rate=None if limits.rate is None else limits.rate.per_second,
        breaker_failures=breaker.failures,
        breaker_open=breaker.open.total_seconds(),
        maintenance=windows,
        confirm_within=written.confirm_within.total_seconds(),
        confirmed_in_order=written.in_order == "confirmed",
    )


def _endpoint_config(loaded: Loaded, name: str) -> EndpointConfig | None:
    partner, _, short = name.rpartition(".")
    found = loaded.partners.get(partner)
    return found.endpoints.get(short) if found else None


def _maintenance(partner: PartnerConfig, zone: str) -> tuple[Maintenance, ...]:
    return tuple(
        Maintenance(
            days=window.every.days,
            start=_minutes(window.every.hours.start),
            end=_minutes(window.every.hours.end),
            zone=partner.zone or zone,
            catch_up=None if window.catch_up is None else window.catch_up.per_second,
        )
        for window in partner.maintenance
    )


# --------------------------------------------------------------------------- who says what


def _profiles(loaded: Loaded, names: Sequence[str]) -> list[Profile]:
    """Return profiles in the order in which they are asked: the last one that is named wins."""
    return [loaded.app.profiles[name] for name in reversed(names)]


def _said(speakers: Sequence[_S], ask: Callable[[_S], _T | None]) -> _T | None:
    """Return what the first that says anything says."""
    return next((said for speaker in speakers if (said := ask(speaker)) is not None), None)


def _retry(written: RetryPolicy) -> Retry:
    return Retry(
        first=written.backoff.first.total_seconds(),
        ceiling=written.backoff.longest.total_seconds(),
        budget=written.budget.total_seconds(),
        attempts=written.attempts,
    )


def _minutes(moment: time) -> int:
    return moment.hour * 60 + moment.minute
