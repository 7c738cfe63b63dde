"""The way in: from a message at a door to a durable decision and its reply, in one commit.

Decoding, steps and mapping are CPU work, so they run before the commit and the reply can be honest (route before the
reply). Nothing is answered from memory: the reply's bytes are rendered first, and written by the channel only after
the store said that message, deliveries, renderings, reply and journal row are on disk (G1).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from engine.clock import Clock
from engine.errors import (
    BudgetExceeded,
    CommitUnknown,
    NotFound,
    StoreUnavailable,
    Transient,
    Unmatched,
)
from engine.model import Delivery, Disposition, Fault, Message, Receipt, Reply, Verdict
from engine.runtime.flight import Flight
from engine.runtime.receiving.announcing import announce
from engine.runtime.receiving.budget import RETRY_AFTER, Budget
from engine.runtime.receiving.repeats import Repeats
from engine.runtime.routing.answering import Answers, Outcome
from engine.runtime.routing.board import Board, Current, Door
from engine.runtime.routing.complements import read_up
from engine.runtime.routing.detours import Detours
from engine.runtime.routing.keeping import kept_headers
from engine.runtime.routing.plan import NOTHING_KNOWN, Blamed, Plan, Planner
from engine.runtime.routing.recalling import Known
from engine.spi import Admission, Conversation, Counters, Exchange
from engine.store.protocol import Acceptance, Accepted, Refusal, Store

_log = logging.getLogger(__name__)

REUSED_IDS = frozenset({"hl7v2"})
"""Codecs whose senders give an id to several messages, over every transport (G4)."""
_COLLIDED = Fault("", "this id was used for another message", "collision")


class Dispatch(Protocol):
    """The dispatcher, as far as the intake tells it something."""

    def offer(self, deliveries: Sequence[Delivery]) -> None:
        """Take heads that a commit made ready."""

    def nudge(self, deliveries: Sequence[Delivery]) -> None:
        """Decide on waiting heads that a commit overtook."""

    def kick(self) -> None:
        """Look at the store: something was committed of which no more is known."""


@dataclass(frozen=True, slots=True)
class Reception:
    """What all doors share: the store, what is current, and who is told of what came in.

    `repeats` says who may send copies on purpose. `dispatch` is where new deliveries go, `answers` hears how they end,
    `gathers` when the study of a new image is to be told of as a whole.
    """

    store: Store
    current: Current
    planner: Planner
    budget: Budget
    flight: Flight
    detours: Detours
    repeats: Repeats
    clock: Clock
    counters: Counters
    dispatch: Dispatch
    blame: Blamed
    answers: Answers = field(default_factory=Answers)
    gathers: Callable[[int], None] = lambda due_ms: None

    def intake(self, listener: str) -> IntakeFor:
        """Return the intake that the listener of that name hands its messages to."""
        return IntakeFor(listener, self)


class IntakeFor:
    """The intake of one listener; implements `spi.Intake`."""

    def __init__(self, listener: str, reception: Reception) -> None:
        self.listener = listener
        self._room = reception

    def admit(self, partner: str | None, size: int, selector: str = "") -> Admission:
        """Ask for a share of the bytes in flight, before the body is read.

        Raises:
            BudgetExceeded: too much is in flight, or the doors are shut.
            Unmatched: no route listens at this selector, and the listener refuses what nobody takes.
        """
        door = self._room.current.board.doors.get(self.listener)
        if door is None:
            raise BudgetExceeded("this listener is being taken away", retry_after=RETRY_AFTER, code="shut")
        if not door.filters and not door.at(selector):
            raise Unmatched("no route takes messages here")
        return self._room.budget.take(size)

    async def __call__(self, message: Message, exchange: Exchange) -> Receipt:
        """Decide, commit, and return the reply to write."""
        room = self._room
        began = room.clock.monotonic()
        await room.detours.review()
        board = room.current.board
        door = board.doors.get(self.listener)
        if door is None:
            raise Transient("this listener is being taken away", retry_after=RETRY_AFTER, code="shut")
        message = _identified(message, door, board)
        plan = self._plan(message, door, board)
        if plan.wanted:
            plan = await self._recalled(plan, message, door, board)
        if plan.disposition is Disposition.REFUSED:
            receipt = await self._refuse(message, plan, exchange)
        else:
            receipt = await self._accept(message, plan, door, exchange)
        room.counters.count("messages", listener=self.listener, disposition=receipt.disposition.word)
        room.counters.observe("accept_seconds", room.clock.monotonic() - began, listener=self.listener)
        return receipt

    async def _recalled(self, plan: Plan, message: Message, door: Door, board: Board) -> Plan:
        """Plan again where the store holds something under the keys that the routes asked for."""
        known: dict[str, Mapping[str, str]] = {}
        while plan.wanted and await read_up(self._room.store, plan.wanted, known):
            plan = self._plan(message, door, board, known)
        return plan

    def _plan(self, message: Message, door: Door, board: Board, known: Known = NOTHING_KNOWN) -> Plan:
        room = self._room
        sha256 = message.body.sha256
        if room.flight.poisonous(sha256):
            _log.error(
                "this body ended the process twice while it was routed: it is kept as it came",
                extra={"action": "poison", "message_id": message.id, "listener": self.listener},
            )
            return room.planner.poisoned(message, door)
        with room.flight.routing(sha256):
            return room.planner.plan(message, door, board, known)

    async def _accept(self, message: Message, plan: Plan, door: Door, exchange: Exchange) -> Receipt:
        message = _numbered(message, plan)
        window_ms = plan.dedupe_ms
        if message.replay_of or (self._room.repeats.open and self._room.repeats.allowed(message.partner)):
            window_ms = 0  # routed or sent again on purpose: no copy
        collided = b""
        refuses = door.refuses_collisions and message.codec not in REUSED_IDS
        if refuses and window_ms and message.control_id:
            collided = exchange.reply(Verdict(Disposition.COLLISION, message.id, (_COLLIDED,)))
        verdict = Verdict(plan.disposition, message.id, tuple(plan.faults))
        announce(self.listener, message, plan, exchange, verdict)
        acceptance = Acceptance(
            message=message,
            disposition=plan.disposition,
            reply=exchange.reply(verdict),
            deliveries=plan.deliveries,
            renderings=plan.renderings,
            keys=(*plan.keys, *_keys_of_images(message)),
            headers=kept_headers(message),
            dedup_window_ms=window_ms,
            collision="refuse" if refuses else "accept",
            collision_reply=collided,
            alternates=plan.alternates if plan.postponed else None,
        )
        if plan.answering is not None and isinstance(exchange, Conversation):
            return await self._converse(acceptance, plan, exchange)
        return await self._commit(acceptance, plan)

    async def _commit(self, acceptance: Acceptance, plan: Plan) -> Receipt:
        room, message = self._room, acceptance.message
        room.detours.entering(plan.detours)
        try:
            accepted = await room.store.accept(acceptance)
        except CommitUnknown:
            return await self._looked_up(message)
        finally:
            room.detours.entered(plan.detours)
        return self._accepted(message, plan, accepted)

    def _accepted(self, message: Message, plan: Plan, accepted: Accepted) -> Receipt:
        room = self._room
        if accepted.ready:
            room.dispatch.offer(accepted.ready)
        if accepted.nudged:
            room.dispatch.nudge(accepted.nudged)
        if accepted.disposition is not Disposition.DUPLICATE:
            if message.instance is not None and message.instance.gathering is not None:
                room.gathers(message.received_ms + message.instance.gathering.quiet_ms)
            for blame in plan.blames:
                room.blame(blame)
        if plan.poison:  # it is a dead letter now, and somebody knows
            room.flight.forget(message.body.sha256)
        return Receipt(accepted.disposition, accepted.message_id, accepted.reply)

    async def _converse(self, acceptance: Acceptance, plan: Plan, exchange: Conversation) -> Receipt:
        """Commit, then wait for the destination's answer; a copy waits for the first one's.

        A copy of what ended without an answer is a message of its own: its sender was refused, and asks again.
        """
        room, message = self._room, acceptance.message
        program = plan.answering
        assert program is not None and program.answering is not None, "it was planned so"
        answers, seconds = room.answers, program.answering.seconds
        with answers.expect(message.id, program.name) as expected:
            receipt = await self._commit(acceptance, plan)
            if receipt.disposition is Disposition.DUPLICATE:
                with answers.expect(receipt.message_id, program.name) as first:
                    outcome = await answers.outcome(first, room.store, room.clock, seconds)
                if outcome is None or outcome.taken:
                    return self._answered(receipt, plan, outcome, message, exchange)
                receipt = await self._commit(replace(acceptance, dedup_window_ms=0), plan)
            if receipt.disposition not in (Disposition.ACCEPTED, Disposition.COLLISION):
                return receipt
            outcome = await answers.outcome(expected, room.store, room.clock, seconds)
        return self._answered(receipt, plan, outcome, message, exchange)

    def _answered(
        self,
        receipt: Receipt,
        plan: Plan,
        outcome: Outcome | None,
        message: Message,
        exchange: Conversation,
    ) -> Receipt:
        room = self._room
        assert plan.answering is not None and plan.received is not None, "it was planned so"
        said = room.planner.answer(
            plan.answering, outcome, message, plan.received, room.current.board, vars=plan.vars
        )
        if isinstance(said, Reply):
            return replace(receipt, reply=exchange.relay(said))
        code = plan.answering.answering.code if plan.answering.answering else ""
        verdict = Verdict(Disposition.REFUSED, receipt.message_id, said, code=code)
        return replace(receipt, reply=exchange.reply(verdict))

    async def _looked_up(self, message: Message) -> Receipt:
        """Find out what became of a commit that nobody can vouch for, before any reply.

        Raises:
            Transient: nothing of it is durable, so the sender may come again.
            CommitUnknown: the store cannot say that either.
        """
        room = self._room
        try:
            row = await room.store.message(message.id)
        except NotFound:
            raise StoreUnavailable("the commit was lost", retry_after=RETRY_AFTER, code="store") from None
        except Transient as error:
            raise CommitUnknown("the outcome of the commit is not known") from error
        reply = await room.store.body(row.sequence, "reply")
        room.dispatch.kick()
        if reply is None:
            raise CommitUnknown("the message is durable, but its reply cannot be read")
        return Receipt(row.disposition, row.id, reply.read())

    async def _refuse(self, message: Message, plan: Plan, exchange: Exchange) -> Receipt:
        """Journal a refusal with its faults, then answer it: never kept as a duplicate, since content may be mended."""
        room = self._room
        faults = tuple(plan.faults)
        verdict = Verdict(Disposition.REFUSED, message.id, faults, code=plan.code)
        reply = exchange.reply(verdict)
        announce(self.listener, message, plan, exchange, verdict)
        refusal = Refusal(message, reply, faults, plan.route, plan.deliveries, plan.renderings)
        await room.store.refuse(refusal)
        if plan.renderings:  # an answer goes to an endpoint
            room.dispatch.kick()
        for blame in plan.blames:
            room.blame(blame)
        for fault in faults:
            _log.warning(
                "refused",
                extra={
                    "action": "refuse",
                    "message_id": message.id,
                    "listener": self.listener,
                    "partner": message.partner,
                    "route": plan.route,
                    "path": fault.path,
                    "code": fault.code,
                },
            )
        return Receipt(Disposition.REFUSED, message.id, reply)


def _identified(message: Message, door: Door, board: Board) -> Message:
    """Return the message with its partner: the one that the channel or the certificate proved, else the listener's."""
    if message.partner is not None:
        return message
    proved = None
    if message.peer is not None and message.peer.certificate is not None:
        proved = board.directory.identify(message.peer.certificate)
    partner = proved or door.partner
    return message if partner is None else replace(message, partner=partner)


def _keys_of_images(message: Message) -> list[tuple[str, str]]:
    """Return what a DICOM instance, or what tells of several, is found by."""
    if message.gathered is not None:
        return [("study", message.gathered.study)] if message.gathered.study else []
    said = message.instance
    if said is None:
        return []
    pairs = (("study", said.study), ("series", said.series), ("instance", said.instance))
    return [(name, uid) for name, uid in pairs if uid]


def _numbered(message: Message, plan: Plan) -> Message:
    """Return the message with the id that its sender gave it, where only the content knows that."""
    if message.control_id or not plan.control_id:
        return message
    return replace(message, control_id=plan.control_id)
