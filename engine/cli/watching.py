"""A compiled route that writes down what each of its steps and destinations does with a message.

The route is compiled as `run` compiles it; its steps and destinations are wrapped, so that what is written down is what
the engine does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from engine.cli.changes import Change, Picture, changes
from engine.config.loaded import Loaded, LoadedRoute
from engine.config.nodes import Location, locate
from engine.config.partner import Subscription
from engine.config.route import Destination, OneOf, ToRoute, ToSubscribers
from engine.config.route import Entry as EntryConfig
from engine.errors import Rejected
from engine.mapping.losses import told as as_told
from engine.model import Fault
from engine.runtime.routing.flow import Flowed, guard
from engine.runtime.routing.outlet import Exposure, Outlet, Way
from engine.runtime.routing.paper import Paper
from engine.runtime.routing.program import Entry, Onward, Program
from engine.runtime.routing.program import OneOf as Choice
from engine.runtime.routing.subscribing import Subscribers
from engine.spi import Document, Scope, Step
from engine.steps.contract import Compiled
from engine.store.protocol import NewDelivery


@dataclass(frozen=True, slots=True)
class Stepped:
    """What one step did: `within` is the destination or route whose step it is, "" for the route's own.

    `made` is how many documents came out, `picture` the one that came out where it is another document, `told` what it
    left in `partner` and `vars`, `losses` the reports of a two-way mapper: paths and reasons.
    """

    within: str
    place: str
    name: str
    made: int
    changes: Sequence[Change] = ()
    picture: Picture | None = None
    told: Mapping[str, str] = field(default_factory=dict)
    faults: Sequence[Fault] = ()
    losses: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """Whether a destination is served, and the expression that said so, "" for none."""

    name: str
    place: str
    taken: bool
    when: str


@dataclass(frozen=True, slots=True)
class Served:
    """One delivery, and the endpoints of its chain that it cannot take, each with the reason."""

    delivery: NewDelivery
    left_out: Sequence[tuple[str, str]]


Note = Stepped | Asked | Served


@dataclass(slots=True)
class Watch:
    """Writes down, in order; `phi` hears what endpoints may carry as the route asks."""

    notes: list[Note] = field(default_factory=list)
    phi: list[tuple[str, str | None]] = field(default_factory=list)

    def phi_of(self, known: Callable[[str], str | None]) -> Callable[[str], str | None]:
        """Return `known`, listened to."""

        def asked(name: str) -> str | None:
            found = known(name)
            self.phi.append((name, found))
            return found

        return asked


def watched(program: Program, loaded: Loaded, watch: Watch, within: str = "") -> Program:
    """Return a program that writes down what it does."""
    route = loaded.route(program.name)
    assert route is not None, "a program is that of a route"
    room = _Room(loaded, route, watch, within)
    entries = zip(program.entries, route.config.to, strict=True)
    return replace(
        program,
        steps=room.steps(program.steps, route.config.steps, ("steps",), within),
        entries=tuple(room.entry(made, said, ("to", at)) for at, (made, said) in enumerate(entries)),
        phi_of=watch.phi_of(program.phi_of),
    )


@dataclass(frozen=True, slots=True)
class _Room:
    """One route that is watched."""

    loaded: Loaded
    route: LoadedRoute
    watch: Watch
    within: str

    def place(self, location: Location) -> str:
        mark = locate(self.route.tree, location)
        return f"{mark.source.name}:{mark.line}"

    def steps(
        self, steps: Sequence[Step], said: Sequence[Mapping[str, Any]], at: Location, within: str
    ) -> tuple[Step, ...]:
        named = [(name, index) for index, step in enumerate(said) for name in step]
        marks: list[tuple[str, Step]] = [
            (name, _Mark(name, self.place((*at, index, name)))) for name, index in named
        ]
        # the guard puts copies between: which of the compiled steps are steps of the file shows by doing it again
        return tuple(
            _Step(step, mark.name, mark.place, within, self.watch) if isinstance(mark, _Mark) else step
            for step, mark in zip(steps, guard(marks), strict=True)
        )

    def entry(self, made: Entry, said: EntryConfig, at: Location) -> Entry:
        if isinstance(made, Outlet) and isinstance(said, Destination):
            return self.outlet(made, said, at)
        if isinstance(made, Choice) and isinstance(said, OneOf):
            pairs = enumerate(zip(made.outlets, said.one_of, strict=True))
            return Choice(
                tuple(self.outlet(outlet, one, (*at, "one_of", index)) for index, (outlet, one) in pairs)
            )
        if isinstance(made, Onward) and isinstance(said, ToRoute):
            name = f"route {said.route}"
            when = _When(made.when, Asked(name, self.place(at), True, said.when or ""), self.watch)
            return Onward(watched(made.program, self.loaded, self.watch, name), when)
        if isinstance(made, Subscribers) and isinstance(said, ToSubscribers):
            return self.subscribers(made, said, at)
        return made

    def subscribers(self, made: Subscribers, said: ToSubscribers, at: Location) -> Subscribers:
        name, place = self._inside(f"subscribers {said.subscribers}"), self.place(at)
        asked = tuple(
            Asked(each.destination.name, place, True, " or ".join(map(_wish, each.subscriptions)))
            for each in said.found
        )
        steps = self.steps(made.steps, said.steps, (*at, "steps"), name)
        return _Subscribers(
            made.subscribers, steps, made.when, asked=asked, only=said.when or "", watch=self.watch
        )

    def outlet(self, made: Outlet, said: Destination, at: Location) -> Outlet:
        name = self._inside(said.name)
        further = said.fallback.to if said.fallback else ()
        ways: list[Way] = [made.ways[0]]
        for index, (way, one) in enumerate(zip(made.ways[1:], further, strict=True)):
            place: Location = (*at, "fallback", "to", index, "steps")
            ways.append(
                replace(way, steps=self.steps(way.steps, one.steps, place, f"{name} > {one.endpoint}"))
            )
        known = {each.name: getattr(made, each.name) for each in fields(Outlet)}
        known["ways"] = tuple(ways)
        known["steps"] = self.steps(made.steps, said.steps, (*at, "steps"), name)
        asked = Asked(name, self.place(at), True, said.when or ("otherwise" if said.otherwise else ""))
        return _Outlet(**known, asked=asked, watch=self.watch)

    def _inside(self, name: str) -> str:
        return f"{self.within} > {name}" if self.within else name


@dataclass(frozen=True, slots=True)
class _Mark:
    """Stands for a step of the file."""

    name: str
    place: str

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        raise AssertionError("it is counted, never run")


@dataclass(frozen=True, slots=True)
class _Step:
    """A step that is watched."""

    step: Step
    name: str
    place: str
    within: str
    watch: Watch

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        before, known, carried = Picture.of(document), _told(scope), len(scope.carried)
        try:
            made = self.step(document, scope)
        except Rejected as error:
            faults = error.faults or (Fault("", str(error), error.code),)
            self.watch.notes.append(Stepped(self.within, self.place, self.name, 0, faults=faults))
            raise
        told = {name: text for name, text in _told(scope).items() if known.get(name) != text}
        found: list[Change] = []
        picture = None
        if len(made) == 1:
            after = Picture.of(made[0])
            whole = self.name == "map" or after.codec != before.codec
            picture, found = (after, []) if whole else (None, changes(before, after))
        note = Stepped(self.within, self.place, self.name, len(made), found, picture, told)
        losses = [as_told(each.loss()) for each in scope.carried[carried:]]
        self.watch.notes.append(replace(note, losses=losses))
        return made


@dataclass(frozen=True, slots=True)
class _When:
    """The condition of handing on to another route, watched; it holds where the route says none."""

    when: Compiled | None
    asked: Asked
    watch: Watch

    def evaluate(self, scope: Scope) -> bool:
        taken = self.when is None or bool(self.when.evaluate(scope))
        self.watch.notes.append(replace(self.asked, taken=taken))
        return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outlet(Outlet):
    """A destination that is watched."""

    asked: Asked
    watch: Watch

    def wants(self, scope: Scope) -> bool:
        taken = Outlet.wants(self, scope)
        self.watch.notes.append(replace(self.asked, taken=taken))
        return taken

    def serve(
        self, flowed: Flowed, position: int, part: int, lane: str, paper: Paper
    ) -> Iterator[NewDelivery]:
        self.watch.phi.clear()
        for delivery in Outlet.serve(self, flowed, position, part, lane, paper):
            asked = dict(self.watch.phi)
            chain = {hop.endpoint for hop in delivery.chain} if not delivery.reason else set()
            left_out = [(name, _why(phi)) for name, phi in asked.items() if name not in chain]
            self.watch.notes.append(Served(delivery, left_out))
            self.watch.phi.clear()
            yield delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subscribers(Subscribers):
    """The entry for subscribers, watched; each of them is told of, served or not.

    `only` is the entry's own `when`: where that does not hold, nobody's wish was looked at.
    """

    asked: Sequence[Asked]
    only: str
    watch: Watch

    def serve(
        self, flowed: Flowed, position: int, part: int, lane: str, paper: Paper
    ) -> Iterator[NewDelivery]:
        if self.when is not None and not self.when.evaluate(flowed[1]):
            self.watch.notes += [replace(each, taken=False, when=self.only) for each in self.asked]
            return
        at = len(self.watch.notes)
        made = list(Subscribers.serve(self, flowed, position, part, lane, paper))
        served = {delivery.destination for delivery in made}
        self.watch.notes[at:at] = [replace(each, taken=each.name in served) for each in self.asked]
        yield from made


def _wish(subscription: Subscription) -> str:
    """Return what a subscriber wants, as it is written."""
    events = ", ".join(subscription.events) or "*"
    return f"{events} when {subscription.when}" if subscription.when else events


def _why(phi: str | None) -> str:
    if phi is None:
        return "there is no such endpoint"
    if Exposure.of(phi) is Exposure.FULL:
        return "its own steps filtered the message"
    return f"it may carry `phi: {phi}`, and this content may hold more"


def _told(scope: Scope) -> dict[str, str]:
    """Return what steps tell each other, as text."""
    found = {f"vars.{name}": _plain(value) for name, value in scope.vars.items()}
    if scope.partner is not None:
        found["partner"] = str(scope.partner["name"])
    return found


def _plain(value: Any) -> str:
    """Return a variable as a line: what `extract` took out by its facts, without its bytes."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {each}" for key, each in value.items() if not isinstance(each, bytes))
    return str(value)
