"""One delivery at the head of its lane: decide whether it still should go, try it once, make the outcome durable."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from engine.clock import Clock
from engine.errors import FATAL, CommitUnknown, Conflict, StoreCorrupt, StoreUnavailable
from engine.model import INLINE_LIMIT, NOTHING, Attempt, Body, Delivery, Result, trace_of
from engine.runtime.flight import Flight
from engine.runtime.sending import decisions, schedule
from engine.runtime.sending import outcome as outcomes
from engine.runtime.sending.breaker import Breaker
from engine.runtime.sending.gates import Gates
from engine.runtime.sending.limits import ByteBudget
from engine.runtime.sending.outbounds import Outbounds
from engine.runtime.sending.outcome import Outcome
from engine.runtime.sending.policy import DestinationPolicy, EndpointPolicy, Policies
from engine.runtime.sending.settling import Settler
from engine.spi import Counters
from engine.store.protocol import AttemptRow, Overtaking, Settled, Settlement, Store

OVERTIME = 5.0
"""Seconds beyond its timeout after which a send that its channel does not end is broken off."""

_WORDS = {result: result.word for result in Result}
_log = logging.getLogger(__name__)


class RouteHandler(Protocol):
    """Routes a stored message (a delivery without a destination); never sends anything itself."""

    async def __call__(self, delivery: Delivery) -> Settlement:
        """Return what the message became, for one commit. Errors are taken by consequence, as those of a send."""


@dataclass(slots=True)
class Flying:
    """A delivery that somebody works on; `task` is the worker's while it is in the send, and only then."""

    delivery: Delivery
    endpoint: str
    number: int = 0
    started_ms: int = 0
    limit: float | None = None
    task: asyncio.Task[object] | None = None
    cut: Outcome | None = None
    nudged: bool = False
    bytes: int = 0

    def break_off(self, code: str, remark: str) -> None:
        """End the send, if one is running: its outcome is unknown.

        The task is waiting inside the channel, so that is where the cancellation comes up, and nowhere else.
        """
        if self.task is not None and self.cut is None:
            self.cut = outcomes.cut(code, remark)
            self.task.cancel()


@dataclass(frozen=True, slots=True)
class Concluded:
    """A settlement that is durable; `complete` False: the lane's next is not known and must be read."""

    delivery: Delivery
    settlement: Settlement
    settled: Settled
    complete: bool = True


class Sender:
    """Carries single deliveries through; knows nothing of lanes, windows or turns."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        policies: Policies,
        outbounds: Outbounds,
        flight: Flight,
        gates: Gates,
        counters: Counters,
        rng: random.Random,
        routing: RouteHandler,
    ) -> None:
        self.settler = Settler(store, clock)
        self._store = store
        self._clock = clock
        self._policies = policies
        self._outbounds = outbounds
        self._flight = flight
        self._gates = gates
        self._counters = counters
        self._rng = rng
        self._routing = routing
        self._bytes = ByteBudget()

    # ------------------------------------------------------------- decisions without a send

    async def look(self, delivery: Delivery) -> Settlement | None:
        """Decide before an attempt: expired, superseded, recalled, removed; None when it should go."""
        return await self._look(delivery, self._policies.destination(delivery), seen=False)

    async def _look(
        self, delivery: Delivery, policy: DestinationPolicy | None, *, seen: bool
    ) -> Settlement | None:
        """As `look`; `seen` says that nothing behind the delivery can end it."""
        overtaking: Overtaking | None = None
        wanted = policy is None or policy.recallable or policy.supersedes or delivery.supersedes
        if wanted and not seen and delivery.lane and not delivery.unknown:
            overtaking = await self._store.overtaking(delivery)
        return decisions.before_attempt(delivery, policy, overtaking, self._clock.now_ms())

    def knows(self, delivery: Delivery) -> bool:
        """Say whether the delivery's route and destination are configured."""
        return self._policies.destination(delivery) is not None

    def at_deadline(self, delivery: Delivery, endpoint: EndpointPolicy) -> Settlement:
        """Decide on a head whose deadline has come."""
        now_ms = self._clock.now_ms()
        gate = self._gates.at_endpoint(endpoint, now_ms)
        return decisions.at_deadline(
            delivery,
            self._policies.destination(delivery),
            now_ms=now_ms,
            gated=(gate is not None or self._gates.at_delivery(delivery) is not None),
            closed_ms=self._closed(delivery, endpoint, now_ms),
            rng=self._rng,
        )

    def given_up(self, delivery: Delivery, now_ms: int) -> Settlement:
        """Decide about a head whose endpoint is disabled, or stays broken beyond its time."""
        policy = self._policies.destination(delivery)
        if policy is None:
            return decisions.removed(delivery)
        return decisions.given_up(delivery, policy, now_ms)

    def confirmed(
        self, delivery: Delivery, endpoint: EndpointPolicy, outcome: Outcome, attempt: AttemptRow
    ) -> Settlement:
        """Decide upon what the partner said later of an attempt that it had taken."""
        now_ms = self._clock.now_ms()
        policy = self._policies.destination(delivery)
        return decisions.after_confirmation(
            delivery,
            policy,
            outcome if policy is None else _ruled(delivery, policy, outcome, now_ms),
            attempt,
            now_ms=now_ms,
            closed_ms=self._closed(delivery, endpoint, now_ms),
            rng=self._rng,
        )

    async def conclude(self, delivery: Delivery, settlement: Settlement) -> Concluded | None:
        """Make a decision durable; None when the row changed meanwhile, or the process ends."""
        try:
            done = await self.settler.settle(delivery, settlement)
        except Conflict:
            return None
        return Concluded(delivery, settlement, *done) if done else None

    # ------------------------------------------------------------- an attempt

    async def send(
        self, flying: Flying, endpoint: EndpointPolicy | None, breaker: Breaker, lane: bytes, *, seen: bool
    ) -> Concluded | None:
        """Try the delivery once and settle it; None when its row changed meanwhile, or the process ends."""
        delivery = flying.delivery
        policy = self._policies.destination(delivery)
        settlement = await self._look(delivery, policy, seen=seen)
        if settlement is None and endpoint is None:
            settlement = decisions.move_on(delivery, "removed", self._clock.now_ms()) or decisions.removed(
                delivery
            )
        if settlement is not None or endpoint is None or policy is None:
            breaker.abandoned(lane)
            return await self.conclude(delivery, settlement or decisions.removed(delivery))
        if not delivery.destination:
            return await self._route(flying, policy, endpoint, breaker, lane)
        body = await self._fetch(flying)
        if not isinstance(body, Body):
            breaker.abandoned(lane)
            return await self.conclude(delivery, decisions.dead(delivery, policy, body))
        try:
            return await self._send(flying, body, policy, endpoint, breaker, lane)
        finally:
            self._bytes.give(flying.bytes)

    async def _send(
        self,
        flying: Flying,
        body: Body,
        policy: DestinationPolicy,
        endpoint: EndpointPolicy,
        breaker: Breaker,
        lane: bytes,
    ) -> Concluded | None:
        delivery = flying.delivery
        timeout = schedule.timeout_of(delivery, policy, endpoint)
        attempt = Attempt(
            delivery=delivery.sequence,
            message_id=delivery.message_id,
            number=delivery.attempts + 1,
            endpoint=delivery.endpoint,
            body=body,
            content_type=body.content_type,
            timeout=timeout,
            kind=delivery.kind,
            headers=await self._trace(delivery) if delivery.trace is None else delivery.trace,
            priority=policy.priority,
        )
        began = self._begin(flying, timeout)
        with self._flight.sending(delivery.sequence, attempt.number) as mark:
            outcome = await self._try(flying, attempt)
            if policy.rulings is not None:
                outcome = _ruled(delivery, policy, outcome, self._clock.now_ms())
            ended = self._clock.monotonic()
            row = self._row(flying, outcome, ended - began)
            breaker.record(Result.REJECTED if outcome.deferred else outcome.result, lane, endpoint, ended)
            concluded = await self._settle(flying, policy, endpoint, outcome, row)
            if concluded is None and self.settler.stopped:
                mark.keep()
        if outcome.disable:
            await self._disable(endpoint.name, outcome)
        return concluded

    async def _try(self, flying: Flying, attempt: Attempt) -> Outcome:
        """Send once; every end but a fatal one is an outcome."""
        flying.task = task = asyncio.current_task()
        try:
            line = self._outbounds.ready(attempt.endpoint) or await self._outbounds.open(attempt.endpoint)
            with line:
                return outcomes.from_reply(await line.outbound.send(attempt))
        except FATAL:
            raise
        except asyncio.CancelledError as error:
            return self._cancelled(flying, error)
        except Exception as error:  # noqa: BLE001 - what nobody named is a bug: insisted on and logged, never lost
            outcome = outcomes.from_error(error)
            return self._bug(flying, error) if outcome.result is Result.BUG else outcome
        finally:
            flying.task = None
            if flying.cut is not None and task is not None:
                task.uncancel()

    async def _route(
        self,
        flying: Flying,
        policy: DestinationPolicy,
        endpoint: EndpointPolicy,
        breaker: Breaker,
        lane: bytes,
    ) -> Concluded | None:
        """Let the router make of a stored message what its route says."""
        began = self._begin(flying, endpoint.timeout)
        flying.task = task = asyncio.current_task()
        try:
            settlement = await self._routing(flying.delivery)
        except FATAL:
            raise
        except asyncio.CancelledError as error:
            outcome = self._cancelled(flying, error)
        except Exception as error:  # noqa: BLE001 - as for a send: taken by consequence, a bug is insisted on
            outcome = outcomes.from_error(error)
            if outcome.result is Result.BUG:
                self._bug(flying, error)
        else:
            breaker.record(Result.DELIVERED, lane, endpoint, self._clock.monotonic())
            flying.limit = flying.task = None
            return await self.conclude(flying.delivery, settlement)
        finally:
            flying.task = None
            if flying.cut is not None and task is not None:
                task.uncancel()
        ended = self._clock.monotonic()
        breaker.record(outcome.result, lane, endpoint, ended)
        return await self._settle(
            flying, policy, endpoint, outcome, self._row(flying, outcome, ended - began)
        )

    def _cancelled(self, flying: Flying, error: asyncio.CancelledError) -> Outcome:
        """Return what a cancelled send came to; raise `error` on where the worker itself is cancelled."""
        if flying.cut is not None:
            return flying.cut
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise error
        # Something inside the channel was cancelled, and not we: a bug there must not end the worker here.
        return self._bug(flying, RuntimeError("cancelled inside the channel"))

    # ------------------------------------------------------------- the parts of an attempt

    async def _fetch(self, flying: Flying) -> Body | str:
        """Return the body, its bytes taken from the budget, or why there is none: `corrupt` or `purged`."""
        delivery = flying.delivery
        body = delivery.body
        if body is not None:
            flying.bytes = body.size if body.data is not None else 0
            if not self._bytes.fits(flying.bytes):
                await self._bytes.take(flying.bytes)
            else:
                self._bytes.used += flying.bytes
            return body
        flying.bytes = INLINE_LIMIT
        await self._bytes.take(flying.bytes)
        try:
            body = await self._store.body(
                delivery.message, delivery.chain[delivery.hop].rendering, delivery.part
            )
        except StoreCorrupt as error:
            _log.error("a body is corrupt", exc_info=error, extra=_ids(flying, "quarantine"))
            return "corrupt"
        finally:
            kept = body.size if body is not None and body.data is not None else 0
            self._bytes.give(flying.bytes - kept)
            flying.bytes = kept
        return body or "purged"

    async def _trace(self, delivery: Delivery) -> Mapping[str, str]:
        """Return the headers that travel on with a message that was read from the store."""
        kept = await self._store.body(delivery.message, "headers")
        return trace_of(json.loads(kept.read())) if kept is not None else NOTHING

    def _begin(self, flying: Flying, timeout: float) -> float:
        delivery = flying.delivery
        began = self._clock.monotonic()
        flying.number = delivery.attempts + 1
        flying.started_ms = self._clock.now_ms()
        flying.limit = began + timeout + OVERTIME
        if not (delivery.attempts or delivery.generation):
            waited = max(0, flying.started_ms - delivery.accepted_ms) / 1000
            self._counters.observe("first_attempt_seconds", waited, endpoint=delivery.endpoint)
        return began

    def _row(self, flying: Flying, outcome: Outcome, took: float) -> AttemptRow:
        """Count the attempt, which took `took` seconds, and return it as it is kept."""
        flying.limit = None
        name = flying.delivery.endpoint
        self._counters.count("attempts", endpoint=name, result=_WORDS[outcome.result])
        self._counters.observe("attempt_seconds", took, endpoint=name)
        return AttemptRow(
            endpoint=name,
            number=flying.number,
            started_ms=flying.started_ms,
            took_ms=round(took * 1000),
            result=outcome.result,
            code=outcome.code,
            remark=outcome.remark,
            evidence=outcome.evidence,
        )

    async def _settle(
        self,
        flying: Flying,
        policy: DestinationPolicy,
        endpoint: EndpointPolicy,
        outcome: Outcome,
        row: AttemptRow,
    ) -> Concluded | None:
        """Settle an attempt; an operator's change meanwhile is read and the outcome decided upon it again."""
        delivery = flying.delivery
        # The schedule goes on from the end of the attempt, however long this process took to get here.
        now_ms = row.started_ms + row.took_ms
        while True:
            settlement = decisions.after_attempt(
                delivery,
                policy,
                outcome,
                row,
                now_ms=now_ms,
                endpoint=endpoint,
                closed_ms=self._closed(delivery, endpoint, now_ms),
                rng=self._rng,
            )
            try:
                done = await self.settler.settle(delivery, settlement)
            except Conflict:
                found = await self.settler.now(delivery)
                if found is None or found.state.terminal or found.generation != delivery.generation:
                    _log.warning("an attempt ended after its delivery", extra=_ids(flying, "settle"))
                    return None
                delivery = found
                continue
            return Concluded(delivery, settlement, *done) if done else None

    async def _disable(self, endpoint: str, outcome: Outcome) -> None:
        _log.warning(
            "endpoint disabled", extra={"action": "disable", "endpoint": endpoint, "code": outcome.code}
        )
        try:
            await self._gates.disable(endpoint, reason=outcome.code)
        except (StoreUnavailable, CommitUnknown):
            _log.warning("not durable: the next such answer disables it", extra={"action": "disable"})

    def _closed(self, delivery: Delivery, endpoint: EndpointPolicy, now_ms: int) -> Callable[[int], int]:
        return lambda since_ms: self._gates.closed_ms(delivery, endpoint, since_ms, now_ms)

    def _bug(self, flying: Flying, error: Exception) -> Outcome:
        self._counters.count("bugs", where="send" if flying.delivery.destination else "route")
        _log.error("an attempt raised what nobody named", exc_info=error, extra=_ids(flying, "bug"))
        return outcomes.from_error(error)


def _ruled(delivery: Delivery, policy: DestinationPolicy, outcome: Outcome, now_ms: int) -> Outcome:
    """Let the route decide upon an answer of its first choice."""
    if policy.rulings is None or delivery.hop or delivery.fallback:
        return outcome
    return policy.rulings.read(outcome, now_ms)


def _ids(flying: Flying, action: str) -> dict[str, object]:
    return {
        "action": action,
        "delivery": flying.delivery.sequence,
        "message_id": flying.delivery.message_id,
        "endpoint": flying.delivery.endpoint,
        "route": flying.delivery.route,
        "attempt": flying.number,
    }
