"""Deliver an event to whoever subscribed to it: each by a delivery of their own, its content rendered once.

The event's type leads to those who want it; what else they ask is asked of these alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import Rejected
from engine.runtime.routing.flow import Flowed, branch, run
from engine.runtime.routing.outlet import Outlet
from engine.runtime.routing.paper import Paper
from engine.spi import Scope, Step
from engine.steps.contract import Compiled
from engine.store.protocol import NewDelivery


@dataclass(frozen=True, slots=True)
class Wish:
    """Events that a subscriber wants: of these types, all where there are none, as far as `when` holds."""

    kinds: frozenset[str] = frozenset()
    when: Compiled | None = None


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One endpoint of a partner; `outlet` leads there, and any wish that holds is enough."""

    outlet: Outlet
    partner: Mapping[str, Any] | None
    wishes: tuple[Wish, ...]


@dataclass(frozen=True, slots=True)
class Subscribers:
    """The compiled entry `subscribers`: who wants which events, and the steps that make their form of them."""

    subscribers: tuple[Subscriber, ...]
    steps: tuple[Step, ...] = ()
    when: Compiled | None = None
    _by_kind: dict[str, tuple[Subscriber, ...]] = field(default_factory=dict, compare=False)

    def serve(
        self, flowed: Flowed, position: int, part: int, lane: str, paper: Paper
    ) -> Iterator[NewDelivery]:
        """Give one delivery per subscriber of the event, the event's form made once.

        A form that is refused is a dead letter for each who wanted it: what others get, by this entry or another one
        of the route, does not hang on it.
        """
        scope = flowed[1]
        if self.when is not None and not self.when.evaluate(scope):
            return
        chosen = [each for each in self._interested(_kind(flowed)) if _wants(each, flowed)]
        if not chosen:
            return
        try:
            yield from [*self._served(chosen, flowed, position, part, lane, paper)]
        except Rejected as error:
            paper.refusals.append(error)
            for each in chosen:
                yield each.outlet.refused(_own(each, scope), part, lane, paper, error)

    def _served(
        self,
        chosen: Sequence[Subscriber],
        flowed: Flowed,
        position: int,
        part: int,
        lane: str,
        paper: Paper,
    ) -> Iterator[NewDelivery]:
        came = run(self.steps, flowed[0], branch(flowed[1])) if self.steps else [flowed]
        if not came:
            yield paper.filtered("subscribers", part, "steps")
        for index, (made, number) in enumerate(zip(came, paper.parts.numbers(part, len(came)), strict=True)):
            paper.keep(made[1].carried, number)
            for each in chosen:
                yield each.outlet.delivery(
                    (made[0], _own(each, made[1])), (position, index), number, lane, paper
                )

    def _interested(self, kind: str) -> Sequence[Subscriber]:
        """Return those with a wish for events of a type; found once per type that a route brings."""
        found = self._by_kind.get(kind)
        if found is None:
            found = tuple(
                each
                for each in self.subscribers
                if any(not wish.kinds or kind in wish.kinds for wish in each.wishes)
            )
            if len(self._by_kind) < _MOST_KINDS:
                self._by_kind[kind] = found
        return found


_MOST_KINDS = 1_000
"""Event types whose subscribers are remembered: whoever sends events invents their types."""


def _own(subscriber: Subscriber, scope: Scope) -> Scope:
    own = branch(scope)
    own.partner = subscriber.partner
    return own


def _kind(flowed: Flowed) -> str:
    """Return the event's type: that of the document, else of the event that it was made from."""
    document, scope = flowed
    envelope = document.envelope or scope.meta.get("event") or {}
    return str(envelope.get("type", ""))


def _wants(subscriber: Subscriber, flowed: Flowed) -> bool:
    kind = _kind(flowed)
    scope: Scope | None = None
    for wish in subscriber.wishes:
        if wish.kinds and kind not in wish.kinds:
            continue
        if wish.when is None:
            return True
        if scope is None:
            scope = branch(flowed[1])
            scope.msg = flowed[0].root
            scope.partner = subscriber.partner
        if wish.when.evaluate(scope):
            return True
    return False
