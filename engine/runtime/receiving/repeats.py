"""Deliberate repeats: a partner sends again on purpose, and until a moment its copies are taken as new (G4).

A permission is a durable row, so that it outlives the process; it ends by itself. What was sent before and after it
stays recognisable: only the check is left out meanwhile.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from engine.audit.vocabulary import Action
from engine.clock import Clock
from engine.store.protocol import Records

_KIND = "repeats"


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may repeat, until when (UTC ms), and who allowed it."""

    partner: str
    until_ms: int
    actor: str


class Repeats:
    """Knows every permission; `open` says whether there is one at all, which spares the intake a look-up."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._until: dict[str, Permission] = {}

    async def load(self) -> None:
        """Read what an earlier process left; called before messages come in."""
        for row in await self._records.all(_KIND):
            value = json.loads(row.value)
            self._until[row.name] = Permission(row.name, value["until_ms"], value["actor"])

    @property
    def open(self) -> bool:
        return bool(self._until)

    async def allow(self, partner: str, until_ms: int, *, actor: str) -> Permission:
        """Take copies of a partner's messages as new until a moment."""
        value = json.dumps({"until_ms": until_ms, "actor": actor})
        await self._records.put(
            _KIND, partner, value, at_ms=self._clock.now_ms(), actor=actor, action=Action.REPEATS
        )
        found = self._until[partner] = Permission(partner, until_ms, actor)
        return found

    async def end(self, partner: str, *, actor: str) -> bool:
        """Recognise its copies again; False when they were recognised all the time."""
        was = self.allowed(partner)
        await self._records.delete(
            _KIND, partner, at_ms=self._clock.now_ms(), actor=actor, action=Action.NO_REPEATS
        )
        self._until.pop(partner, None)
        return was

    def allowed(self, partner: str | None) -> bool:
        """Say whether a copy that comes from this partner now is meant to be a new message."""
        found = self._until.get(partner) if partner else None
        if found is None:
            return False
        if self._clock.now_ms() < found.until_ms:
            return True
        del self._until[found.partner]
        return False

    def permissions(self) -> list[Permission]:
        """Return what is allowed now, for listings."""
        return [each for each in list(self._until.values()) if self.allowed(each.partner)]
