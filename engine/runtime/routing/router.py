"""Routes what was accepted before it was routed: `acknowledge: stored`, detours, released dead letters, our own bugs.

The dispatcher calls it for each head of a route's own lanes and settles what it returns; errors are taken by
consequence as those of a send are, so a refusal is a dead letter and an unnamed exception is tried again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from engine.clock import Clock
from engine.codecs import codec
from engine.errors import Rejected
from engine.model import Delivery, Message, Result, State
from engine.runtime.flight import Flight
from engine.runtime.routing.board import Board, Current
from engine.runtime.routing.complements import read_up
from engine.runtime.routing.keeping import kept_message
from engine.runtime.routing.paper import POISON
from engine.runtime.routing.plan import Blamed, Memories, Planner, blames_of
from engine.runtime.routing.program import Program, Routed
from engine.runtime.routing.structure import Structures
from engine.steps.validate import STRUCTURES, VALIDATED
from engine.store.protocol import AttemptRow, LaneEffect, Rendering, Settlement, Store

_ROUTED = "routed"


class Router:
    """The dispatcher's `RouteHandler`."""

    def __init__(
        self,
        *,
        archive: Store,
        current: Current,
        planner: Planner,
        flight: Flight,
        clock: Clock,
        blame: Blamed,
    ) -> None:
        self._archive = archive
        self._current = current
        self._planner = planner
        self._flight = flight
        self._clock = clock
        self._blame = blame
        self._structures: Structures | None = None

    async def __call__(self, delivery: Delivery) -> Settlement:
        """Return what the message became.

        Raises:
            Rejected: its content is at fault, or is gone; somebody was told.
            Transient: the store cannot be read now.
        """
        board = self._current.board
        message = await self._message(delivery)
        program = _program(board, delivery.route, message.codec)
        began_ms = self._clock.now_ms()
        sha256 = message.body.sha256
        if self._flight.poisonous(sha256):
            self._flight.forget(sha256)  # it becomes a dead letter now, and somebody knows
            raise Rejected("this body ended the process twice while it was routed", code=POISON)
        try:
            if program.by_standard:
                message = await self._judged(message)
            routed = await self._recalled(program, message, board)
        except Rejected as error:
            for blame in blames_of(program, error):
                self._blame(blame)
            raise
        for refusal in routed.refusals if routed is not None else ():
            for blame in blames_of(program, refusal):
                self._blame(blame)
        return self._settlement(delivery, routed, began_ms)

    async def _recalled(self, program: Program, message: Message, board: Board) -> Routed | None:
        """Route, once more where the store holds something under the keys that the route asked for."""
        known: dict[str, Mapping[str, str]] = {}
        while True:
            wanted: set[str] = set()
            try:
                with self._flight.routing(message.body.sha256):
                    routed = self._route(program, message, board, (known, wanted))
            except Rejected:
                if not await read_up(self._archive, wanted, known):
                    raise
            else:
                if not await read_up(self._archive, wanted, known):
                    return routed

    async def _message(self, delivery: Delivery) -> Message:
        row = await self._archive.message(delivery.message_id)
        raw = await self._archive.body(delivery.message, "raw")
        if raw is None:
            raise Rejected("the content was purged", code="purged")
        headers = await self._archive.body(delivery.message, "headers")
        return kept_message(row, raw, json.loads(headers.read()) if headers else {})

    async def _judged(self, message: Message) -> Message:
        """Return a message that meets its standard, and says so; Rejected."""
        if self._structures is None:
            self._structures = Structures()
        await self._structures.check(codec(message.codec).decode(message).root)
        return replace(message, meta={**message.meta, VALIDATED: STRUCTURES})

    def _route(self, program: Program, message: Message, board: Board, memories: Memories) -> Routed | None:
        document = codec(message.codec).decode(message)
        if not program.accept.takes(document):
            return None
        return self._planner.reroute(program, message, document, board, memories)

    def _settlement(self, delivery: Delivery, routed: Routed | None, began_ms: int) -> Settlement:
        now_ms = self._clock.now_ms()
        number = delivery.attempts + 1
        attempt = AttemptRow(
            endpoint=delivery.endpoint,
            number=number,
            started_ms=began_ms,
            took_ms=max(0, now_ms - began_ms),
            result=Result.DELIVERED,
            code=_ROUTED,
        )
        return Settlement(
            delivery=delivery.sequence,
            revision=delivery.revision,
            state=State.DELIVERED if routed else State.FILTERED,
            reason=_ROUTED if routed else "accept",
            due_ms=delivery.due_ms,
            hop=delivery.hop,
            hop_ms=delivery.hop_ms or began_ms,
            attempts=number,
            hop_attempts=delivery.hop_attempts + 1,
            unknown=delivery.unknown,
            lane=LaneEffect.FREE,
            attempt=attempt,
            spawn=routed.deliveries if routed else (),
            renderings=_all_renderings(routed) if routed else (),
            keys=routed.keys if routed else (),
        )


def _all_renderings(routed: Routed) -> list[Rendering]:
    """Return all content: a settlement is told nothing of who stands in the lanes, so what may be wanted goes along."""
    return [*routed.renderings, *(rendering for make in routed.alternates for rendering in make())]


def _program(board: Board, route: str, codec_name: str) -> Program:
    """Return the route's current program.

    Raises:
        Rejected: it reads no messages of this kind any more.
    """
    compiled = board.routes.get(route)
    program = compiled.program(codec_name) if compiled else None
    if program is None:
        raise Rejected("the route reads no such messages any more", code="content_type")
    return program
