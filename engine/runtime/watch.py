"""Watches what a human must know, and keeps the book of alerts in step with it.

What is observed is read from durable rows wherever it lasts (open dead letters, disabled endpoints), so that a crash
neither loses nor doubles an alert. Signals only wake the watch early. Alerts never alert about themselves: deliveries
of alerts are left out.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable

import anyio

from engine.clock import Clock
from engine.errors import CommitUnknown, Transient
from engine.model import Body, Disposition, Hop, Message
from engine.notify.alerts import AlertBook, Condition, Notice
from engine.notify.wording import render
from engine.runtime.compiling.policies import ALERT
from engine.runtime.sending.policy import Policies
from engine.store.protocol import Acceptance, Accepted, NewDelivery, Query, Store

LISTENER = "alerts"
"""The door under which alerts are stored; no configuration can name it a route's."""

PERIOD = 5.0
"""Seconds between two looks when nothing signals."""

QUIET_MS = 86_400_000
"""A refusal is told again after a day without it."""

_MANY = 1_000
_WINDOW_MS = 30 * 86_400_000
_log = logging.getLogger(__name__)

Observe = Callable[[], Iterable[Condition]]
"""Gives further conditions that hold now (disk, certificates, exceptions that end, channels)."""


class Watch:
    """One task that turns observations into alerts; `refused`, `bug` and `signal` may be called from anywhere."""

    def __init__(
        self,
        store: Store,
        book: AlertBook,
        policies: Policies,
        clock: Clock,
        *,
        breaker_closed: Callable[[str], bool],
        observe: Observe,
    ) -> None:
        self._store = store
        self._book = book
        self._policies = policies
        self._clock = clock
        self._breaker_closed = breaker_closed
        self._observe = observe
        self._seen: dict[tuple[str, str], Condition] = {}
        self._wake = anyio.Event()
        self._looking = anyio.Lock()

    def signal(self) -> None:
        """Look soon: something ended that may need a human."""
        self._wake.set()

    def refused(self, route: str, path: str, rule: str) -> None:
        """Note that a route refused a message for what stands at `path`."""
        self._note(Condition("refused", f"{route} {path}".strip(), rule, lasting_ms=QUIET_MS))

    def bug(self, where: str, rule: str = "") -> None:
        """Note that an exception occurred that nobody named."""
        self._note(Condition("bug", where, rule, lasting_ms=QUIET_MS))

    async def run(self) -> None:
        """Look until cancelled; what could not be stored is told at the next look."""
        while True:
            self._wake = anyio.Event()
            try:
                await self.look()
            except (Transient, CommitUnknown):
                _log.warning("alerts wait for the store", extra={"action": "alerts-wait"})
            await self._pause()

    async def look(self) -> None:
        """Compare what is so now with what was told; one look at a time."""
        async with self._looking:
            noted, self._seen = self._seen, {}
            try:
                conditions = [
                    *noted.values(),
                    *[each async for each in self._dead_letters()],
                    *self._observe(),
                ]
                await self._book.update(conditions, self._clock.now_ms())
            except BaseException:
                self._seen = {**noted, **self._seen}
                raise

    async def _pause(self) -> None:
        async with anyio.create_task_group() as group:

            async def period() -> None:
                await self._clock.sleep(PERIOD)
                group.cancel_scope.cancel()

            group.start_soon(period)
            await self._wake.wait()
            group.cancel_scope.cancel()

    def _note(self, condition: Condition) -> None:
        key = (condition.kind, condition.subject)
        fresh = key not in self._seen
        self._seen[key] = condition
        if fresh:
            self._wake.set()

    async def _dead_letters(self) -> AsyncIterator[Condition]:
        counts: dict[str, int] = {}
        rules: dict[str, str] = {}
        reasons: dict[str, str] = {}
        for row in await self._store.deliveries(Query(open_dead=True, limit=_MANY)):
            delivery = row.delivery
            if delivery.route.startswith(ALERT):
                continue
            endpoint = delivery.chain[0].endpoint
            counts[endpoint] = counts.get(endpoint, 0) + 1
            reasons.setdefault(endpoint, delivery.reason)
            policy = self._policies.destination(delivery)
            if policy is not None and policy.alert:
                rules[endpoint] = policy.alert
        for endpoint, count in counts.items():
            detail = f"{count} ({reasons[endpoint]})"
            yield Condition("dead_letter", endpoint, rules.get(endpoint, ""), detail)
        for alert in self._book.open:
            still = alert.kind == "dead_letter" and alert.subject not in counts
            if still and not self._breaker_closed(alert.subject):
                yield Condition("dead_letter", alert.subject, alert.rule, alert.detail)


class AlertPost:
    """Makes a durable message of a notice, on a route of the alert's own: it is insisted on like any other."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        new_id: Callable[[], str],
        engine: str,
        offer: Callable[[Accepted], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._engine = engine
        self._offer = offer

    async def __call__(self, notice: Notice) -> None:
        now_ms = self._clock.now_ms()
        message = Message(
            id=self._new_id(),
            listener=LISTENER,
            body=Body.of(render(notice, self._engine), "application/json"),
            codec="json",
            received_ms=now_ms,
            control_id=notice.control_id,
            content_type="application/json",
        )
        delivery = NewDelivery(
            route=ALERT + notice.rule.name,
            route_version="",
            destination=notice.rule.to,
            chain=(Hop(alert_endpoint(notice.rule.name, notice.rule.to), "raw"),),
            lane=notice.alert.identity,
            due_ms=now_ms,
            kind=f"alert-{notice.change}",
        )
        accepted = await self._store.accept(
            Acceptance(message, Disposition.ACCEPTED, b"", (delivery,), dedup_window_ms=_WINDOW_MS)
        )
        self._offer(accepted)


def alert_endpoint(rule: str, to: str) -> str:
    """Return the endpoint that a rule's `to` means: `partner.endpoint` itself, or one of our own for `mailto:`."""
    return ALERT + rule if to.startswith("mailto:") else to
