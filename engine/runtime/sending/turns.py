"""Whose turn it is at every endpoint, who works on what, and where a delivery goes when somebody is done with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from engine.clock import Clock
from engine.errors import FATAL, CommitUnknown, Transient
from engine.model import Delivery, State
from engine.runtime.flight import Flight
from engine.runtime.sending import schedule
from engine.runtime.sending.breaker import Breaker, BreakerListener, Phase
from engine.runtime.sending.deciding import Cause, Desk
from engine.runtime.sending.gates import Gates
from engine.runtime.sending.lanes import Lanes, Moment, Need, lane_of
from engine.runtime.sending.policy import EndpointPolicy, Policies
from engine.runtime.sending.sender import Concluded, Flying, Sender
from engine.runtime.sending.wakes import Wakes
from engine.runtime.sending.window import Ledger, Place, Waiting, Window
from engine.runtime.sending.workers import Job, Workers
from engine.spi import Counters
from engine.store.protocol import Store

FAR_MS = 2**62
"""Later than every due time: asks the store for what comes next, not only for what is due."""

ROUTE = "route:"
"""Begins the endpoint name of messages that are still to be routed."""

ROUTE_CONCURRENCY = 4
"""Stored messages of one route that are routed side by side, of different lanes."""

AGAIN_MS = 1_000
"""When to look again at what the store, a full flight file or a bug of ours kept from being tried."""

KEEP_BODY_MS = 10_000
"""A body stays in memory when its next attempt is nearer than this."""

SENDABLE = frozenset({State.PENDING, State.RETRYING})
"""States in which a head may be sent."""

_WORDS = {state: state.word for state in State}
_log = logging.getLogger(__name__)


class Turns:
    """Windows of all endpoints and everything in flight.

    `running` False stops new work; `flying` holds by sequence what somebody works on: nobody else may touch it.
    `expecting` holds who waits until somebody is done with one of some deliveries.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        policies: Policies,
        flight: Flight,
        gates: Gates,
        counters: Counters,
        sender: Sender,
        workers: Workers,
        wake_earlier: Callable[[int], None],
        settled: Callable[[Concluded], None],
        breaker_changed: BreakerListener,
    ) -> None:
        self._store = store
        self._clock = clock
        self._policies = policies
        self._flight = flight
        self._gates = gates
        self._counters = counters
        self._sender = sender
        self._workers = workers
        self.wake_earlier = wake_earlier
        self._settled = settled
        self._breaker_changed = breaker_changed
        self._ledger = Ledger()
        self._sending: set[bytes] = set()
        self._contended: set[Lanes] = set()
        self._moment = Moment(self._sending, lambda delivery: gates.at_delivery(delivery) is not None)
        self.desk = Desk(store, clock, sender, workers, self)
        self.wakes = Wakes()
        self.lanes: dict[str, Lanes] = {}
        self.flying: dict[int, Flying] = {}
        self.expecting: list[tuple[set[int], asyncio.Future[None]]] = []
        self.running = False

    # ------------------------------------------------------------- heads come in

    def at(self, name: str, horizon: Place | None = None) -> Lanes:
        """Return an endpoint's lanes; a new one knows all heads up to `horizon` (None: that there are none)."""
        lanes = self.lanes.get(name)
        if lanes is None:
            breaker = Breaker(name, self._on_breaker)
            lanes = self.lanes[name] = Lanes(name, Window(self._ledger, horizon), breaker)
        return lanes

    def policy(self, name: str) -> EndpointPolicy | None:
        """Return how an endpoint may be used now, None when it is gone."""
        found = self._policies.endpoint(name)
        if found is None and name.startswith(ROUTE):
            return EndpointPolicy(name, partner="", concurrency=ROUTE_CONCURRENCY, breaker_failures=0)
        return found

    def enter(self, delivery: Delivery, *, seen: bool) -> Lanes:
        """Put a head into its endpoint's window, or leave it to the store; the caller pumps what is returned."""
        lanes = self.at(delivery.endpoint)
        self.desk.note(delivery.deadline_ms)
        if delivery.state not in SENDABLE:
            lanes.window.discard(delivery.sequence)
            return lanes
        due_ms = delivery.due_ms
        if delivery.hop_ms:
            due_ms = schedule.plausible_due_ms(delivery, self._clock.now_ms())
        if self._gates.disabled(lanes.name) and self._may_move_on(delivery):
            self.desk.put(delivery, Cause.RELIEF)
        else:
            lanes.window.add(delivery, due_ms, seen=seen)
            if lanes.breaker.phase is not Phase.CLOSED:
                self._note_relief(lanes, delivery)
        return lanes

    def _note_relief(self, lanes: Lanes, delivery: Delivery) -> None:
        """Remember when a head that meets an open breaker is given up."""
        policy = self.policy(lanes.name)
        if policy is not None:
            given_up = self._given_up_ms(delivery, policy, self._clock.now_ms(), disabled=False)
            if given_up is not None and (lanes.relief_ms is None or given_up < lanes.relief_ms):
                lanes.relief_ms = given_up

    def reread(self, lanes: Lanes) -> None:
        """Forget what is known of an endpoint's heads, read them from the store, and go on."""
        lanes.window.forget()
        self.reconsider(lanes)

    def reconsider(self, lanes: Lanes) -> None:
        """Look at an endpoint again: a gate, a breaker or its policy changed."""
        lanes.relief_ms = 0
        self.pump(lanes)

    # ------------------------------------------------------------- work goes out

    def pump(self, lanes: Lanes) -> None:
        """Hand out all work of an endpoint that may be done now."""
        while (job := self._take(lanes)) is not None:
            self._workers.hand(job)
            if not lanes.promising:
                return

    def claim(self, delivery: Delivery) -> Flying:
        """Note that somebody works on a delivery: what a read that is under way says of it is stale."""
        window = self.at(delivery.endpoint).window
        window.discard(delivery.sequence)
        window.touch(delivery.sequence)
        return self._fly(delivery, delivery.endpoint)

    def _fly(self, delivery: Delivery, endpoint: str) -> Flying:
        # The lane is busy during a decision as well: the next of it may be read from the store between the commit and
        # the moment at which we hear of that, and would go out once more when we do.
        if delivery.lane:
            self._sending.add(delivery.lane)
            if delivery.also:
                self._sending.update(delivery.also)
        flying = self.flying[delivery.sequence] = Flying(delivery, endpoint)
        return flying

    def _landed(self, delivery: Delivery) -> None:
        del self.flying[delivery.sequence]
        if delivery.lane:
            self._sending.discard(delivery.lane)
            if delivery.also:
                self._sending.difference_update(delivery.also)

    def _take(self, lanes: Lanes) -> Job | None:
        """Return the endpoint's next work; None when there is none now, and when to look again is noted."""
        if not self.running:
            return None
        moment = self._moment
        now_ms = moment.now_ms = self._clock.now_ms()
        moment.monotonic = self._clock.monotonic()
        policy = self.policy(lanes.name) or EndpointPolicy(lanes.name, "")
        if self._flight.full:
            lanes.wake_ms = now_ms + AGAIN_MS
        else:
            found = lanes.take(policy, self._gates.at_endpoint(policy, now_ms), moment)
            if isinstance(found, Waiting):
                delivery = found.delivery
                return partial(self._send, lanes, found, self._fly(delivery, lanes.name))
            if found is Need.HEADS:
                here = [
                    each.delivery.sequence for each in self.flying.values() if each.endpoint == lanes.name
                ]
                return partial(self._read, lanes, lanes.window.begin(here))
        if lanes.contended:
            lanes.contended = False
            self._contended.add(lanes)
        if lanes.relief_ms is not None and lanes.relief_ms <= now_ms:
            self._relieve(lanes, policy, now_ms)
        self._note_wake(lanes)
        return None

    def _note_wake(self, lanes: Lanes) -> None:
        if lanes.relief_ms:
            lanes.wake_ms = min(lanes.relief_ms, lanes.wake_ms or lanes.relief_ms)
        if self.wakes.note(lanes) and lanes.wake_ms is not None:
            self.wake_earlier(lanes.wake_ms)

    def _may_move_on(self, delivery: Delivery) -> bool:
        return delivery.hop + 1 < len(delivery.chain) and self._gates.at_delivery(delivery) is None

    def _relieve(self, lanes: Lanes, policy: EndpointPolicy, now_ms: int) -> None:
        """Give up on heads that need not wait here: the endpoint is disabled, or broken beyond their time.

        Rows have a deadline for the latter, but one that passed behind a gate was put off until the expiry.
        """
        lanes.relief_ms = None
        disabled = self._gates.disabled(lanes.name)
        if not disabled and (lanes.gate is not None or lanes.breaker.phase is Phase.CLOSED):
            return
        for waiting in list(lanes.window):
            delivery = waiting.delivery
            if self._gates.at_delivery(delivery) is not None:
                continue
            given_up = self._given_up_ms(delivery, policy, now_ms, disabled=disabled)
            if given_up is None:
                continue
            if given_up <= now_ms:
                self.desk.put(delivery, Cause.RELIEF)
            else:
                lanes.relief_ms = min(given_up, lanes.relief_ms or given_up)
        if lanes.window.drained:
            self.pump(lanes)

    def _given_up_ms(
        self, delivery: Delivery, policy: EndpointPolicy, now_ms: int, *, disabled: bool
    ) -> int | None:
        destination = self._policies.destination(delivery)
        if destination is None:
            return None
        if disabled:
            return now_ms if delivery.hop + 1 < len(delivery.chain) else None
        return schedule.given_up_ms(
            delivery, destination, lambda since_ms: self._gates.closed_ms(delivery, policy, since_ms, now_ms)
        )

    # ------------------------------------------------------------- jobs

    async def _send(self, lanes: Lanes, waiting: Waiting, flying: Flying) -> Job | None:
        delivery = waiting.delivery
        concluded: Concluded | None = None
        failed = False
        try:
            concluded = await self._sender.send(
                flying, self.policy(lanes.name), lanes.breaker, lane_of(delivery), seen=waiting.seen
            )
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - logged; the row is as before and comes again
            lanes.breaker.abandoned(lane_of(delivery))
            self.log_failure(error, endpoint=lanes.name, delivery=delivery.sequence)
            failed = True
        lanes.active -= 1
        lanes.handled += 1
        if failed:
            self.put_back(flying)
        else:
            self.land(flying, concluded, own=lanes)
        job = self._take(lanes)
        if job is not None and lanes.promising:
            self.pump(lanes)
        return job

    async def _read(self, lanes: Lanes, asked: int) -> Job | None:
        """Fill an empty window from the store."""
        try:
            heads = await self._store.due(lanes.name, FAR_MS, asked, lanes.window.after)
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - logged; the same read is made again
            self.log_failure(error, endpoint=lanes.name)
            lanes.window.fail()
            lanes.relief_ms = None
            lanes.wake_ms = self._clock.now_ms() + AGAIN_MS
            self._note_wake(lanes)
            return None
        now_ms = self._clock.now_ms()
        dated = [(head, schedule.plausible_due_ms(head, now_ms)) for head in heads]
        lanes.window.fill(dated, asked, leave_out=self.flying)
        for head in heads:
            self.desk.note(head.deadline_ms)
        self.reconsider(lanes)
        return None

    # ------------------------------------------------------------- work comes back

    def land(self, flying: Flying, concluded: Concluded | None, *, own: Lanes | None = None) -> None:
        """Let go of a delivery: a new row goes to its window, the lane's next too; None: its row must be read anew.

        `own` are lanes that the caller pumps itself.
        """
        self._landed(flying.delivery)
        if self.expecting:
            self._tell(flying.delivery.sequence)
        if concluded is not None:
            for lanes in self._apply(flying, concluded):
                if lanes is not own:
                    self.pump(lanes)
        elif self.running:
            self.reread(self.at(flying.endpoint))
        self._pump_contended()

    def let_go(self, flying: Flying, *, seen: bool = False) -> None:
        """Let go of a delivery about which there was nothing to change."""
        self._landed(flying.delivery)
        self._tell(flying.delivery.sequence)
        self.pump(self.enter(flying.delivery, seen=seen))
        self._pump_contended()

    def put_back(self, flying: Flying) -> None:
        """Let go of a delivery that could not be worked on; its row is as before."""
        delivery = flying.delivery
        self._landed(delivery)
        self._tell(delivery.sequence)
        lanes = self.at(delivery.endpoint)
        if delivery.state in SENDABLE:
            lanes.window.add(delivery, self._clock.now_ms() + AGAIN_MS, seen=False)
        else:
            self.desk.note(self._clock.now_ms() + AGAIN_MS)
        self.pump(lanes)
        self._pump_contended()

    def _pump_contended(self) -> None:
        """Look again at endpoints whose heads stood in a lane that was busy elsewhere."""
        if self._contended:
            contended = list(self._contended)
            self._contended.clear()
            for lanes in contended:
                self.pump(lanes)

    def _tell(self, sequence: int) -> None:
        for sequences, landing in self.expecting:
            if sequence in sequences and not landing.done():
                landing.set_result(None)

    def log_failure(self, error: Exception, **ids: object) -> None:
        """Say what kept work from being done that is done again later; `ids` are fields of the log."""
        bug = not isinstance(error, Transient | CommitUnknown)
        if bug:
            self._counters.count("bugs", where="dispatcher")
        _log.log(
            logging.ERROR if bug else logging.WARNING,
            "the dispatcher could not go on with something; it comes again",
            exc_info=error,
            extra={"action": "dispatch", **ids},
        )

    def _apply(self, flying: Flying, concluded: Concluded) -> list[Lanes]:
        """Follow a settlement; return the lanes in which something changed."""
        delivery, settlement, settled = concluded.delivery, concluded.settlement, concluded.settled
        changed: list[Lanes] = []
        if settlement.state >= State.DELIVERED:
            self._counters.count("settled", endpoint=delivery.endpoint, state=_WORDS[settlement.state])
        else:
            row = self._revised(concluded)
            changed.append(self.enter(row, seen=False))
            if settlement.hop != delivery.hop:
                self._counters.count("fallbacks", endpoint=delivery.endpoint)
            if flying.nudged and row.state in SENDABLE:
                self.desk.put(row, Cause.NUDGED)
        if settled.next is not None:
            changed.append(self.enter(settled.next, seen=False))
        if settled.heads:
            changed.extend(self.enter(head, seen=False) for head in settled.heads)
        changed.extend(self.enter(ready, seen=ready.body is not None) for ready in settled.ready)
        if not concluded.complete:
            names = {delivery.chain[0].endpoint, *(spawned.chain[0].endpoint for spawned in settlement.spawn)}
            for name in names:
                self.reread(self.at(name))
        self._settled(concluded)
        return changed

    def _revised(self, concluded: Concluded) -> Delivery:
        """Return the delivery as its row is now."""
        delivery, settlement = concluded.delivery, concluded.settlement
        same = delivery.chain[settlement.hop].rendering == delivery.chain[delivery.hop].rendering
        soon = settlement.due_ms - self._clock.now_ms() < KEEP_BODY_MS
        return replace(
            delivery,
            revision=concluded.settled.revision,
            state=settlement.state,
            reason=settlement.reason,
            due_ms=settlement.due_ms,
            deadline_ms=settlement.deadline_ms,
            hop=settlement.hop,
            hop_ms=settlement.hop_ms,
            attempts=settlement.attempts,
            hop_attempts=settlement.hop_attempts,
            unknown=settlement.unknown,
            body=delivery.body if same and soon else None,
        )

    def _on_breaker(self, name: str, phase: Phase) -> None:
        lanes = self.lanes.get(name)
        if lanes is not None and phase is Phase.OPEN:
            lanes.relief_ms = 0
        if phase is not Phase.HALF_OPEN:
            _log.warning("breaker %s", phase.value, extra={"action": "breaker", "endpoint": name})
        self._breaker_changed(name, phase)
