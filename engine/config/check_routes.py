"""Checks routes: every name leads somewhere, every destination can be reached, no two routes meet unawares."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from engine.config.check_accept import check_accept
from engine.config.doors import common_kinds
from engine.config.findings import Findings
from engine.config.loaded import Loaded, LoadedRoute
from engine.config.models import ListenerConfig
from engine.config.nodes import Location
from engine.config.route import Destination, Door, EndpointText, Entry, OneOf, RouteConfig, ToRoute, Way
from engine.config.suggest import did_you_mean, hint
from engine.errors import Problem

_CHOSEN = "{partner}."
"""How an endpoint begins whose partner a `partner` step chose."""


def check_routes(
    loaded: Loaded, findings: Findings, problems: list[Problem], *, unread: Collection[str]
) -> None:
    """Check every route, and what they are together; `findings` is about config.yaml.

    `unread` names routes that exist but are wrong themselves, so that they can be referred to.
    """
    names: dict[str, LoadedRoute] = {}
    for route in loaded.routes:
        own = Findings(route.tree, problems)
        first = names.setdefault(route.name, route)
        if first is not route:
            place = first.tree.keys_at["route"]
            own.error(("route",), f'a second route "{route.name}"', f"the first is {first.file}:{place.line}")
        _RouteCheck(loaded, route.config, own, unread).run()
        check_accept(loaded, route, own)
    _check_former(loaded.routes, problems)
    _check_loops(loaded.routes, problems)
    _check_overlaps(loaded.routes, problems)
    taken = {door.listener for route in loaded.routes for door in route.config.doors}
    for name, listener in {} if unread else loaded.app.listen.items():
        if name not in taken and not _hears_answers(loaded, listener):
            findings.warning(("listen", name), f'no route takes messages from "{name}"')


def _hears_answers(loaded: Loaded, listener: ListenerConfig) -> bool:
    """Tell whether a listener without a route has a use: its partner's later acknowledgements come in by it."""
    partner = loaded.partners.get(listener.partner or "")
    if partner is None or not listener.hears_confirmations():
        return False
    return any(endpoint.may_confirm_later() for endpoint in partner.endpoints.values())


class _RouteCheck:
    """One route against the configuration."""

    def __init__(
        self, loaded: Loaded, route: RouteConfig, findings: Findings, unread: Collection[str]
    ) -> None:
        self._loaded = loaded
        self._unread = unread
        self._route = route
        self._findings = findings
        self._shorts = {short for partner in loaded.partners.values() for short in partner.endpoints}

    def run(self) -> None:
        self._doors()
        alerts = self._loaded.app.alerts
        self._findings.reference(("on_reject", "alert"), self._route.on_reject.alert, alerts, "alert")
        self._findings.reference(("on_dead", "alert"), self._route.on_dead.alert, alerts, "alert")
        self._names()
        self._identifiers()
        for index, entry in enumerate(self._route.to):
            self._entry(("to", index), entry)

    def _doors(self) -> None:
        listeners = self._loaded.app.listen
        for index, door in enumerate(self._route.doors):
            if door.listener not in listeners:
                at = self._door_at(index)
                told = self._findings.error if at[-1] != door.listener else self._findings.error_of_key
                told(at, f'there is no listener "{door.listener}"', hint(door.listener, listeners))
            elif fault := listeners[door.listener].selector_fault(door.selector):
                self._findings.error(self._door_at(index), fault)
        called = any(
            isinstance(entry, ToRoute) and entry.route == self._route.route
            for route in self._loaded.routes
            for entry in route.config.to
        )
        if not self._route.doors and not called and not self._unread:
            self._findings.error(("route",), "nothing ever reaches this route", "say `from: LISTENER`")

    def _door_at(self, index: int) -> Location:
        """Return where the door of that index stands: `from` is a name, a mapping, or a list of both."""
        places: list[Location] = []
        written = self._findings.node(("from",))
        for number, item in enumerate(written) if isinstance(written, list) else [(-1, written)]:
            at: Location = ("from",) if number < 0 else ("from", number)
            places.extend((*at, key) for key in item) if isinstance(item, dict) else places.append(at)
        return places[index]

    def _names(self) -> None:
        seen: set[str] = set()
        for at, destination in _destinations(self._route):
            if destination.name in seen:
                told = f'a second destination "{destination.name}"'
                self._findings.error(
                    (*at, "id" if destination.id else "endpoint"), told, "give one of them an `id`"
                )
            seen.add(destination.name)

    def _identifiers(self) -> None:
        """Check that partners are looked up by identifiers that some partner has."""
        known = {
            "name",
            *(kind for partner in self._loaded.partners.values() for kind in partner.identifiers),
        }
        for index, step in enumerate(self._route.steps):
            for kind in getattr(step.get("partner"), "where", ()):
                if kind not in known:
                    at: Location = ("steps", index, "partner", "where", kind)
                    self._findings.error_of_key(
                        at, f'no partner has an identifier "{kind}"', hint(kind, known)
                    )

    def _entry(self, at: Location, entry: Entry) -> None:
        if isinstance(entry, Destination):
            self._destination(at, entry)
            if entry.otherwise:
                self._findings.error_of_key((*at, "otherwise"), "this is for `one_of` only")
        elif isinstance(entry, OneOf):
            self._one_of((*at, "one_of"), entry.one_of)
        elif isinstance(entry, ToRoute):
            known = {*self._unread, *(route.name for route in self._loaded.routes)}
            self._findings.reference((*at, "route"), entry.route, known, "route")

    def _one_of(self, at: Location, choices: Sequence[Destination]) -> None:
        always: int | None = None
        for index, choice in enumerate(choices):
            self._destination((*at, index), choice)
            if always is not None:
                self._findings.error((*at, index), "never reached: the destination before it always holds")
            if choice.otherwise and choice.when is not None:
                self._findings.error_of_key((*at, index, "when"), "`otherwise` needs no condition")
            if choice.when is None:
                always = index if always is None else always
                if not choice.otherwise and index < len(choices) - 1:
                    self._findings.error(
                        (*at, index), "always holds: say `when`, or put it last with `otherwise: true`"
                    )

    def _destination(self, at: Location, destination: Destination) -> None:
        self._way(at, destination, steps=[*self._route.steps, *destination.steps])
        if (destination.supersede or destination.recall) and not self._route.order_by:
            key = "supersede" if destination.supersede else "recall"
            told = "versions are compared within one ordering key, and this route has none"
            self._findings.error_of_key((*at, key), told, "say `order_by`")
        if destination.priority is not None and self._type_of(destination.endpoint) not in ("dicom", ""):
            self._findings.error((*at, "priority"), "only `dicom` endpoints tell their partner of it")
        if destination.fallback is None:
            return
        chain = [str(destination.endpoint)]
        for index, way in enumerate(destination.fallback.to):
            place: Location = (*at, "fallback", "to", index)
            self._way(place, way, steps=[*self._route.steps, *destination.steps, *way.steps])
            if way.endpoint in chain:
                self._findings.error(
                    (*place, "endpoint"), f'"{way.endpoint}" was tried before: a fallback is another one'
                )
            chain.append(str(way.endpoint))

    def _type_of(self, endpoint: EndpointText) -> str:
        """Return the type of an endpoint, "" where a step chooses it or there is none."""
        partner = self._loaded.partners.get(endpoint.partner or "")
        found = partner.endpoints.get(endpoint.short) if partner is not None else None
        return found.type if found is not None else ""

    def _way(self, at: Location, way: Way, *, steps: Sequence[Mapping[str, object]]) -> None:
        self._endpoint((*at, "endpoint"), way.endpoint, chosen=any("partner" in step for step in steps))
        profiles = self._loaded.app.profiles
        for index, name in enumerate(way.use):
            if not self._findings.reference((*at, "use", index), name, profiles, "profile"):
                continue
            for key in ("limits", "breaker"):
                if getattr(profiles[name], key) is not None:
                    self._findings.error(
                        (*at, "use", index), f'the profile "{name}" sets `{key}`', "use it at an endpoint"
                    )

    def _endpoint(self, at: Location, endpoint: EndpointText, *, chosen: bool) -> None:
        partners = self._loaded.partners
        short_at = len(endpoint) - len(endpoint.short)
        if endpoint.partner is None:
            if endpoint.startswith(_CHOSEN) and not chosen:
                self._findings.error_inside(
                    at,
                    0,
                    short_at - 1,
                    "no step before this chooses a partner",
                    "add a step `partner: {where: ...}`",
                )
            known = self._shorts
        elif endpoint.partner in partners:
            known = set(partners[endpoint.partner].endpoints)
        else:
            told = f'there is no partner "{endpoint.partner}"'
            self._findings.error_inside(at, 0, short_at - 1, told, hint(endpoint.partner, partners))
            return
        if endpoint.short not in known:
            whose = "no partner has an" if endpoint.partner is None else f'"{endpoint.partner}" has no'
            told = f'{whose} endpoint "{endpoint.short}"'
            if endpoint.partner is None and "fallback" in at and not did_you_mean(endpoint.short, known):
                self._findings.warning(at, told, "this fallback is never taken")
                return
            self._findings.error_inside(at, short_at, len(endpoint.short), told, hint(endpoint.short, known))


def _destinations(route: RouteConfig) -> Iterator[tuple[Location, Destination]]:
    for index, entry in enumerate(route.to):
        if isinstance(entry, Destination):
            yield ("to", index), entry
        elif isinstance(entry, OneOf):
            for number, choice in enumerate(entry.one_of):
                yield ("to", index, "one_of", number), choice


# --------------------------------------------------------------------------- routes together


def _check_former(routes: Sequence[LoadedRoute], problems: list[Problem]) -> None:
    owners = {route.name: route.name for route in routes}
    for route in routes:
        for index, old in enumerate(route.config.formerly):
            if owners.setdefault(old, route.name) != route.name or old == route.name:
                Findings(route.tree, problems).error(
                    ("formerly", index), f'"{old}" is the name of another route, or was'
                )


def _check_loops(routes: Sequence[LoadedRoute], problems: list[Problem]) -> None:
    """Refuse routes that hand on to each other in a circle."""
    onward = {
        route.name: [entry.route for entry in route.config.to if isinstance(entry, ToRoute)]
        for route in routes
    }
    for route in routes:
        for index, entry in enumerate(route.config.to):
            if isinstance(entry, ToRoute) and _leads_to(onward, entry.route, route.name):
                Findings(route.tree, problems).error(
                    ("to", index, "route"), "this leads back to the route itself"
                )


def _leads_to(onward: Mapping[str, Sequence[str]], start: str, goal: str) -> bool:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            waiting.extend(onward.get(name, ()))
    return False


def _check_overlaps(routes: Sequence[LoadedRoute], problems: list[Problem]) -> None:
    """Tell where routes take the same messages: all of them run, which is not always what was meant."""
    at_door: dict[Door, list[LoadedRoute]] = {}
    for route in routes:
        for door in dict.fromkeys(route.config.doors):
            at_door.setdefault(door, []).append(route)
    for together in at_door.values():
        for index, route in enumerate(together):
            others = {other.name: what for other in together[:index] if (what := common_kinds(route, other))}
            if others:
                _tell_overlap(Findings(route.tree, problems), others)


def _tell_overlap(findings: Findings, others: Mapping[str, str]) -> None:
    kinds = ", ".join(sorted({kind for what in others.values() for kind in what.split(", ")}))
    names = [f'"{name}"' for name in others]
    if len(names) == 1:
        findings.warning(("from",), f"{names[0]} takes {kinds} from the same door: both run")
    else:
        told = f"{', '.join(names[:-1])} and {names[-1]} take {kinds} from the same door, too: all run"
        findings.warning(("from",), told)
