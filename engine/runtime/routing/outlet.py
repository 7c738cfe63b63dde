"""One destination of a route, compiled: what it gets of a message, in which order of endpoints, and until when.

What an endpoint may carry is decided by how its content came to be. `Exposure.NOTHING`: the last thing that made the
document is a mapper whose templates read nothing of the message. `MINIMAL`: a mapper chose what it holds. `FULL`:
anything else. An endpoint of `phi: none`, `minimal` or `full` takes up to that much, and nothing above is ever put
into a chain that leads there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import partial
from typing import Any

from engine.errors import Rejected
from engine.expressions import instant
from engine.model import Hop, State
from engine.runtime.routing.enclosure import Enclosure, Value
from engine.runtime.routing.flow import Flowed, branch, run
from engine.runtime.routing.paper import RAW, UNMADE, Paper
from engine.spi import Document, Scope, Step
from engine.steps.contract import Compiled
from engine.steps.travelling import with_complements
from engine.steps.two_way import CODECS
from engine.store.protocol import NewDelivery

_DIGITS = 18
"""Decimal digits of a version: what the store's integers hold."""


WHOLE = "+complement"
"""Ends the role of content that holds what its mapper could not carry."""


class Exposure(IntEnum):
    """How much of a message a document may hold, and how much an endpoint may be given."""

    NOTHING = 0
    MINIMAL = 1
    FULL = 2

    @classmethod
    def of(cls, phi: str) -> Exposure:
        """Return what an endpoint of this `phi` may be given."""
        return _PHI[phi]


_PHI = {"none": Exposure.NOTHING, "minimal": Exposure.MINIMAL, "full": Exposure.FULL}


Trail = tuple[int, int]
"""Where a document came from: its place after the route's steps, and after the destination's own."""


@dataclass(frozen=True, slots=True)
class Way:
    """One endpoint of a destination's chain, with the steps on its own copy.

    `endpoint` gives `partner.endpoint` for a message. `role` is the end of its rendering's name: "" shares the
    route's document, `:2` is the second destination's own, `:2.1` that of its first fallback. `untouched` says that
    the bytes go on as they came, `kindless` that the event's type makes no difference to what it carries, `made` that a
    split or a mapper made it. `enclosure` is what travels instead of the document, or names it.
    """

    endpoint: Callable[[Scope], str]
    role: str
    exposure: Exposure
    steps: tuple[Step, ...] = ()
    untouched: bool = False
    kindless: bool = False
    made: bool = False
    enclosure: Enclosure | None = None

    @property
    def mapped(self) -> bool:
        """Whether a mapper made the document, so that the sender's content type no longer holds."""
        return self.exposure is not Exposure.FULL


@dataclass(frozen=True, slots=True)
class Outlet:
    """A compiled destination; `ways` are its endpoint and the fallbacks, in order.

    `after_ms` is the time after which the next endpoint takes over. `kinds` are the event types whose rendering a
    newer version may have to go out as (`supersede: {kind: keep_first}`), `recalling` those that recall, None where
    only a message can tell. `whole` are the endpoints that get a mapper's complement, too.
    """

    name: str
    ways: tuple[Way, ...]
    when: Compiled | None = None
    steps: tuple[Step, ...] = ()
    own: bool = False
    version: Value | None = None
    recall: Compiled | None = None
    expire: Value | None = None
    after_ms: int | None = None
    parks: bool = False
    kinds: tuple[str, ...] = ()
    recalling: frozenset[str] | None = frozenset()
    remembers: bool = False
    whole: frozenset[str] = frozenset()

    def wants(self, scope: Scope) -> bool:
        """Say whether this destination is served."""
        return self.when is None or bool(self.when.evaluate(scope))

    def serve(
        self, flowed: Flowed, position: int, part: int, lane: str, paper: Paper
    ) -> Iterator[NewDelivery]:
        """Give the deliveries of one document, their content written to `paper`.

        `position` is the document's place among those that the route's steps gave, `part` its number in the message.

        Raises:
            Rejected: a step, a version or an expiry refused the content.
        """
        if not self.own:
            yield self.delivery(flowed, (position, 0), part, lane, paper)
            return
        document, scope = flowed
        came = run(self.steps, document, branch(scope))
        if not came:
            yield paper.filtered(self.name, part, "steps")
        for index, (each, number) in enumerate(zip(came, paper.parts.numbers(part, len(came)), strict=True)):
            paper.keep(each[1].carried, number)
            yield self.delivery(each, (position, index), number, lane, paper)

    def delivery(self, flowed: Flowed, trail: Trail, part: int, lane: str, paper: Paper) -> NewDelivery:
        """Give the delivery of a document that passed this destination's own steps, its content written to `paper`.

        Raises:
            Rejected: a version or an expiry refused the content.
        """
        scope = flowed[1]
        expire_ms = self._expire_ms(scope)
        recalls = self.recall is not None and bool(self.recall.evaluate(scope))
        version = self._version(scope)
        kinds = () if recalls else self._other_kinds(scope, paper.kind)
        served = [
            (way, Hop(name, role))
            for way, name in self._open(scope, paper)
            if (role := self._render(way, flowed, trail, part, kinds, paper)) is not None
        ]
        fallback = bool(served) and served[0][0] is not self.ways[0]
        dead = "" if served else self._why_nowhere(scope, paper)
        chain = tuple(hop for _, hop in served) or (self._unserved(flowed, trail, part, paper),)
        return NewDelivery(
            route=paper.route,
            route_version=paper.route_version,
            destination=self.name,
            chain=chain,
            lane=lane,
            due_ms=scope.now_ms,
            state=State.DEAD if dead else State.PENDING,
            reason=dead,
            deadline_ms=self._deadline_ms(
                scope.now_ms, expire_ms, falls_back=len(served) > 1 and not fallback
            ),
            expire_ms=expire_ms,
            version=version,
            supersedes=version is not None,
            recalls=recalls,
            fallback=fallback,
            kind=paper.kind,
            part=part,
            parks=self.parks,
            message_id=paper.parts.id(part),
            also=paper.also,
            remembers=self.remembers,
        )

    def refused(self, scope: Scope, part: int, lane: str, paper: Paper, error: Rejected) -> NewDelivery:
        """Give the dead letter of content that was refused while it was made; others get theirs all the same."""
        return NewDelivery(
            route=paper.route,
            route_version=paper.route_version,
            destination=self.name,
            chain=(Hop(self.ways[0].endpoint(scope), f"{paper.base}{self.ways[0].role}{UNMADE}"),),
            lane=lane if self.parks else "",
            due_ms=scope.now_ms,
            state=State.DEAD,
            reason=error.code,
            kind=paper.kind,
            part=part,
            parks=self.parks,
            message_id=paper.parts.id(part),
            also=paper.also if self.parks else (),
        )

    def _open(self, scope: Scope, paper: Paper) -> list[tuple[Way, str]]:
        """Return the ways whose endpoint exists and may carry what it would get."""
        found: list[tuple[Way, str]] = []
        for way in self.ways:
            name = way.endpoint(scope)
            phi = paper.phi_of(name)
            if phi is not None and Exposure.of(phi) >= way.exposure:
                found.append((way, name))
        return found

    def _why_nowhere(self, scope: Scope, paper: Paper) -> str:
        exist = any(paper.phi_of(way.endpoint(scope)) is not None for way in self.ways)
        return "phi" if exist else "no_endpoint"

    def _unserved(self, flowed: Flowed, trail: Trail, part: int, paper: Paper) -> Hop:
        """Return the first way all the same: a dead letter names where it should have gone, and holds its content."""
        way = self.ways[0]
        return Hop(way.endpoint(flowed[1]), self._render(way, flowed, trail, part, (), paper) or RAW)

    def _render(
        self, way: Way, flowed: Flowed, trail: Trail, part: int, kinds: Sequence[str], paper: Paper
    ) -> str | None:
        """Write what this way carries, under other kinds too; None where its own steps filtered the message."""
        if way.steps:
            came = run(way.steps, flowed[0], branch(flowed[1]))
            if not came:
                return None
            flowed = came[0]
            paper.keep(flowed[1].carried, part)
        if way.enclosure is not None:
            if way.made and way.enclosure.body is None:
                flowed = (paper.own(flowed[0], part), flowed[1])
            return way.enclosure.write(way.role, flowed, part, paper, mapped=way.mapped)
        if way.untouched and not kinds and paper.raw_goes_on:
            return RAW
        if self.whole and way.endpoint(flowed[1]) in self.whole:
            whole = _whole(flowed)
            if whole is not None:
                return paper.write(f"{way.role}{WHOLE}", whole, part, mapped=way.mapped, made=way.made)
        if not way.kindless:
            for kind in kinds:
                paper.postponed.append(partial(self._render_as, kind, way, trail, part, paper))
        return paper.write(way.role, flowed[0], part, mapped=way.mapped, made=way.made)

    def _render_as(self, kind: str, way: Way, trail: Trail, part: int, paper: Paper) -> None:
        """Write what this way would carry if the message were of another kind; nothing where that cannot be."""
        if paper.holds(way.role, part, kind):
            return
        try:
            flowed = _at(paper.as_kind(kind), trail[0])
            for steps, place in ((self.steps, trail[1]), (way.steps, 0)):
                if flowed is not None and steps:
                    flowed = _at(run(steps, flowed[0], branch(flowed[1])), place)
            if flowed is not None:
                paper.write(way.role, flowed[0], part, mapped=way.mapped, made=way.made, kind=kind)
        except Rejected:
            return  # it then goes out as its own kind

    def _other_kinds(self, scope: Scope, own: str) -> Sequence[str]:
        """Return the kinds that an older undelivered message may have had, recalling ones left out."""
        if own not in self.kinds:
            return ()
        return [kind for kind in self.kinds if kind != own and not self._recalls_as(kind, scope)]

    def _recalls_as(self, kind: str, scope: Scope) -> bool:
        if self.recalling is not None:
            return kind in self.recalling
        other = branch(scope)
        other.meta = with_kind(scope.meta, kind)
        return self.recall is not None and bool(self.recall.evaluate(other))

    def _version(self, scope: Scope) -> int | None:
        if self.version is None:
            return None
        found = self.version.expression.evaluate(scope)
        if type(found) is str and found.isascii() and found.isdecimal() and len(found) < _DIGITS:
            found = int(found)
        if type(found) is not int or not 0 <= found < 10**_DIGITS:
            raise self.version.rejected("is no whole number from 0, so nothing tells which version is newer")
        return found

    def _expire_ms(self, scope: Scope) -> int | None:
        if self.expire is None:
            return None
        found = self.expire.expression.evaluate(scope)
        if found in (None, ""):
            return None
        moment = found if isinstance(found, datetime) else instant(str(found))
        if moment is None:
            raise self.expire.rejected("is no time with an offset, so nothing tells when it expires")
        return round(moment.timestamp() * 1000)

    def _deadline_ms(self, now_ms: int, expire_ms: int | None, *, falls_back: bool) -> int | None:
        """Return when the row must be looked at: time moves it on from the route's first choice only."""
        after = now_ms + self.after_ms if self.after_ms is not None and falls_back else None
        return min((moment for moment in (expire_ms, after) if moment is not None), default=None)


def _whole(flowed: Flowed) -> Document | None:
    """Return a FHIR document with the complement of what it was made from, None where there is nothing to add."""
    document, scope = flowed
    if document.codec != CODECS["fhir"]:
        return None
    made = with_complements(document.root, scope.carried, scope.meta.get("event") or {})
    if made is document.root:
        return None
    whole = copy.copy(document)
    whole.root = made
    return whole


def _at(came: Sequence[Flowed], place: int) -> Flowed | None:
    """Return the document at a place, None where fewer came out than under the message's own kind."""
    return came[place] if place < len(came) else None


def with_kind(meta: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return `meta` in which the event is of another type."""
    return {**meta, "event": {**(meta.get("event") or {}), "type": kind}}
