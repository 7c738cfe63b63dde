"""How endpoints and attempts stand, as console, command line and metrics show it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.runtime.sending.breaker import Phase
from engine.runtime.sending.gates import Gate
from engine.runtime.sending.lanes import Lanes
from engine.runtime.sending.policy import EndpointPolicy


@dataclass(frozen=True, slots=True)
class InFlight:
    """One attempt that is under way; `started_ms` in UTC."""

    delivery: int
    message_id: str
    endpoint: str
    number: int
    started_ms: int


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """How one endpoint stands.

    `waiting` heads are in memory; `more` says that others wait in the store, whose count the archive's tally gives.
    `rate` is the limit that applies now, `pace` the attempts per second lately; `opens_ms` when gate or breaker let
    the next one through, as far as is known.
    """

    name: str
    active: int
    waiting: int
    more: bool
    breaker: Phase
    gate: Gate | None
    opens_ms: int | None
    rate: float | None
    pace: float
    next_due_ms: int | None

    def empty_ms(self, backlog: int, now_ms: int) -> int | None:
        """Return when `backlog` deliveries will be gone, None when nobody can say."""
        speed = min(each for each in (self.rate, self.pace) if each) if self.rate or self.pace else 0.0
        if not speed or (self.gate is not None and self.gate.until_ms is None):
            return None
        return max(now_ms, self.opens_ms or now_ms) + round(backlog / speed * 1000)


def status_of(
    lanes: Lanes, policy: EndpointPolicy, gate: Gate | None, now_ms: int, now: float
) -> EndpointStatus:
    """Describe an endpoint at one moment; `now` is monotonic seconds."""
    opens: int | None = None
    if gate is not None:
        opens = gate.until_ms
    elif lanes.breaker.phase is Phase.OPEN:
        opens = now_ms + max(0, round((lanes.breaker.retry_at - now) * 1000))
    rates = [rate for rate in (policy.rate, lanes.catch_up) if rate is not None]
    first = lanes.window.first
    return EndpointStatus(
        name=lanes.name,
        active=lanes.active,
        waiting=len(lanes.window),
        more=lanes.window.horizon is not None or lanes.window.setting_aside,
        breaker=lanes.breaker.phase,
        gate=gate,
        opens_ms=opens,
        rate=min(rates) if rates else None,
        pace=lanes.pace,
        next_due_ms=first.place[0] if first else None,
    )
