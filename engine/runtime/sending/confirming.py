"""What a partner says later of a message that it took: matched by the id that travelled, settled durably.

A confirmation may come on any connection, after its deadline, after a restart, or a moment before the answer that it
follows is settled. It is matched by its reference and by where the message went, never by position. Where deliveries
of several messages fit it belongs to none of them: each is then asked for again in its time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from anyio import move_on_after

from engine.clock import Clock
from engine.errors import FATAL, Transient
from engine.model import Confirmation, Delivery, Result, State
from engine.runtime.sending import outcome as outcomes
from engine.runtime.sending.outcome import MAX_EVIDENCE, Outcome
from engine.runtime.sending.policy import EndpointPolicy
from engine.runtime.sending.sender import Flying, Sender
from engine.runtime.sending.turns import Turns
from engine.runtime.sending.workers import Job, Workers
from engine.store.protocol import AttemptRow, Settlement, Store

EARLY = 2.0
"""Seconds that a confirmation waits for what was being sent to its partner when it came: it may have overtaken it."""

MAX_WAITING = 1024
"""Confirmations that may wait; above it one that fits nothing yet is told so at once."""

_log = logging.getLogger(__name__)


class Confirming:
    """Takes confirmations for the deliveries of one dispatcher."""

    def __init__(self, store: Store, clock: Clock, sender: Sender, workers: Workers, turns: Turns) -> None:
        self._store = store
        self._clock = clock
        self._sender = sender
        self._workers = workers
        self._turns = turns

    async def confirm(self, confirmation: Confirmation) -> bool:
        """Return True once what it says is durable, False where nothing waits for it.

        Raises:
            Transient, CommitUnknown: the store cannot be asked, or the engine stops; let the partner say it again.
        """
        sent = self._being_sent(confirmation)
        while True:
            delivery = self._chosen(confirmation, await self._store.awaited(confirmation.reference))
            if delivery is None:
                flying = self._turns.flying
                expected = {each for each, then in sent.items() if flying.get(each) is then}
                if not expected or not await self._landed(expected, EARLY):
                    return False
            elif delivery.sequence in self._turns.flying:
                if not await self._landed({delivery.sequence}, None):
                    return False
            elif await self._carry(delivery, confirmation):
                return True
            elif self._sender.settler.stopped:
                raise Transient("the engine stops", code="stopped")

    # ------------------------------------------------------------- matching

    def _being_sent(self, confirmation: Confirmation) -> dict[int, Flying]:
        return {
            sequence: flying
            for sequence, flying in self._turns.flying.items()
            if _fits(confirmation, flying.endpoint)
        }

    def _chosen(self, confirmation: Confirmation, found: Sequence[Delivery]) -> Delivery | None:
        """Return the delivery that is meant: the oldest that awaits of one message, None where several messages fit."""
        fitting = [each for each in found if _confirmed_hop(confirmation, each) is not None]
        own = [each for each in fitting if each.message_id == confirmation.reference]
        fitting = own or fitting
        if len({each.message for each in fitting}) > 1:
            _log.warning(
                "a confirmation fits several messages and is credited to none",
                extra={"action": "confirm", "endpoint": confirmation.endpoint, "count": len(fitting)},
            )
            return None
        return min(fitting, key=lambda each: (each.state is not State.AWAITING, each.sequence), default=None)

    async def _landed(self, sequences: set[int], seconds: float | None) -> bool:
        """Wait until somebody is done with one of these deliveries; False when nobody is in time."""
        turns = self._turns
        if len(turns.expecting) >= MAX_WAITING:
            return False
        landing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (sequences, landing)
        turns.expecting.append(entry)
        try:
            with move_on_after(seconds):
                await landing
        finally:
            turns.expecting.remove(entry)
        return landing.done() and not landing.cancelled()

    # ------------------------------------------------------------- settling

    async def _carry(self, delivery: Delivery, confirmation: Confirmation) -> bool:
        """Settle by a worker, so that a caller who is cancelled tears nothing away; False: look at the row again."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        flying = self._turns.claim(delivery)
        self._workers.hand(partial(self._settle, flying, confirmation, done))
        return await done

    async def _settle(
        self, flying: Flying, confirmation: Confirmation, done: asyncio.Future[bool]
    ) -> Job | None:
        delivery = flying.delivery
        try:
            settlement = await self._settlement(delivery, confirmation)
            if settlement is None:
                self._turns.let_go(flying)
                _tell(done, known=True)
                return None
            concluded = await self._sender.conclude(delivery, settlement)
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - told to whoever handed it in; the row is as before
            self._turns.log_failure(error, delivery=delivery.sequence)
            self._turns.put_back(flying)
            if not done.done():
                done.set_exception(Transient("the confirmation was not stored", code="store"))
            return None
        self._turns.land(flying, concluded)
        _tell(done, known=concluded is not None)
        return None

    async def _settlement(self, delivery: Delivery, confirmation: Confirmation) -> Settlement | None:
        """Return what the partner's word changes; None where it says no more than is known."""
        outcome = _outcome(confirmation)
        hop = _confirmed_hop(confirmation, delivery)
        if hop is None:
            return None
        if outcome.result is not Result.DELIVERED:
            late = delivery.state is not State.AWAITING
            if hop != delivery.hop or (late and outcome.result is not Result.REJECTED):
                return None  # it is being tried again already
        endpoint = self._turns.policy(delivery.endpoint) or EndpointPolicy(delivery.endpoint, "")
        attempt = await self._attempt(delivery, delivery.chain[hop].endpoint, outcome)
        return self._sender.confirmed(replace(delivery, hop=hop), endpoint, outcome, attempt)

    async def _attempt(self, delivery: Delivery, endpoint: str, outcome: Outcome) -> AttemptRow:
        """Return the attempt that the partner speaks of, with its word as the answer."""
        now_ms = self._clock.now_ms()
        rows = await self._store.attempts(delivery.sequence)
        taken = [row for row in rows if row.endpoint == endpoint and row.result is Result.DELIVERED]
        if not taken:
            return AttemptRow(
                endpoint, delivery.attempts, now_ms, 0, outcome.result, outcome.code, outcome.remark
            )
        told = outcome.remark or f"taken with {taken[-1].code}"
        return replace(
            taken[-1],
            took_ms=max(0, now_ms - taken[-1].started_ms),
            result=outcome.result,
            code=outcome.code,
            remark=told,
            evidence=outcome.evidence,
        )


def _fits(confirmation: Confirmation, endpoint: str) -> bool:
    """Say whether a message that went to an endpoint may be meant."""
    if confirmation.endpoint:
        return endpoint == confirmation.endpoint
    return confirmation.partner is not None and endpoint.rpartition(".")[0] == confirmation.partner


def _confirmed_hop(confirmation: Confirmation, delivery: Delivery) -> int | None:
    """Return the latest hop so far that the confirmation may come from, None where it never went there."""
    for hop in range(delivery.hop, -1, -1):
        if _fits(confirmation, delivery.chain[hop].endpoint):
            return hop
    return None


def _outcome(confirmation: Confirmation) -> Outcome:
    if confirmation.refusal is None:
        return outcomes.from_reply(replace(confirmation.reply, awaiting=False))
    refused = outcomes.from_error(confirmation.refusal)
    return replace(refused, evidence=refused.evidence or confirmation.reply.body[:MAX_EVIDENCE])


def _tell(done: asyncio.Future[bool], *, known: bool) -> None:
    if not done.done():
        done.set_result(known)
