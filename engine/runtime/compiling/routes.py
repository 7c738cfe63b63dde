"""Compiles the routes of a configuration, each for every codec that its messages may have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

from engine.config.formats import HL7, answer_codec, codecs_of, said_codec
from engine.config.loaded import LoadedRoute
from engine.config.message_types import Types, read_pattern
from engine.config.nodes import Location, locate
from engine.config.partner import Subscription
from engine.config.route import (
    Delivered,
    Destination,
    EndpointText,
    Fallback,
    FallbackWay,
    RouteConfig,
    ToSubscribers,
)
from engine.config.route import Entry as EntryConfig
from engine.config.route import OneOf as OneOfConfig
from engine.config.subscribers import condition
from engine.errors import ConfigurationError, ExpressionError, NotFound
from engine.expressions import Expression
from engine.runtime.compiling.supplies import Supplies, names_read
from engine.runtime.compiling.tracing import CONTENT, Trace, build_steps
from engine.runtime.compiling.workshop import Workshop
from engine.runtime.routing.accept import Accept
from engine.runtime.routing.answering import Answering
from engine.runtime.routing.board import CompiledRoute
from engine.runtime.routing.enclosure import Enclosure, Value
from engine.runtime.routing.outlet import Exposure, Outlet, Way
from engine.runtime.routing.program import Entry, OneOf, Onward, Program, Rejection
from engine.runtime.routing.subscribing import Subscriber, Subscribers, Wish
from engine.spi import Scope
from engine.steps.validate import judged_by_standard

POSSIBLE_CODECS = ("text", "opaque")
"""What a listener may read besides, by each message's content type, where it does not say and the route fits."""

_CHOSEN = "{partner}."


class Compiler:
    """Compiles routes of one configuration; each once per codec, however many lead to it."""

    def __init__(self, supplies: Supplies) -> None:
        self._supplies = supplies
        self._routes = {route.name: route for route in supplies.loaded.routes}
        self._programs: dict[tuple[str, str], Program] = {}

    def route(self, name: str) -> CompiledRoute:
        """Compile one route.

        Raises:
            ConfigurationError: it does not compile for a codec that its doors say.
        """
        loaded = self._routes[name]
        wanted, possible = self._codecs(loaded)
        programs = {codec: self.program(name, codec) for codec in wanted}
        for codec in possible:
            try:
                programs[codec] = self.program(name, codec)
            except ConfigurationError:
                continue  # its paths are not those of this format: such a message is refused
        return CompiledRoute(name, loaded.version, programs)

    def program(self, name: str, codec: str) -> Program:
        """Compile one route for one codec; ConfigurationError."""
        found = self._programs.get((name, codec))
        if found is None:
            found = _RouteCompiler(self, self._supplies, self._routes[name], codec).program()
            self._programs[name, codec] = found
        return found

    def _codecs(self, route: LoadedRoute) -> tuple[list[str], Sequence[str]]:
        loaded = self._supplies.loaded
        wanted = sorted(codecs_of(loaded, route))
        listeners, accept = loaded.app.listen, route.config.accept
        silent = any(
            said_codec(listeners[door.listener]) is None
            for door in route.config.doors
            if door.listener in listeners
        )
        possible = POSSIBLE_CODECS if silent and not accept.events and not accept.types else ()
        return wanted, [codec for codec in possible if codec not in wanted]


class _RouteCompiler:
    """One route for one codec."""

    def __init__(self, compiler: Compiler, supplies: Supplies, route: LoadedRoute, codec: str) -> None:
        self._compiler = compiler
        self._supplies = supplies
        self._loaded = route
        self._config = route.config
        self._codec = codec
        self._number = 0
        self._whole = frozenset(
            f"{name}.{short}"
            for name, partner in supplies.loaded.partners.items()
            for short, endpoint in partner.endpoints.items()
            if endpoint.complement == "send" and endpoint.phi == "full"
        )

    def program(self) -> Program:
        config = self._config
        start = Trace(self._codec, self._codec)
        at_door = Workshop(self._supplies, self._codec, source=self._codec)
        order_by = []
        for index, text in enumerate(config.order_by):
            with self._placed("order_by", index):
                order_by.append(at_door.expression(text))
        keys = []
        for name, text in config.keys.items():
            with self._placed("keys", name):
                keys.append((name, at_door.expression(text)))
        steps, trace = build_steps(config.steps, start, self._supplies, partial(self._placed, "steps"))
        return Program(
            name=config.route,
            version=self._loaded.version,
            codec=self._codec,
            accept=self._accept(),
            order_by=tuple(order_by),
            keys=tuple(keys),
            steps=steps,
            entries=tuple(self._entry(("to", index), entry, trace) for index, entry in enumerate(config.to)),
            rerun=any(
                each.supersede and each.supersede.kind == "keep_first" for each in config.destinations()
            ),
            revise=trace.revise,
            phi_of=self._supplies.directory.phi,
            stored=config.acknowledge == "stored",
            answering=self._answering(),
            dedupe_ms=None if config.dedupe is None else milliseconds(config.dedupe.window),
            rejection=self._rejection(),
            parks=parks(config),
            by_standard=self._codec == HL7 and judged_by_standard(config.steps),
        )

    def _answering(self) -> Answering | None:
        said = self._config.acknowledge
        if not isinstance(said, Delivered):
            return None
        codec = answer_codec(self._supplies.loaded, self._config)
        placed = partial(self._placed, "acknowledge", "steps")
        steps, _ = build_steps(said.steps, Trace(self._codec, codec), self._supplies, placed)
        return Answering(said.delivered.total_seconds(), said.timeout, codec, steps)

    def _rejection(self) -> Rejection:
        """Content at fault is ours to solve where its sender cannot mend it: an interface would only send it again."""
        said = self._config.on_reject
        waits = isinstance(self._config.acknowledge, Delivered)
        positive = said.reply == "AA" or (said.reply is None and self._codec == HL7 and not waits)
        return Rejection(
            positive=positive,
            parks=positive and (bool(self._config.order_by) if said.lane is None else said.lane == "park"),
            code="" if positive else said.reply or "",
            alert=said.alert or "",
        )

    def _accept(self) -> Accept:
        accept = self._config.accept
        if self._codec == HL7:
            return self._accept_types(accept.types)
        if accept.types and not accept.events and self._config.doors:
            with self._placed("accept", "types"):
                raise NotFound(f"{self._codec} messages have no types: say `events`, or leave it out")
        schemas = {}
        for index, kind in enumerate(accept.events):
            with self._placed("accept", "events", index):
                schema = self._supplies.event_schema(kind)
            if schema is not None:
                schemas[kind] = schema
        return Accept(accept.events, schemas)

    def _accept_types(self, types: Sequence[str]) -> Accept:
        for index, text in enumerate(types):
            with self._placed("accept", "types", index):
                read_pattern(text)
        return Accept(tuple(types), types=Types.of(types) if types else None)

    def _entry(self, at: Location, entry: EntryConfig, trace: Trace) -> Entry:
        if isinstance(entry, Destination):
            return self._outlet(at, entry, trace)
        if isinstance(entry, ToSubscribers):
            return self._subscribers(at, entry, trace)
        if isinstance(entry, OneOfConfig):
            choices = enumerate(entry.one_of)
            return OneOf(
                tuple(self._outlet((*at, "one_of", index), choice, trace) for index, choice in choices)
            )
        workshop = Workshop(self._supplies, trace.codec, source=self._codec)
        with self._placed(*at, "route"):
            program = self._compiler.program(entry.route, trace.codec)
        with self._placed(*at, "when"):
            when = None if entry.when is None else workshop.expression(entry.when)
        return Onward(program, when)

    def _outlet(self, at: Location, destination: Destination, trace: Trace) -> Outlet:
        self._number += 1
        alone = destination.steps or destination.body is not None or destination.called is not None
        role = f":{self._number}" if alone else ""
        workshop = Workshop(self._supplies, trace.codec, source=self._codec)
        with self._placed(*at, "when"):
            when = None if destination.when is None else workshop.expression(destination.when)
        placed = partial(self._placed, *at, "steps")
        steps, own = build_steps(destination.steps, trace, self._supplies, placed)
        after = Workshop(self._supplies, own.codec, source=self._codec)
        supersede = destination.supersede
        enclosure = self._enclosure(at, destination, after)
        with self._placed(*at, "recall"):
            recall = None if destination.recall is None else after.expression(destination.recall)
        fallback = destination.fallback
        return Outlet(
            name=destination.name,
            ways=(
                _enclosed(self._way(at, destination.endpoint, after, own, role), enclosure),
                *(
                    way if way.steps else _enclosed(way, enclosure)
                    for way in self._fallbacks(
                        (*at, "fallback", "to"), fallback, own, role or f":{self._number}", role
                    )
                ),
            ),
            when=when,
            steps=steps,
            own=bool(destination.steps),
            version=self._value(
                (*at, "supersede", "version"), supersede.version if supersede else None, after
            ),
            recall=recall,
            expire=self._value((*at, "expire"), destination.expire, after),
            after_ms=None if fallback is None or fallback.after is None else milliseconds(fallback.after),
            parks=parks(self._config),
            kinds=self._config.accept.events if supersede and supersede.kind == "keep_first" else (),
            recalling=_recalling(recall, self._config.accept.events),
            remembers=bool(destination.remember),
            whole=self._whole,
        )

    def _subscribers(self, at: Location, entry: ToSubscribers, trace: Trace) -> Subscribers:
        """Compile the entry once: its subscribers differ by where they are and what they want."""
        workshop = Workshop(self._supplies, trace.codec, source=self._codec)
        with self._placed(*at, "when"):
            when = None if entry.when is None else workshop.expression(entry.when)
        steps, _ = build_steps(entry.steps, trace, self._supplies, partial(self._placed, *at, "steps"))
        first: Outlet | None = None
        found = []
        for each in entry.found:
            if first is None:
                destination = each.destination.model_copy(update={"steps": entry.steps})
                first = replace(self._outlet(at, destination, trace), own=False)
            way = replace(first.ways[0], endpoint=_always(each.destination.endpoint))
            found.append(
                Subscriber(
                    replace(first, name=each.destination.name, ways=(way,)),
                    self._supplies.directory.entry(each.partner),
                    tuple(self._wish(subscription) for subscription in each.subscriptions),
                )
            )
        return Subscribers(tuple(found), steps, when)

    def _wish(self, subscription: Subscription) -> Wish:
        if subscription.when is None:
            return Wish(frozenset(subscription.events))
        tables = self._supplies.tables
        try:
            return Wish(frozenset(subscription.events), condition(subscription.when, tables))
        except ExpressionError as error:  # told at its place by the check; a reload may come without one
            raise NotFound(f"a subscription does not compile: {error}") from error

    def _fallbacks(
        self, at: Location, fallback: Fallback | None, trace: Trace, number: str, shared: str
    ) -> Iterator[Way]:
        for index, way in enumerate(fallback.to if fallback else ()):
            place: Location = (*at, index)
            self._check_single(place, way)
            steps, own = build_steps(way.steps, trace, self._supplies, partial(self._placed, *place, "steps"))
            role = f"{number}.{index + 1}" if way.steps else shared
            workshop = Workshop(self._supplies, trace.codec, source=self._codec)
            made = self._way(place, way.endpoint, workshop, own, role)
            yield replace(made, steps=steps)

    def _way(self, at: Location, endpoint: EndpointText, workshop: Workshop, trace: Trace, role: str) -> Way:
        with self._placed(*at, "endpoint"):
            chosen = endpoint.startswith(_CHOSEN)
            return Way(
                endpoint=_chosen(endpoint.short) if chosen else workshop.template(endpoint).render,
                role=role,
                exposure=trace.exposure,
                untouched=not trace.changed,
                kindless=trace.kindless,
                made=trace.made,
            )

    def _enclosure(self, at: Location, destination: Destination, workshop: Workshop) -> _Enclosed:
        body = self._value((*at, "body"), destination.body, workshop)
        with self._placed(*at, "name"):
            name = None if destination.called is None else workshop.template(destination.called)
        if body is not None:
            return Enclosure(body, name), Exposure.FULL
        if name is None:
            return None, Exposure.NOTHING
        tells = names_read(name.names, name.paths) & CONTENT
        return Enclosure(None, name), Exposure.MINIMAL if tells else Exposure.NOTHING

    def _check_single(self, at: Location, way: FallbackWay) -> None:
        for index, step in enumerate(way.steps):
            if "split" in step:
                with self._placed(*at, "steps", index):
                    raise NotFound("a fallback takes over one message: split it before")

    def _value(self, at: Location, text: str | None, workshop: Workshop) -> Value | None:
        if not text:
            return None
        with self._placed(*at):
            return Value(workshop.expression(text), text.removeprefix("source.").removeprefix("msg."))

    @contextmanager
    def _placed(self, *location: str | int) -> Iterator[None]:
        """Tell what does not compile at the place where it was written."""
        try:
            yield
        except ExpressionError as error:
            mark = locate(self._loaded.tree, location).inside(error.offset, error.length)
            raise ConfigurationError([mark.problem(str(error), help=error.help)]) from error
        except NotFound as error:
            raise ConfigurationError([locate(self._loaded.tree, location).problem(str(error))]) from error


_Enclosed = tuple[Enclosure | None, Exposure]
"""What travels instead of a document or names it, and the most that it may hold of the message."""


def _enclosed(way: Way, enclosed: _Enclosed) -> Way:
    """Return the way with what it carries instead of the document, or under a name."""
    enclosure, exposure = enclosed
    return replace(way, enclosure=enclosure, exposure=max(way.exposure, exposure))


def parks(config: RouteConfig) -> bool:
    """Say whether a dead letter stops its lane: as the route says, else where it orders its messages."""
    if config.on_dead.lane is None:
        return bool(config.order_by)
    return config.on_dead.lane == "park"


def milliseconds(duration: timedelta) -> int:
    """Return a duration in whole milliseconds."""
    return round(duration / timedelta(milliseconds=1))


def _recalling(recall: Expression | None, kinds: Sequence[str]) -> frozenset[str] | None:
    """Return the event types that recall, None where that depends on more than the type."""
    if recall is None:
        return frozenset()
    if any(path != ("meta", "event.type") for path in recall.paths):
        return None
    nothing = Scope(msg=None, source=None, meta={}, now_ms=0)
    found = set()
    for kind in kinds:
        nothing.meta = {"event": {"type": kind}}
        if recall.evaluate(nothing):
            found.add(kind)
    return frozenset(found)


def _always(name: str) -> Callable[[Scope], str]:
    """Return what names one endpoint, whatever the message says."""

    def endpoint(scope: Scope) -> str:
        return name

    return endpoint


def _chosen(short: str) -> Callable[[Scope], str]:
    """Return what names an endpoint of the partner that a step chose; it names none while there is no partner."""

    def endpoint(scope: Scope) -> str:
        return f"{scope.partner['name']}.{short}" if scope.partner else f".{short}"

    return endpoint
