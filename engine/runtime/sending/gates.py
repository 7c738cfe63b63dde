"""Gates: what people closed on purpose. Nothing is spent, nobody is alerted and no breaker moves behind one.

Pauses (of a route, a destination or an endpoint), holds (of a partner, until a moment) and disabled endpoints are rows,
so that they outlive the process; maintenance windows come from the partner's configuration. A delivery's expiry goes
on behind a gate; its fallback and its budgets wait.
"""

from __future__ import annotations

import enum
import json
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.clock import Clock
from engine.errors import CommitUnknown, StoreUnavailable
from engine.model import Delivery
from engine.runtime.sending import maintenance
from engine.runtime.sending.policy import EndpointPolicy
from engine.store.protocol import Records

_log = logging.getLogger(__name__)

_REMEMBERED = 16
"""Closed times per gate that are remembered for budgets; older ones no longer matter to what waits."""

_PAST = "closed"
"""Kind of the records that hold them, so that a restart does not charge a pause that ended to what waited behind it."""


class Closure(enum.StrEnum):
    """What may be closed, as the kind of its durable row."""

    PAUSE = "pause"
    HOLD = "hold"
    DISABLED = "disabled"


class Subject(enum.StrEnum):
    """What a pause is of."""

    ROUTE = "route"
    DESTINATION = "destination"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True)
class Gate:
    """A closed gate: `kind` is a `Closure` or `maintenance`; `until_ms` None when only a person opens it."""

    kind: str
    subject: str
    since_ms: int
    until_ms: int | None = None
    reason: str = ""
    actor: str = ""
    catch_up: float | None = None
    """Messages per second for what waited, after a maintenance window."""


class Gates:
    """Knows every closed gate; look-ups are dictionary reads. `changed` is called after a gate opened or closed."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._closed: dict[Closure, dict[str, Gate]] = {closure: {} for closure in Closure}
        self._past: dict[str, deque[tuple[int, int]]] = {}
        self._windows: dict[str, tuple[EndpointPolicy, int, maintenance.Occurrence | None]] = {}
        self.changed: Callable[[], None] = lambda: None

    async def load(self) -> None:
        """Read what an earlier process left; called before lanes start."""
        for closure in Closure:
            rows = await self._records.all(closure)
            self._closed[closure] = {row.name: _read(closure, row.name, row.value) for row in rows}
        for row in await self._records.all(_PAST):
            spans = [(since_ms, until_ms) for since_ms, until_ms in json.loads(row.value)]
            self._past[row.name] = deque(spans, maxlen=_REMEMBERED)
        for partner in list(self._closed[Closure.HOLD]):
            self._held(partner, self._clock.now_ms())

    # ------------------------------------------------------------- what people do

    async def pause(self, subject: Subject, name: str, *, actor: str, reason: str = "") -> Gate:
        """Stop a route, a destination (`route/destination`) or an endpoint until `resume`."""
        return await self._close(Closure.PAUSE, f"{subject}:{name}", None, actor, reason)

    async def resume(self, subject: Subject, name: str, *, actor: str) -> bool:
        """Let it go on; False when it was not paused."""
        return await self._open(Closure.PAUSE, f"{subject}:{name}", actor)

    async def hold(self, partner: str, until_ms: int | None, *, actor: str, reason: str = "") -> Gate:
        """Send a partner nothing until a moment, or until `release`."""
        return await self._close(Closure.HOLD, partner, until_ms, actor, reason)

    async def release(self, partner: str, *, actor: str) -> bool:
        """End a hold before its time; False when there was none."""
        return await self._open(Closure.HOLD, partner, actor)

    async def disable(self, endpoint: str, *, reason: str, actor: str = "engine") -> Gate:
        """Close an endpoint that said it is gone (HTTP 410); its deliveries go to their fallbacks or wait."""
        return await self._close(Closure.DISABLED, endpoint, None, actor, reason)

    async def enable(self, endpoint: str, *, actor: str) -> bool:
        """Open a disabled endpoint again; False when it was open."""
        return await self._open(Closure.DISABLED, endpoint, actor)

    # ------------------------------------------------------------- what the dispatcher asks

    def disabled(self, endpoint: str) -> bool:
        """Say whether the endpoint is closed for good, so that a delivery with a fallback need not wait."""
        return endpoint in self._closed[Closure.DISABLED]

    def at_endpoint(self, policy: EndpointPolicy, now_ms: int) -> Gate | None:
        """Return the gate that closes a whole endpoint now: disabled, paused, its partner held, or maintenance."""
        gate = self._closed[Closure.DISABLED].get(policy.name)
        if gate is None and self._closed[Closure.PAUSE]:
            gate = self._closed[Closure.PAUSE].get(f"{Subject.ENDPOINT}:{policy.name}")
        if gate is None and self._closed[Closure.HOLD]:
            gate = self._held(policy.partner, now_ms)
        if gate is None and policy.maintenance:
            return self._in_maintenance(policy, now_ms)
        return gate

    def at_delivery(self, delivery: Delivery) -> Gate | None:
        """Return the gate that closes this delivery's route or destination."""
        paused = self._closed[Closure.PAUSE]
        if not paused:
            return None
        route, destination = _subjects(delivery)
        return paused.get(route) or paused.get(destination)

    def closed_ms(self, delivery: Delivery, policy: EndpointPolicy, since_ms: int, now_ms: int) -> int:
        """Return for how much of [since_ms, now_ms] some gate kept this delivery back, in ms."""
        if not (self._past or policy.maintenance or any(self._closed.values())):
            return 0
        spans: list[tuple[int, int]] = []
        for name in (
            *_subjects(delivery),
            f"{Subject.ENDPOINT}:{policy.name}",
            _key(Closure.HOLD, policy.partner),
            _key(Closure.DISABLED, policy.name),
        ):
            spans.extend(self._past.get(name, ()))
        open_now = [self.at_delivery(delivery), self.at_endpoint(policy, now_ms)]
        spans.extend((gate.since_ms, now_ms) for gate in open_now if gate is not None)
        for window in policy.maintenance:
            spans.extend(
                (each.start_ms, each.end_ms) for each in maintenance.occurrences(window, since_ms, now_ms)
            )
        return _covered(spans, since_ms, now_ms)

    def closed(self) -> list[Gate]:
        """Return every gate that people closed and that is closed now, for listings."""
        now_ms = self._clock.now_ms()
        gates = (gate for gates in self._closed.values() for gate in gates.values())
        return [gate for gate in gates if gate.until_ms is None or now_ms < gate.until_ms]

    # ------------------------------------------------------------- inside

    def _held(self, partner: str, now_ms: int) -> Gate | None:
        gate = self._closed[Closure.HOLD].get(partner)
        if gate is None or gate.until_ms is None or now_ms < gate.until_ms:
            return gate
        # Its time is over: the row goes when somebody holds or releases the partner again.
        del self._closed[Closure.HOLD][partner]
        self._remember(_key(Closure.HOLD, partner), gate.since_ms, gate.until_ms)
        return None

    def _in_maintenance(self, policy: EndpointPolicy, now_ms: int) -> Gate | None:
        known = self._windows.get(policy.name)
        if known is None or known[0] is not policy or now_ms >= known[1]:
            found = maintenance.current(policy.maintenance, now_ms)
            until = found.end_ms if found else maintenance.next_start_ms(policy.maintenance, now_ms)
            known = self._windows[policy.name] = (policy, until, found)
        occurrence = known[2]
        if occurrence is None or now_ms < occurrence.start_ms:
            return None
        return Gate(
            "maintenance",
            policy.name,
            occurrence.start_ms,
            occurrence.end_ms,
            catch_up=occurrence.catch_up,
        )

    async def _close(
        self, closure: Closure, name: str, until_ms: int | None, actor: str, reason: str
    ) -> Gate:
        now_ms = self._clock.now_ms()
        gate = Gate(closure, name, now_ms, until_ms, reason, actor)
        value = json.dumps({"since_ms": now_ms, "until_ms": until_ms, "reason": reason, "actor": actor})
        await self._records.put(closure, name, value, at_ms=now_ms, actor=actor, action=closure)
        before = self._closed[closure].get(name)
        self._closed[closure][name] = gate
        await self._over(closure, name, before, now_ms)
        return gate

    async def _open(self, closure: Closure, name: str, actor: str) -> bool:
        now_ms = self._clock.now_ms()
        gone = await self._records.delete(closure, name, at_ms=now_ms, actor=actor, action=_OPENED[closure])
        gate = self._closed[closure].pop(name, None)
        if gate is not None:
            await self._over(closure, name, gate, now_ms)
        return gone

    async def _over(self, closure: Closure, name: str, gate: Gate | None, now_ms: int) -> None:
        """Tell that something changed, and keep the time of the gate that is over beyond the end of the process."""
        if gate is None:
            self.changed()
            return
        key = _key(closure, name)
        self._remember(key, gate.since_ms, min(now_ms, gate.until_ms or now_ms))
        self.changed()
        value = json.dumps(list(self._past[key]), separators=(",", ":"))
        try:
            await self._records.put(_PAST, key, value, at_ms=now_ms)
        except (
            StoreUnavailable,
            CommitUnknown,
        ):  # what people asked for is done; only a budget may come out shorter
            _log.warning("a closed time is not durable", extra={"action": closure.value, "endpoint": name})

    def _remember(self, key: str, since_ms: int, until_ms: int) -> None:
        self._past.setdefault(key, deque(maxlen=_REMEMBERED)).append((since_ms, until_ms))


_OPENED: Mapping[Closure, str] = {
    Closure.PAUSE: "resume",
    Closure.HOLD: "release",
    Closure.DISABLED: "enable",
}


def _subjects(delivery: Delivery) -> tuple[str, str]:
    return (
        f"{Subject.ROUTE}:{delivery.route}",
        f"{Subject.DESTINATION}:{delivery.route}/{delivery.destination}",
    )


def _key(closure: Closure, name: str) -> str:
    return name if closure is Closure.PAUSE else f"{closure}:{name}"


def _read(closure: Closure, name: str, value: str) -> Gate:
    row = json.loads(value)
    return Gate(closure, name, row["since_ms"], row["until_ms"], row["reason"], row["actor"])


def _covered(spans: list[tuple[int, int]], since_ms: int, now_ms: int) -> int:
    """Return how many ms of [since_ms, now_ms] the spans cover together."""
    total, reached = 0, since_ms
    for start, end in sorted(spans):
        begin, finish = max(start, reached), min(end, now_ms)
        if finish > begin:
            total += finish - begin
            reached = finish
    return total
