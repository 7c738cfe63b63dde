"""Builds a worklist anew from the messages that fed it, beside the one that is asked, which goes on being fed.

What messages whose content is gone by retention said is taken over from the old one: it is known nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.config.loaded import Loaded
from engine.errors import NotFound, Rejected
from engine.runtime.worklists.attributes import steps_of
from engine.runtime.worklists.performing import performing
from engine.runtime.worklists.projection import StoredWorklists
from engine.spi import Performed, Told
from engine.store.protocol import Store
from engine.store.scheduling import FedRow

TYPE = "worklist"
CONTROL = "mpps "
"""What the control ids of messages of performed steps begin with."""

_PAGE = 200
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Feeds:
    """What feeds a worklist: endpoints (`partner.endpoint`) with what their house adds, and listeners."""

    endpoints: Mapping[str, Mapping[str, str]]
    listeners: Sequence[str]
    keep_ms: int


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How much was taken in: events, performed steps, and what was taken over; `unreadable` are the rest."""

    events: int
    performed: int
    retained: int
    unreadable: int


def feeds_of(loaded: Loaded, worklist: str) -> Feeds:
    """Return what feeds a worklist by the configuration; NotFound where nothing does."""
    endpoints: dict[str, Mapping[str, str]] = {}
    keep_ms = 0
    for partner, written in loaded.partners.items():
        for short, endpoint in written.endpoints.items():
            if endpoint.type == TYPE and getattr(endpoint, TYPE) == worklist:
                zone = written.zone or loaded.app.engine.zone
                endpoints[f"{partner}.{short}"] = house_of(endpoint, zone)
                keep_ms = max(keep_ms, round(endpoint.keep.total_seconds() * 1000))  # type: ignore[attr-defined]  # an endpoint of the type `worklist` has it
    if not endpoints:
        raise NotFound(f'no endpoint feeds a worklist "{worklist}"')
    listeners = [name for name, each in loaded.app.listen.items() if getattr(each, TYPE, None) == worklist]
    return Feeds(endpoints, listeners, keep_ms)


def house_of(endpoint: Any, zone: str) -> dict[str, str]:
    """Return what the house of a worklist adds to its steps, as its endpoint says."""
    found = {"zone": zone, "modality": endpoint.modality, "station": endpoint.station}
    return {name: value for name, value in found.items() if value}


async def rebuild(
    store: Store, worklists: StoredWorklists, worklist: str, feeds: Feeds, *, actor: str, reason: str
) -> Rebuilt:
    """Build a worklist anew, and let it be asked from then on."""
    work = _Rebuild(store, worklists, worklist, feeds)
    await store.rebuilding.begin(worklist)
    retained = await store.rebuilding.retain(worklist, steps_of)
    for endpoint in feeds.endpoints:
        await work.events(endpoint)
    await work.performed_steps()
    await worklists.sweep(worklist, feeds.keep_ms or 3650 * _DAY_MS, building=True)
    await store.rebuilding.finish(worklist, actor=actor, reason=reason)
    return Rebuilt(work.taken, work.performed, retained, work.unreadable)


class _Rebuild:
    """One rebuild, a page of deliveries at a time."""

    def __init__(self, store: Store, worklists: StoredWorklists, worklist: str, feeds: Feeds) -> None:
        self._store = store
        self._worklists = worklists
        self._worklist = worklist
        self._feeds = feeds
        self.taken = self.performed = self.unreadable = 0

    async def events(self, endpoint: str) -> None:
        """Take in what was delivered to one endpoint."""
        after = 0
        while rows := await self._store.rebuilding.fed([endpoint], after=after, limit=_PAGE):
            after = rows[-1].sequence
            for row in rows:
                await self._event(row, self._feeds.endpoints[endpoint])

    async def performed_steps(self) -> None:
        """Take in what modalities said."""
        after = 0
        listeners = self._feeds.listeners
        while rows := await self._store.rebuilding.told(listeners, CONTROL, after=after, limit=_PAGE):
            after = rows[-1].sequence
            for row in rows:
                await self._performed(row)

    async def _event(self, row: FedRow, house: Mapping[str, str]) -> None:
        body = await self._store.body(row.message, row.role, row.part)
        if body is None:  # purged: what it said was taken over
            return
        told = Told(body.read(), row.kind, row.sequence, row.message_id, house, self._feeds.keep_ms)
        try:
            await self._worklists.take(self._worklist, told, row.message, row.accepted_ms, building=True)
            self.taken += 1
        except Rejected:
            self.unreadable += 1

    async def _performed(self, row: FedRow) -> None:
        body = await self._store.body(row.message, row.role, row.part)
        if body is None:
            return
        try:
            said = json.loads(body.read())["data"]["dicom"]
            performed = Performed(said["uid"], said["revision"], said["attributes"])
        except (ValueError, KeyError, TypeError):
            self.unreadable += 1
            return
        await self._store.worklists.perform(performing(self._worklist, performed, row.message_id), steps_of)
        self.performed += 1
