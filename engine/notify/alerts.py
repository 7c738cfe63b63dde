"""The book of alerts: one row per identity (kind, subject), opened once, reminded, cleared once.

A *fact* (a dead letter, a refusal) opens at once, since it does not undo itself; a *condition* (a disk nearly full)
opens after it held for `settle`. Both clear after they were gone for `settle`. A row is written before its message
is posted and marked after, and the message's control id is derived from the row: a crash in between posts it again
and the duplicate check drops the copy, so a human is told exactly once.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

KIND = "alert"
"""Kind of the rows in the store's records."""


class Row(Protocol):
    """A stored record."""

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> str: ...


class Rows(Protocol):
    """Where alerts live; the store's records fit."""

    async def all(self, kind: str) -> Sequence[Row]: ...

    async def put(self, kind: str, name: str, value: str, *, at_ms: int, action: str = "") -> object: ...

    async def delete(self, kind: str, name: str, *, at_ms: int, action: str = "") -> bool: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """Where alerts of one name go and how patient they are; durations in ms, `repeat_ms` None = no reminders."""

    name: str
    to: str
    settle_ms: int = 300_000
    repeat_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """What is observed now. `subject` is an endpoint, a route and path, a file: never personal data.

    `rule` names who is told ("" = the row is kept and shown, nobody is told). `lasting_ms` keeps an occurrence alive
    that long after it was last seen (refusals), instead of the rule's settle time.
    """

    kind: str
    subject: str
    rule: str = ""
    detail: str = ""
    fact: bool = True
    lasting_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """An open alert as its row holds it; times in UTC ms. `posted` says that its opening was told."""

    kind: str
    subject: str
    rule: str
    detail: str
    opened_ms: int
    seen_ms: int
    told_ms: int
    posted: bool = False
    reminders: int = 0
    lasting_ms: int | None = None

    @property
    def identity(self) -> str:
        return f"{self.kind}:{self.subject}"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell: `change` is opened, reminder or cleared; `control_id` is the same for the same telling."""

    alert: Alert
    rule: Rule
    change: str
    control_id: str


Post = Callable[[Notice], Awaitable[None]]
"""Makes a durable message of a notice; raises when it could not, and is called again later."""


class AlertBook:
    """Keeps the alerts of one engine; `update` is called by one task only."""

    def __init__(self, rows: Rows, post: Post, rules: Sequence[Rule]) -> None:
        self._rows = rows
        self._post = post
        self._rules = {rule.name: rule for rule in rules}
        self._open: dict[str, Alert] = {}
        self._since: dict[str, int] = {}

    def use(self, rules: Sequence[Rule]) -> None:
        """Replace the rules after a reload."""
        self._rules = {rule.name: rule for rule in rules}

    @property
    def open(self) -> Sequence[Alert]:
        """Alerts that are open now, oldest first."""
        return sorted(self._open.values(), key=lambda alert: (alert.opened_ms, alert.identity))

    async def load(self) -> None:
        """Read the rows that an earlier process left."""
        for row in await self._rows.all(KIND):
            alert = Alert(**json.loads(row.value))
            self._open[alert.identity] = alert

    async def update(self, conditions: Sequence[Condition], now_ms: int) -> None:
        """Compare what is observed now with what is open; open, remind and clear."""
        seen = {f"{condition.kind}:{condition.subject}": condition for condition in conditions}
        for identity in [identity for identity in self._since if identity not in seen]:
            del self._since[identity]
        for identity, condition in seen.items():
            await self._holds(identity, condition, now_ms)
        for identity in list(self._open):
            if identity not in seen:
                await self._gone(self._open[identity], now_ms)

    async def _holds(self, identity: str, condition: Condition, now_ms: int) -> None:
        alert = self._open.get(identity)
        if alert is None:
            since = self._since.setdefault(identity, now_ms)
            if not condition.fact and now_ms - since < self._settle(condition.rule):
                return
            alert = Alert(
                condition.kind,
                condition.subject,
                condition.rule,
                condition.detail,
                opened_ms=now_ms,
                seen_ms=now_ms,
                told_ms=now_ms,
                lasting_ms=condition.lasting_ms,
            )
            await self._write(alert, now_ms, action="alert-opened")
        if not alert.posted:
            await self._tell(alert, "opened", f"alert {identity} {alert.opened_ms} opened")
            alert = replace(alert, posted=True, told_ms=now_ms)
            await self._write(alert, now_ms)
        rule = self._rules.get(alert.rule)
        if rule and rule.repeat_ms and now_ms - alert.told_ms >= rule.repeat_ms:
            count = alert.reminders + 1
            await self._tell(alert, "reminder", f"alert {identity} {alert.opened_ms} reminder {count}")
            alert = replace(alert, told_ms=now_ms, reminders=count)
            await self._write(alert, now_ms)
        self._open[identity] = replace(alert, seen_ms=now_ms)

    async def _gone(self, alert: Alert, now_ms: int) -> None:
        patience = alert.lasting_ms if alert.lasting_ms is not None else self._settle(alert.rule)
        if now_ms - alert.seen_ms < patience:
            return
        if alert.lasting_ms is None:
            await self._tell(alert, "cleared", f"alert {alert.identity} {alert.opened_ms} cleared")
        await self._rows.delete(KIND, alert.identity, at_ms=now_ms, action="alert-cleared")
        del self._open[alert.identity]

    def _settle(self, rule: str) -> int:
        found = self._rules.get(rule)
        return found.settle_ms if found else 0

    async def _tell(self, alert: Alert, change: str, control_id: str) -> None:
        rule = self._rules.get(alert.rule)
        if rule is not None:
            await self._post(Notice(alert, rule, change, control_id))

    async def _write(self, alert: Alert, now_ms: int, *, action: str = "") -> None:
        await self._rows.put(KIND, alert.identity, json.dumps(asdict(alert)), at_ms=now_ms, action=action)
        self._open[alert.identity] = alert
