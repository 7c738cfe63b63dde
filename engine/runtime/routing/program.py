"""One route, compiled for one codec: from a decoded message to its deliveries and their content, by pure CPU work."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from engine.errors import Rejected
from engine.model import Fault, Message
from engine.runtime.routing.accept import Accept, kind_of
from engine.runtime.routing.answering import Answering
from engine.runtime.routing.flow import Flowed, branch, run
from engine.runtime.routing.outlet import Outlet, with_kind
from engine.runtime.routing.paper import RENDERED, Paper, Parts
from engine.runtime.routing.subscribing import Subscribers
from engine.spi import Document, Scope, Step
from engine.steps.contract import Compiled
from engine.store.protocol import NewDelivery, Rendering

MAX_DELIVERIES = 10_000
"""Most deliveries of one message in one route: a message must not become an unbounded commit."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """Destinations of which the first that holds is served, and no other."""

    outlets: tuple[Outlet, ...]


@dataclass(frozen=True, slots=True)
class Onward:
    """Another route that gets the document as it is now."""

    program: Program
    when: Compiled | None = None


Entry = Outlet | OneOf | Onward | Subscribers


@dataclass(frozen=True, slots=True)
class Rejection:
    """What happens when the content is at fault.

    `positive` answers the sender well all the same: the message waits as a dead letter of its route, and `parks` its
    ordering key. Else `code` is what the sender's protocol should answer, "" for its own choice. `alert` names who is
    told.
    """

    positive: bool = False
    parks: bool = False
    code: str = ""
    alert: str = ""


Alternates = Callable[[], Sequence[Rendering]]
"""Makes content that most messages never need; called once, or not at all."""


NOTHING_KEPT: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Routed:
    """What a route makes of one message.

    `deliveries` has at least one row: what goes nowhere is a FILTERED one. `keyless` says that the route orders its
    messages and this one's key was empty. `refusals` say which forms could not be made for their subscribers. Each of
    `alternates` makes content under other event types, for a message that finds older ones in its lane.
    """

    deliveries: tuple[NewDelivery, ...]
    renderings: tuple[Rendering, ...]
    keys: tuple[tuple[str, str], ...]
    keyless: bool = False
    alternates: tuple[Alternates, ...] = ()
    refusals: tuple[Rejected, ...] = ()
    vars: Mapping[str, Any] = field(default_factory=lambda: NOTHING_KEPT)
    """What the steps of a route that answers its sender kept in `vars`, for the steps of the answer."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What surrounds one run of a route.

    `parts` numbers the parts of the whole message, of which this run gets number `part`. `lane` is the door's default
    ordering key, for routes that have none. `base` begins the renderings' roles. `raw` says that the document is the
    message as it came.
    """

    parts: Parts
    lane: str = ""
    base: str = RENDERED
    part: int = 0
    raw: bool = True


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled route; immutable, so that a reload replaces it as a whole.

    `stored` says that the sender is answered before the message is routed, `answering` that it waits for the
    destination's answer. `dedupe_ms` is the route's own duplicate
    window, None where the listener's holds. `phi_of` says what an endpoint may carry, None for an unknown one. `rerun`
    says that content is rendered under other event types, too; `revise`, where there is one, makes that of what the
    steps made under the message's own type. `by_standard` says that the message is judged by HL7's own structures,
    before it is routed.
    """

    name: str
    version: str
    codec: str
    accept: Accept
    order_by: tuple[Compiled, ...]
    keys: tuple[tuple[str, Compiled], ...]
    steps: tuple[Step, ...]
    entries: tuple[Entry, ...]
    phi_of: Callable[[str], str | None]
    stored: bool = False
    answering: Answering | None = None
    dedupe_ms: int | None = None
    rejection: Rejection = Rejection()
    parks: bool = False
    rerun: bool = False
    revise: Callable[[Document, Scope], Document] | None = None
    by_standard: bool = False

    def lanes(self, scope: Scope) -> tuple[str, tuple[str, ...]]:
        """Return the ordering key of the message as received, "" for a lane of its own, and the further keys.

        A key is the same whichever expression gave it: what a merge names second is what other messages name first.
        """
        scope.msg = scope.source
        values = [text for key in self.order_by if (text := _text(key.evaluate(scope)))]
        return (values[0], tuple(values[1:])) if values else ("", ())

    def route(self, document: Document, scope: Scope, message: Message, setting: Setting) -> Routed:
        """Run the steps and serve the destinations; `document` is never changed.

        Raises:
            Rejected: the content is at fault; each fault names its path.
        """
        lane, also = self.lanes(scope) if self.order_by else (setting.lane, ())
        before = branch(scope) if self.rerun else scope
        paper = Paper(
            route=self.name,
            route_version=self.version,
            message=message,
            kind=kind_of(document),
            now_ms=scope.now_ms,
            base=setting.base,
            phi_of=self.phi_of,
            rerun=lambda other: self._rerun(other, document, before, came),
            parts=setting.parts,
            raw=setting.raw,
            also=also,
        )
        keys = self.business_keys(scope)
        made: list[NewDelivery] = []
        renderings: list[Rendering] = []
        alternates: list[Alternates] = []
        refusals = paper.refusals
        came = run(self.steps, document, scope)
        if not came:
            made.append(paper.filtered("", setting.part, "steps"))
        numbers = setting.parts.numbers(setting.part, len(came))
        for position, (flowed, part) in enumerate(zip(came, numbers, strict=True)):
            known = len(made)
            if flowed[1].carried:
                paper.keep(flowed[1].carried, part)
            made.extend(self._serve(flowed, position, part, lane, paper))
            for routed in self._hand_on(flowed, message, setting, part):
                made.extend(routed.deliveries)
                renderings.extend(routed.renderings)
                keys.extend(routed.keys)
                alternates.extend(routed.alternates)
                refusals.extend(routed.refusals)
            if len(made) == known:
                made.append(paper.filtered("", part, "when"))
            if len(made) > MAX_DELIVERIES:
                raise _too_many()
        return Routed(
            deliveries=tuple(made),
            renderings=(*paper.renderings.values(), *renderings),
            keys=(*keys, *paper.keys),
            keyless=bool(self.order_by) and not lane,
            alternates=(paper.alternates, *alternates) if paper.postponed else tuple(alternates),
            refusals=tuple(refusals),
            vars=came[0][1].vars if self.answering and came else NOTHING_KEPT,
        )

    def _serve(
        self, flowed: Flowed, position: int, part: int, lane: str, paper: Paper
    ) -> Iterator[NewDelivery]:
        for entry in self.entries:
            if isinstance(entry, Outlet):
                if entry.wants(flowed[1]):
                    yield from entry.serve(flowed, position, part, lane, paper)
            elif isinstance(entry, OneOf):
                chosen = next((outlet for outlet in entry.outlets if outlet.wants(flowed[1])), None)
                if chosen is not None:
                    yield from chosen.serve(flowed, position, part, lane, paper)
            elif isinstance(entry, Subscribers):
                yield from entry.serve(flowed, position, part, lane, paper)

    def _hand_on(self, flowed: Flowed, message: Message, setting: Setting, part: int) -> Iterator[Routed]:
        document, scope = flowed
        for entry in self.entries:
            if isinstance(entry, Onward) and (entry.when is None or entry.when.evaluate(scope)):
                base = f"{setting.base}>{entry.program.name}" + (f".{part}" if part else "")
                onward = Setting(parts=setting.parts, base=base, part=part, raw=False)
                received = branch(scope)
                received.source = document.root  # what it is handed is what it receives
                yield entry.program.route(document, received, message, onward)

    def business_keys(self, scope: Scope) -> list[tuple[str, str]]:
        """Return (name, value) for everything that the message as received is found by; empty values are left out."""
        scope.msg = scope.source
        pairs: list[tuple[str, str]] = []
        for name, expression in self.keys:
            found = expression.evaluate(scope)
            values = found if isinstance(found, list | tuple) else (found,)
            pairs.extend((name, text) for value in values if (text := _text(value)))
        return pairs

    def _rerun(self, kind: str, document: Document, scope: Scope, came: list[Flowed]) -> list[Flowed]:
        """Run the steps again as if the event were of another type; `scope` is as it was before the steps.

        `came` is what they made under its own type.
        """
        if self.revise is not None and len(came) == 1:
            made, after = came[0]
            fresh = branch(after)
            fresh.meta = with_kind(scope.meta, kind)
            fresh.msg = document.root
            revised = self.revise(made, fresh)
            fresh.msg = revised.root
            return [(revised, fresh)]
        other = copy.copy(document)
        other.envelope = {**(document.envelope or {}), "type": kind}
        fresh = branch(scope)
        fresh.meta = with_kind(scope.meta, kind)
        return run(self.steps, other, fresh)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _too_many() -> Rejected:
    text = f"would become more than {MAX_DELIVERIES} deliveries"
    return Rejected(text, faults=(Fault("", text, "too_many"),), code="too_many")
