"""What one message becomes: decode it, choose its routes, run each, and put the results together; pure CPU work.

Nothing is lost on the way. What one route refuses while another takes it, what is to be routed later, and what made
our own code fail is a delivery of kind route: the duty to bring the message through that route.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from engine.clock import Clock
from engine.codecs import codec
from engine.config.formats import HL7
from engine.errors import Rejected
from engine.model import Disposition, Fault, Hop, Message, Reply, State
from engine.runtime.routing import answering
from engine.runtime.routing.accept import unmatched
from engine.runtime.routing.board import Board, CompiledRoute, Door
from engine.runtime.routing.complements import Stored
from engine.runtime.routing.flow import branch
from engine.runtime.routing.opening import opening
from engine.runtime.routing.paper import POISON, RAW, RENDERED, ROUTING, UNREADABLE, Parts, routing_endpoint
from engine.runtime.routing.program import NOTHING_KEPT, Alternates, Program, Routed, Setting
from engine.runtime.routing.recalling import Known, Recalling
from engine.runtime.routing.replying import NONE, reply_of
from engine.spi import Counters, Document, Scope
from engine.steps.two_way import VERIFY
from engine.store.protocol import NewDelivery, Rendering

FIRST_RETRY_MS = 1_000
"""How long after an unnamed exception a message is routed again for the first time."""

MAX_PATH = 200
"""Characters of a path at fault that are kept and told."""

MAX_ID = 512
"""Characters of a sender's id that are kept as they are; they stand in an index."""

_UNREADABLE_CODES = frozenset({"malformed", "100"})
"""Codes of a channel's own faults by which nobody can read the message; 100: HL7 table 0357, segment sequence."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Blame:
    """A fault that somebody is told of; `alert` names the rule, "" for none."""

    route: str
    path: str
    alert: str


Blamed = Callable[[Blame], None]
"""Hears of every fault; must not block, since it stands on the way of the reply."""


@dataclass(slots=True)
class Plan:
    """What is to be committed for one message.

    `faults` are told to its sender, refused or not; of a refused one only dead letters are among `deliveries`. `code`
    is what the routes say that the sender's protocol should answer. `route` is who refused it. `control_id` is the
    sender's id where the content holds it. `detours` are the ordered routes that have a delivery of kind route among
    `deliveries`. `poison` says that the body is kept unread. `answering` is the program that answers the sender with
    its destination's answer, `received` then the document and `vars` what its steps kept. `wanted` are keys of the
    store that a route asked for: the plan was made as if there were nothing, and holds where that is so.
    """

    disposition: Disposition = Disposition.ACCEPTED
    deliveries: list[NewDelivery] = field(default_factory=list)
    renderings: list[Rendering] = field(default_factory=list)
    postponed: list[Alternates] = field(default_factory=list)
    keys: list[tuple[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    blames: list[Blame] = field(default_factory=list)
    route: str = ""
    code: str = ""
    control_id: str = ""
    dedupe_ms: int = 0
    detours: set[str] = field(default_factory=set)
    poison: bool = False
    answering: Program | None = None
    received: Document | None = None
    vars: Mapping[str, Any] = field(default_factory=lambda: NOTHING_KEPT)
    wanted: set[str] = field(default_factory=set)

    def alternates(self) -> list[Rendering]:
        """Make what only a message with older ones in its lane needs."""
        return [rendering for make in self.postponed for rendering in make()]


@dataclass(frozen=True, slots=True)
class Later:
    """A message that one route takes but does not route now: why, and in which order.

    `error` is filled where its content is at fault; `renderings` then hold what mappers tell of it.
    """

    state: State = State.PENDING
    reason: str = ""
    lane: str = ""
    also: tuple[str, ...] = ()
    keys: Sequence[tuple[str, str]] = ()
    parks: bool = False
    error: Rejected | None = None
    renderings: Sequence[Rendering] = ()


Outcome = Routed | Later


Memories = tuple[Known, set[str]]
"""What was read of the store, and the keys that routes ask for besides."""

NOTHING_KNOWN: Known = MappingProxyType({})


class Planner:
    """Makes plans; `behind` says that older messages of an ordered route still wait to be routed."""

    def __init__(
        self,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        counters: Counters,
        behind: Callable[[str], bool],
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._counters = counters
        self._behind = behind

    def plan(self, message: Message, door: Door, board: Board, known: Known = NOTHING_KNOWN) -> Plan:
        """Decide about a message at a door; never raises for what is in it.

        `known` is what was read of the store; where it holds what the plan `wanted` besides, it is to be made again.
        """
        routes = door.at(message.selector)
        if not routes:
            return _unwanted(door, _NO_ROUTE)
        if message.faults:
            return self._unfit(message, routes)
        try:
            document = codec(message.codec).decode(message)
        except Rejected as error:
            return self._unreadable(message, routes, error)
        except Exception:  # noqa: BLE001  a bug of ours: the bytes are kept, and decoded again later
            self._bug(message, routes[0].name)
            later = Later(reason="bug")
            return self._together(door, [(_any(route), later) for route in routes])
        readers = [program for route in routes if (program := route.program(message.codec))]
        if not readers:
            return _refused([(_any(route), _UNREADABLE) for route in routes])
        try:
            taking = [program for program in readers if program.accept.takes(document)]
            if not taking:
                nobody = unmatched((program.accept for program in readers), document)
                return _unwanted(door, nobody, readers[0])
        except Rejected as error:  # a codec that reads only where somebody looks finds it now
            return self._unreadable(message, routes, error)
        memories: Memories = (known, set())
        plan = self._run(taking, message, document, door, board, memories)
        plan.wanted = memories[1]
        return plan

    def poisoned(self, message: Message, door: Door) -> Plan:
        """Return the plan for a body in whose routing the process died: kept as it came, never touched again."""
        dead = Later(State.DEAD, POISON)
        plan = self._together(door, [(_any(route), dead) for route in door.at(message.selector)])
        plan.poison = True
        return plan

    def _unfit(self, message: Message, routes: Sequence[CompiledRoute]) -> Plan:
        """Return the refusal of what its channel found at fault; what cannot be read is a dead letter, too."""
        faults = message.faults
        error = Rejected(faults[0].text, faults=faults, code=faults[0].code)
        if any(fault.code in _UNREADABLE_CODES for fault in faults):
            plan = self._unreadable(message, routes, error)
        else:
            plan = _refused([(_any(route), error) for route in routes])
        plan.code = "AR"
        return plan

    def _unreadable(self, message: Message, routes: Sequence[CompiledRoute], error: Rejected) -> Plan:
        """Return the refusal of what cannot be read.

        An interface may never tell a person that it was refused, so what comes by HL7 is a dead letter, too.
        """
        plan = _refused([(_any(route), error) for route in routes])
        if message.codec == HL7:
            dead = Later(State.DEAD, UNREADABLE)
            plan.deliveries = [self._duty(_any(route), dead) for route in routes]
        return plan

    def reroute(
        self, program: Program, message: Message, document: Document, board: Board, memories: Memories
    ) -> Routed:
        """Run one route for a message that was accepted before; again where it wants memories that are not known.

        Raises:
            Rejected: the content is at fault.
        """
        program.accept.check(document)
        lane = _default_lane(message, board.doors.get(message.listener))
        setting = Setting(Parts(self._new_id), lane=lane, base=f"{RENDERED}@{program.name}")
        scope = self._opening(message, document, board)
        if board.remembers:
            scope.memory = _recalling(program, scope, setting, memories)
        if board.maps_back:
            scope.stored = Stored(*memories)
        return program.route(document, scope, message, setting)

    def answer(
        self,
        program: Program,
        outcome: answering.Outcome | None,
        message: Message,
        received: Document,
        board: Board,
        *,
        vars: Mapping[str, Any] = NOTHING_KEPT,
    ) -> Reply | tuple[Fault, ...]:
        """Return what a waiting sender is told: the partner's answer, or why there is none; never raises for either.

        `vars` is what the route's steps kept, for those of the answer.
        """
        assert program.answering is not None, "only a route that answers is asked"
        try:
            return reply_of(
                program.answering,
                outcome,
                message,
                received,
                lambda answer, document: replace(self._opening(answer, document, board), vars=dict(vars)),
            )
        except Rejected as error:
            return _faults(error)
        except Exception:  # noqa: BLE001  a bug of ours: the message is safe, and its sender is told
            self._bug(message, program.name)
            return NONE

    def _run(
        self,
        taking: Sequence[Program],
        message: Message,
        document: Document,
        door: Door,
        board: Board,
        memories: Memories,
    ) -> Plan:
        parts = Parts(self._new_id)
        outcomes: list[tuple[Program, Outcome]] = []
        for program in taking:
            base = f"{RENDERED}@{program.name}" if outcomes else RENDERED
            lane = "" if program.answering else _default_lane(message, door)  # who waits is not kept waiting
            setting = Setting(parts, lane=lane, base=base)
            scope = self._opening(message, document, board)
            if board.remembers:
                scope.memory = _recalling(program, scope, setting, memories)
            if board.maps_back:
                scope.stored = Stored(*memories, fresh=message.id)
            outcomes.append((program, self._outcome(program, message, document, scope, setting)))
        refusals = [
            (program, found.error)
            for program, found in outcomes
            if isinstance(found, Later) and found.error and not _keeps(program, found.error)
        ]
        if len(refusals) == len(outcomes):
            return _refused(refusals)
        plan = self._together(door, outcomes)
        plan.answering = next((program for program in taking if program.answering), None)
        if plan.answering:
            plan.received = document
            plan.vars = next((each.vars for _, each in outcomes if isinstance(each, Routed)), NOTHING_KEPT)
        if document.envelope:  # a CloudEvent is one by its source and id (CloudEvents 1.0.2 3.1.1)
            event = str(document.envelope.get("id", ""))
            plan.control_id = _control_id(str(document.envelope.get("source", "")), event)
            plan.keys.append(("event", event))
        elif message.control_id:
            plan.keys.append(("control", message.control_id))
        return plan

    def _outcome(
        self, program: Program, message: Message, document: Document, scope: Scope, setting: Setting
    ) -> Outcome:
        try:
            program.accept.check(document)
            if program.stored:
                return _waiting(program, scope, setting)
            routed = program.route(document, scope, message, setting)
            # an older one waits: behind it, but only now, so that a fault is still refused at the door
            return _waiting(program, scope, setting) if self._behind(program.name) else routed
        except Rejected as error:
            where = _where_possible(program, scope, setting)
            parks = program.rejection.parks
            lane = where.lane if parks else ""  # what nobody waits for stands in nobody's way
            told = tuple(one for each in scope.carried for one in setting.parts.mapped(each, setting.part))
            return replace(
                where,
                state=State.DEAD,
                reason=error.code,
                lane=lane,
                parks=parks,
                error=error,
                renderings=told,
            )
        except Exception:  # noqa: BLE001  a bug of ours: insisted on, never lost
            self._bug(message, program.name)
            return replace(_where_possible(program, scope, setting), reason="bug")

    def _together(self, door: Door, outcomes: Sequence[tuple[Program, Outcome]]) -> Plan:
        plan = Plan()
        for program, found in outcomes:
            own = door.dedupe_ms if program.dedupe_ms is None else program.dedupe_ms
            plan.dedupe_ms = max(plan.dedupe_ms, own)
            plan.keys.extend(found.keys)
            if isinstance(found, Routed):
                plan.deliveries.extend(found.deliveries)
                plan.renderings.extend(found.renderings)
                plan.postponed.extend(found.alternates)
                for refusal in found.refusals:
                    plan.blames.extend(blames_of(program, refusal))
                    plan.faults.extend(_faults(refusal))
                if found.keyless:
                    self._counters.count("empty_order_keys", route=program.name)
                continue
            plan.deliveries.append(self._duty(program, found))
            plan.renderings.extend(found.renderings)
            if found.error:
                plan.blames.extend(blames_of(program, found.error))
                plan.faults.extend(_faults(found.error))
            if program.order_by and found.lane and not program.stored:
                plan.detours.add(program.name)
        if plan.deliveries and all(row.state is State.FILTERED for row in plan.deliveries):
            plan.disposition = Disposition.FILTERED
        return plan

    def _duty(self, program: Program, later: Later) -> NewDelivery:
        """Return the duty to bring the message through a route later."""
        now_ms = self._clock.now_ms()
        return NewDelivery(
            route=program.name,
            route_version=program.version,
            destination="",
            chain=(Hop(routing_endpoint(program.name), RAW),),
            lane=later.lane,
            also=later.also,
            due_ms=now_ms + (FIRST_RETRY_MS if later.reason == "bug" else 0),
            state=later.state,
            reason=later.reason,
            kind=ROUTING,
            parks=later.parks,
        )

    def _opening(self, message: Message, document: Document, board: Board) -> Scope:
        return opening(message, document, board, now_ms=self._clock.now_ms(), new_id=self._new_id)

    def _bug(self, message: Message, route: str) -> None:
        self._counters.count("bugs", where="routing")
        _log.exception(
            "routing failed by a bug: the message is stored and routed again later",
            extra={"action": "route", "message_id": message.id, "route": route},
        )


_NO_ROUTE = Rejected(
    "no route takes messages here",
    faults=(Fault("", "no route takes messages here", "unmatched"),),
    code="unmatched",
)
_UNREADABLE = Rejected(
    "no route here reads this content type",
    faults=(Fault("", "no route here reads this content type", "content_type"),),
    code="content_type",
)


def _keeps(program: Program, error: Rejected) -> bool:
    """Say whether a message at fault is taken all the same: a mapper that fails is no fault of its sender's."""
    return program.rejection.positive or error.code == VERIFY


def _any(route: CompiledRoute) -> Program:
    """Return a program of the route for what all of them have in common."""
    return next(iter(route.programs.values()))


def _default_lane(message: Message, door: Door | None) -> str:
    """Return the ordering key of an ordered door's messages: their sender, as far as it is known, and the door."""
    if door is None or not door.ordered:
        return ""
    meta = message.meta
    if "application" in meta or "facility" in meta:
        sender = f"{meta.get('application', '')}/{meta.get('facility', '')}/"
    else:
        sender = ""
    return f"{message.partner or ''}/{sender}{message.listener}"


def _waiting(program: Program, scope: Scope, setting: Setting) -> Later:
    lane, also = program.lanes(scope) if program.order_by else (setting.lane, ())
    return Later(lane=lane, also=also, keys=program.business_keys(scope), parks=program.parks)


def _recalling(program: Program, scope: Scope, setting: Setting, memories: Memories) -> Recalling:
    def key() -> str:
        return program.lanes(branch(scope))[0] if program.order_by else setting.lane

    return Recalling(key, *memories)


def _where_possible(program: Program, scope: Scope, setting: Setting) -> Later:
    """Return where a message waits that failed; without an ordering key where that is what failed."""
    try:
        return _waiting(program, scope, setting)
    except Exception:  # noqa: BLE001  whatever fails here has been told already: this is the second run
        return Later(parks=program.parks)


def _unwanted(door: Door, error: Rejected, program: Program | None = None) -> Plan:
    """Return the plan for what no route takes: the listener says whether that is a fault."""
    if door.filters:
        return Plan(Disposition.FILTERED, dedupe_ms=door.dedupe_ms)
    plan = Plan(Disposition.REFUSED, faults=list(error.faults))
    if program is not None:
        plan.route = program.name
        plan.blames = blames_of(program, error)
    return plan


def _refused(refusals: Sequence[tuple[Program, Rejected]]) -> Plan:
    """Return the plan for what every route refuses; a fault that several found is told to the sender once."""
    faults = {(fault.path, fault.text): fault for _, error in refusals for fault in _faults(error)}
    return Plan(
        Disposition.REFUSED,
        faults=list(faults.values()),
        blames=[blame for program, error in refusals for blame in blames_of(program, error)],
        route=refusals[0][0].name,
        code=max(program.rejection.code for program, _ in refusals),  # AR before AE: the strictest
    )


def _faults(error: Rejected) -> tuple[Fault, ...]:
    """Return what is at fault, with paths that can be stored and shown: a sender's key may be endless, or no text."""
    found = error.faults or (Fault("", str(error), error.code),)
    return tuple(
        fault if _is_plain(fault.path) else replace(fault, path=_plain(fault.path)) for fault in found
    )


def _is_plain(path: str) -> bool:
    return len(path) <= MAX_PATH and path.isascii()


def _plain(path: str) -> str:
    short = path if len(path) <= MAX_PATH else path[:MAX_PATH] + "..."
    return short.encode("utf-8", "replace").decode("utf-8")


def _control_id(source: str, event: str) -> str:
    """Return the id that source and id of an event make; an endless one as its digest."""
    text = f"{source} {event}"
    return text if len(text) <= MAX_ID else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def blames_of(program: Program, error: Rejected) -> list[Blame]:
    """Return whom to tell of a refusal: once for each path at fault."""
    paths = dict.fromkeys(fault.path for fault in _faults(error))
    return [Blame(program.name, path, program.rejection.alert) for path in paths]
