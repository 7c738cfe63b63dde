"""The owner of all lanes: hands heads to workers, wakes endpoints when their next head falls due, and stops cleanly.

The schedule is rows. What is in memory is a window of heads per endpoint, a wake-up time per endpoint that waits, and
workers that belong to no message. A head goes to one worker only; what a worker settles names the next of its lane, so
that a busy lane never asks the store. Every hint may be lost: a slow look at the store finds what waits unnoticed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from anyio import move_on_after
from anyio.abc import TaskGroup

from engine.clock import Clock
from engine.model import Confirmation, Delivery
from engine.runtime.flight import Flight
from engine.runtime.sending.breaker import BreakerListener, Phase
from engine.runtime.sending.confirming import Confirming
from engine.runtime.sending.deciding import Cause
from engine.runtime.sending.gates import Gates
from engine.runtime.sending.outbounds import Outbounds
from engine.runtime.sending.policy import EndpointPolicy, Policies
from engine.runtime.sending.sender import Concluded, RouteHandler, Sender
from engine.runtime.sending.turns import Turns
from engine.runtime.sending.workers import LAST_MOMENT, Workers
from engine.runtime.status import EndpointStatus, InFlight, status_of
from engine.runtime.timekeeper import Timekeeper
from engine.spi import Counters
from engine.store.protocol import Store

PERIOD = 5.0
"""Seconds between two looks at the store for what no hint told, and at sends that overrun."""

LONG_MS = 36 * 3_600_000
"""A head that falls due later than this is looked at once at start: the clock may have been wrong."""


class Dispatcher:
    """All lanes of one store, in one process.

    `start` once, `offer` and `nudge` after every commit of the intake, `kick` after whatever else changed rows, `drain`
    at the end. All methods belong to the event loop's thread. `settled` hears every settlement after its commit,
    `breaker_changed` every change of a breaker; neither may raise.
    """

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
        settled: Callable[[Concluded], None] = lambda concluded: None,
        breaker_changed: BreakerListener = lambda endpoint, phase: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._gates = gates
        self._sender = Sender(
            store=store,
            clock=clock,
            policies=policies,
            outbounds=outbounds,
            flight=flight,
            gates=gates,
            counters=counters,
            rng=rng,
            routing=routing,
        )
        self._time = Timekeeper(
            clock, period=PERIOD, next_ms=self.next_wake_ms, strike=self._strike, set_back=self._set_back
        )
        self._workers = Workers(self._tell_watchers)
        self._turns = Turns(
            store=store,
            clock=clock,
            policies=policies,
            flight=flight,
            gates=gates,
            counters=counters,
            sender=self._sender,
            workers=self._workers,
            wake_earlier=self._time.earlier,
            settled=settled,
            breaker_changed=breaker_changed,
        )
        self._confirming = Confirming(store, clock, self._sender, self._workers, self._turns)
        self._watchers: list[asyncio.Future[None]] = []
        self._looked_at = 0.0

    # ------------------------------------------------------------- life

    async def start(self, group: TaskGroup) -> None:
        """Take over all lanes: recovery has ended, outbounds are started. Tasks run in `group` until `drain`."""
        turns = self._turns
        self._workers.start(group)
        await self._gates.load()
        self._gates.changed = self._gates_changed
        now_ms = self._clock.now_ms()
        for name, earliest in (await self._store.outlook()).items():
            lanes = turns.at(name, horizon=(earliest, 0))
            lanes.wake_ms = now_ms if earliest > now_ms + LONG_MS else earliest
            turns.wakes.note(lanes)
        await turns.desk.start()
        turns.running = True
        self._looked_at = self._clock.monotonic()
        group.start_soon(self._keep_time)

    async def drain(self, grace: float) -> None:
        """Start nothing new and return when nothing is in flight; after `grace` seconds sends are broken off.

        What was broken off counts as an unknown outcome. What cannot be settled stays in the flight file.
        """
        self._turns.running = False
        with move_on_after(grace):
            await self._until(lambda: not self._workers.busy)
        self._break_off()
        with move_on_after(LAST_MOMENT):
            await self._until(lambda: not self._workers.busy)
        self._time.stop()

    async def _keep_time(self) -> None:
        try:
            await self._time.run()
        finally:
            # Also reached when the whole group is cancelled because something fatal happened elsewhere.
            self._turns.running = False
            self._break_off()
            self._workers.abort()

    def _break_off(self) -> None:
        self._sender.settler.stop()
        for flying in self._turns.flying.values():
            flying.break_off("stopped", "the engine stopped during the attempt")

    # ------------------------------------------------------------- hints

    def offer(self, deliveries: Sequence[Delivery]) -> None:
        """Take the heads that a commit made ready (`Accepted.ready`, with bodies); costs no read of the store.

        What `Accepted.nudged` holds goes to `nudge`. Before `start` and after `drain` a hint does nothing.
        """
        turns = self._turns
        if not turns.running:
            return
        for delivery in deliveries:
            if delivery.sequence not in turns.flying:
                fresh = delivery.body is not None and not delivery.attempts
                turns.pump(turns.enter(delivery, seen=fresh))

    def nudge(self, deliveries: Sequence[Delivery]) -> None:
        """Decide now on heads that something behind them may supersede or recall (`Accepted.nudged`)."""
        turns = self._turns
        if not turns.running:
            return
        for delivery in deliveries:
            flying = turns.flying.get(delivery.sequence)
            if flying is not None:
                flying.nudged = True
            else:
                turns.desk.put(delivery, Cause.NUDGED)

    def kick(self, endpoint: str | None = None) -> None:
        """Read an endpoint's heads anew (None: all endpoints'): rows changed without a hint, as by an operator."""
        turns = self._turns
        if not turns.running:
            return
        for lanes in [turns.at(endpoint)] if endpoint else list(turns.lanes.values()):
            turns.reread(lanes)
        turns.desk.look()

    async def confirm(self, confirmation: Confirmation) -> bool:
        """Take what a partner says later of a message that it took; True once that is durable, False: nothing waits.

        It waits for what is being settled, so call it where nothing of the same partner must be read meanwhile.

        Raises:
            Transient, CommitUnknown: the store cannot be asked, or the engine stops.
        """
        return await self._confirming.confirm(confirmation)

    def policies_changed(self) -> None:
        """Look at everything again after a reload; what was parked for a missing destination returns to its place."""
        turns = self._turns
        if turns.running:
            for lanes in list(turns.lanes.values()):
                turns.reconsider(lanes) if lanes.window.empty else turns.reread(lanes)
            turns.desk.look()
            turns.desk.unpark()

    def _gates_changed(self) -> None:
        turns = self._turns
        if turns.running:
            for lanes in list(turns.lanes.values()):
                turns.reread(lanes) if lanes.window.setting_aside else turns.reconsider(lanes)

    # ------------------------------------------------------------- questions

    def idle(self) -> bool:
        """Say whether nothing is in flight and nothing is due now."""
        wake = self.next_wake_ms()
        return not self._workers.busy and (wake is None or wake > self._clock.now_ms())

    async def wait_idle(self) -> None:
        """Return when `idle`."""
        await self._until(self.idle)

    def next_wake_ms(self) -> int | None:
        """Return when something falls due next, as far as is known; None when only a hint can bring work."""
        times = (self._turns.wakes.next_ms(), self._turns.desk.next_ms)
        return min((at for at in times if at is not None), default=None)

    def in_flight(self) -> list[InFlight]:
        """Return the attempts that are under way."""
        return [
            InFlight(
                each.delivery.sequence, each.delivery.message_id, each.endpoint, each.number, each.started_ms
            )
            for each in self._turns.flying.values()
            if each.limit is not None
        ]

    def endpoint_status(self) -> list[EndpointStatus]:
        """Return how each endpoint stands that had work since the start, by name."""
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        found: list[EndpointStatus] = []
        for name, lanes in sorted(self._turns.lanes.items()):
            policy = self._turns.policy(name) or EndpointPolicy(name, "")
            found.append(status_of(lanes, policy, self._gates.at_endpoint(policy, now_ms), now_ms, now))
        return found

    def breaker_phase(self, endpoint: str) -> Phase:
        """Return the state of an endpoint's breaker; closed where nothing was sent yet."""
        lanes = self._turns.lanes.get(endpoint)
        return lanes.breaker.phase if lanes else Phase.CLOSED

    # ------------------------------------------------------------- time

    def _strike(self) -> None:
        turns = self._turns
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        for lanes in turns.wakes.due(now_ms):
            turns.pump(lanes)
        turns.desk.strike(now_ms)
        if now - self._looked_at >= PERIOD and turns.running:
            self._looked_at = now
            turns.desk.look()
            for flying in turns.flying.values():
                if flying.limit is not None and flying.limit < now:
                    flying.break_off("timeout", "the channel overran the attempt's timeout")
            for lanes in turns.lanes.values():
                lanes.measure(now)
        self._tell_watchers()

    def _set_back(self, by_ms: int) -> None:
        """Let waits go on as they were: somebody set the wall clock back."""
        for lanes in self._turns.lanes.values():
            lanes.window.shift(by_ms)
            self._turns.pump(lanes)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._watchers.append(watcher)
            await watcher

    def _tell_watchers(self) -> None:
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)
