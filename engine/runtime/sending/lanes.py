"""All lanes of one endpoint: whose turn it is, and when to look again when it is nobody's.

A lane is (primary endpoint, ordering key). The store shows only the head of each; this module picks among the heads
of one endpoint, by due time, within what gate, breaker, rate and concurrency allow.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Container
from dataclasses import dataclass

from engine.model import Delivery
from engine.runtime.sending.breaker import Breaker, Pass, Phase
from engine.runtime.sending.gates import Gate
from engine.runtime.sending.limits import TokenBucket
from engine.runtime.sending.policy import EndpointPolicy
from engine.runtime.sending.window import Waiting, Window


class Need(enum.Enum):
    """Work at an endpoint that is no sending."""

    HEADS = "read the next heads from the store"


@dataclass(slots=True)
class Moment:
    """The present as a choice needs it: lanes in a send, whom a pause keeps back, UTC ms and monotonic seconds.

    One instance is kept up to date by the dispatcher: a choice is made for every message.
    """

    busy: Container[bytes]
    paused: Callable[[Delivery], bool]
    now_ms: int = 0
    monotonic: float = 0.0


class Lanes:
    """What the dispatcher knows of one endpoint; no task belongs to it."""

    __slots__ = (
        "active",
        "breaker",
        "bucket",
        "catch_up",
        "concurrency",
        "contended",
        "gate",
        "handled",
        "measured_at",
        "name",
        "pace",
        "rate",
        "relief_ms",
        "scheduled_ms",
        "wake_ms",
        "window",
    )

    def __init__(self, name: str, window: Window, breaker: Breaker) -> None:
        self.name = name
        self.window = window
        self.breaker = breaker
        self.bucket = TokenBucket()
        self.active = 0
        self.concurrency = 1
        self.gate: Gate | None = None
        self.catch_up: float | None = None
        self.rate: float | None = None
        self.relief_ms: int | None = None
        self.contended = False
        self.wake_ms: int | None = None
        self.scheduled_ms: int | None = None
        self.handled = 0
        self.measured_at = 0.0
        self.pace = 0.0

    def measure(self, now: float) -> None:
        """Take the pace (attempts per second) since the last measure; `now` is monotonic seconds."""
        if now > self.measured_at:
            self.pace = self.handled / (now - self.measured_at)
        self.handled = 0
        self.measured_at = now

    @property
    def promising(self) -> bool:
        """Whether another look could bring work; a look costs more than this."""
        window = self.window
        return (len(window) > 0 and self.active < self.concurrency) or window.drained

    def take(self, policy: EndpointPolicy, gate: Gate | None, moment: Moment) -> Waiting | Need | None:
        """Return the next work and count it as active; None sets `wake_ms` to when to look again (None: at a hint)."""
        self.wake_ms = None
        self.gate = gate
        self.concurrency = policy.concurrency
        if self.window.drained:
            return Need.HEADS
        first = self.window.first
        if first is None:
            self.catch_up = None
            return None
        if first.place[0] > moment.now_ms:
            self.catch_up = None
            self.wake_ms = first.place[0]
            return None
        if gate is not None:
            self.catch_up = gate.catch_up
            self.wake_ms = gate.until_ms
            return None
        if self.active >= policy.concurrency:
            return None
        return self._pick(policy, moment)

    def _pick(self, policy: EndpointPolicy, moment: Moment) -> Waiting | Need | None:
        passes = self.breaker.passes(moment.monotonic)
        wait = self._held_up(policy, passes, moment)
        if wait is not None:
            self.wake_ms = moment.now_ms + max(1, math.ceil(wait * 1000)) if wait else None
            return None
        chosen = self._choose(passes, moment)
        if chosen is None:
            if self.window.drained:
                return Need.HEADS
            if passes is Pass.STRANGER:
                self._wake_at(self.breaker.retry_at, moment)
            return None
        if passes is not Pass.ALL:
            self.breaker.probing(lane_of(chosen.delivery))
        if self.rate is not None:
            self.bucket.take()
        self.active += 1
        return self.window.pop(chosen.delivery.sequence)

    def _held_up(self, policy: EndpointPolicy, passes: Pass, moment: Moment) -> float | None:
        """Return how long breaker or rate keep everybody, in seconds; 0.0 until a hint comes, None not at all."""
        if passes is Pass.NONE:
            if self.breaker.phase is Phase.HALF_OPEN:
                return 0.0
            return max(0.001, self.breaker.retry_at - moment.monotonic)
        if policy.rate is None and self.catch_up is None:
            self.rate = None
            return None
        self.rate = min(rate for rate in (policy.rate, self.catch_up) if rate is not None)
        return self.bucket.wait(self.rate, moment.monotonic) or None

    def _choose(self, passes: Pass, moment: Moment) -> Waiting | None:
        """Return the first head that may go, setting aside on the way those that are paused."""
        first = self.window.first
        if first is not None and passes is Pass.ALL and self._is_free(first.delivery, moment):
            return first
        paused: list[Waiting] = []
        chosen: Waiting | None = None
        suspect: Waiting | None = None
        for waiting in self.window:
            delivery = waiting.delivery
            if waiting.place[0] > moment.now_ms:
                self.wake_ms = waiting.place[0]
                break
            if moment.paused(delivery):
                paused.append(waiting)
            elif delivery.lane in moment.busy or (delivery.also and _stands_with(delivery, moment)):
                self.contended = True
            elif passes is Pass.ALL or lane_of(delivery) not in self.breaker.culprits:
                chosen = waiting
                break
            else:
                suspect = suspect or waiting
        for waiting in paused:
            self.window.set_aside(waiting)
        return chosen or (suspect if passes is Pass.PROBE else None)

    def _is_free(self, delivery: Delivery, moment: Moment) -> bool:
        if delivery.lane in moment.busy or (delivery.also and _stands_with(delivery, moment)):
            return False
        return not moment.paused(delivery)

    def _wake_at(self, monotonic: float, moment: Moment) -> None:
        wake = moment.now_ms + max(1, math.ceil((monotonic - moment.monotonic) * 1000))
        self.wake_ms = wake if self.wake_ms is None else min(wake, self.wake_ms)


def _stands_with(delivery: Delivery, moment: Moment) -> bool:
    """Say whether something of its further lanes is being sent."""
    return any(lane in moment.busy for lane in delivery.also)


def lane_of(delivery: Delivery) -> bytes:
    """Return what tells a delivery's lane from others; one without an ordering key has a lane of its own."""
    return delivery.lane or delivery.sequence.to_bytes(8, "big")
