"""Who gets an event: what partners subscribe to, put into the entries of routes that deliver to subscribers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from engine.codecs import codec
from engine.config.doors import known_events
from engine.config.findings import Findings
from engine.config.formats import codecs_of
from engine.config.loaded import Loaded, LoadedRoute
from engine.config.mapped import codec_through
from engine.config.nodes import Location, locate
from engine.config.partner import PartnerConfig, Subscription
from engine.config.route import Destination, EndpointText, Subscriber, ToSubscribers
from engine.config.suggest import did_you_mean, hint
from engine.errors import ExpressionError, Problem
from engine.expressions import Expression, compile_expression

EVENT_CODEC = "json"
"""The codec of what subscribers are asked with."""
EVENT = "event"
"""The form of a subscription that wants the CloudEvent itself."""
NAMES = ("msg", "meta", "sender", "partner")
"""Names in the `when` of a subscription."""


def with_subscribers(route: LoadedRoute, partners: Mapping[str, PartnerConfig]) -> LoadedRoute:
    """Return a route whose entries know who subscribed."""
    if not any(isinstance(entry, ToSubscribers) for entry in route.config.to):
        return route
    entries = tuple(
        entry.finding([*_subscribers(entry, partners)]) if isinstance(entry, ToSubscribers) else entry
        for entry in route.config.to
    )
    return replace(route, config=route.config.model_copy(update={"to": entries}))


def condition(text: str, tables: Mapping[str, Mapping[str, str]] | frozenset[str]) -> Expression:
    """Compile the `when` of a subscription; ExpressionError."""
    return compile_expression(text, codec(EVENT_CODEC), names=NAMES, tables=tables)


def _subscribers(entry: ToSubscribers, partners: Mapping[str, PartnerConfig]) -> Iterator[Subscriber]:
    for name, partner in partners.items():
        wanted: dict[str, list[Subscription]] = {}
        for subscription in partner.subscriptions:
            if subscription.as_ == entry.subscribers:
                wanted.setdefault(subscription.endpoint, []).append(subscription)
        for short, subscriptions in wanted.items():
            yield Subscriber(name, _destination(entry, f"{name}.{short}"), tuple(subscriptions))


def _destination(entry: ToSubscribers, endpoint: str) -> Destination:
    """Return the destination of one endpoint; its name tells it from those of other entries that lead there."""
    told = entry.id or ("" if entry.subscribers == EVENT else entry.subscribers)
    return Destination.model_construct(
        endpoint=EndpointText.retell(endpoint),
        id=f"{endpoint}/{told}" if told else endpoint,
        use=entry.use,
        timeout=entry.timeout,
        retry=entry.retry,
        supersede=entry.supersede,
        recall=entry.recall,
        expire=entry.expire,
    )


# --------------------------------------------------------------------------- checks


def check_subscribers(loaded: Loaded, findings: Findings, problems: list[Problem]) -> None:
    """Check what partners subscribe to, and that the events of each route have somebody who wants them."""
    events = sorted(set(known_events(loaded)))
    entries = [entry for route in loaded.routes for entry in route.config.to]
    forms = {entry.subscribers for entry in entries if isinstance(entry, ToSubscribers)}
    tables = frozenset(loaded.app.tables)
    for name, partner in loaded.partners.items():
        for index, subscription in enumerate(partner.subscriptions):
            at: Location = ("partners", name, "subscriptions", index)
            findings.reference((*at, "endpoint"), subscription.endpoint, partner.endpoints, "endpoint")
            _check_events(findings, (*at, "events"), subscription.events, events)
            if subscription.when is not None:
                _check_condition(loaded, (*at, "when"), subscription.when, tables, problems)
            if subscription.as_ not in forms:
                told = f'no route delivers events as "{subscription.as_}"'
                help = hint(subscription.as_, forms) or "say `to: [{subscribers: FORM}]` in one"
                findings.warning((*at, "as") if subscription.as_ != EVENT else (*at, "endpoint"), told, help)
    for route in loaded.routes:
        _check_route(loaded, route, Findings(route.tree, problems), events)


def _check_events(findings: Findings, at: Location, wanted: Sequence[str], known: Sequence[str]) -> None:
    for index, event in enumerate(wanted):
        meant = did_you_mean(event, known) if event not in known else ""
        if event not in known:
            help = f'did you mean "{meant}"?' if meant else ""
            findings.warning((*at, index), f'no schema describes the event "{event}"', help)


def _check_condition(
    loaded: Loaded, at: Location, text: str, tables: frozenset[str], problems: list[Problem]
) -> None:
    try:
        condition(text, tables)
    except ExpressionError as error:
        mark = locate(loaded.tree, at).inside(error.offset, error.length)
        problems.append(mark.problem(str(error), help=error.help))


def _check_route(loaded: Loaded, route: LoadedRoute, findings: Findings, events: Sequence[str]) -> None:
    seen: dict[str, int] = {}
    asked = [
        (index, entry) for index, entry in enumerate(route.config.to) if isinstance(entry, ToSubscribers)
    ]
    for index, entry in asked:
        at: Location = ("to", index, "subscribers")
        told = entry.id or entry.subscribers
        if seen.setdefault(told, index) != index:
            findings.error(at, f'a second entry for "{told}"', "give one of them an `id`")
        for name in sorted(codecs_of(loaded, route)):
            here = codec_through(loaded.root, route.config.steps, name)
            if here != EVENT_CODEC:
                told = f"subscribers are asked with the event, and the document here is {here}"
                findings.error(
                    at, told, "map it to the event before, and to this form in `steps` of the entry"
                )
        if (entry.supersede or entry.recall) and not route.config.order_by:
            told = "versions are compared within one ordering key, and this route has none"
            findings.error(at, told, "say `order_by`")
        for number, name in enumerate(entry.use):
            findings.reference(("to", index, "use", number), name, loaded.app.profiles, "profile")
    if asked:
        _check_wanted(route, [entry for _, entry in asked], asked[0][0], findings, events)


def _check_wanted(
    route: LoadedRoute, entries: Sequence[ToSubscribers], at: int, findings: Findings, events: Sequence[str]
) -> None:
    """Tell which of the events that a route may bring nobody subscribed to."""
    wanted = [each for entry in entries for subscriber in entry.found for each in subscriber.subscriptions]
    if any(not each.events for each in wanted):
        return
    taken = {event for each in wanted for event in each.events}
    brought = route.config.accept.events or events
    lost = [event for event in brought if event not in taken]
    if lost:
        findings.warning(("to", at, "subscribers"), f"nobody subscribes to {', '.join(lost)}")
