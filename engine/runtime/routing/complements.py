"""What two-way mappers left of messages: kept with each, and found again when an answer or an event returns.

A complement is a body of role `complement:MAPPER:SIDE` beside the message that it is of; `event` is a business key of
that message (ARCHITECTURE, decision 2). What became of each leaf is a body of role `loss`, the next one `loss:2`.

Routing is pure CPU work and the store is read asynchronously. So a first run that asks for a complement notes its key,
and the store is asked. Where it holds nothing the plan stands, else the message is routed once more, as for `memory`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from engine.codecs.json import read_json, write_json
from engine.errors import NotFound
from engine.mapping.losses import told
from engine.model import Body
from engine.runtime.routing.recalling import Known
from engine.spi import Asked, Carried
from engine.store.protocol import MessageRow, Query, Rendering, Store

LOSS = "loss"
_COMPLEMENT = "complement"
_GONE = "gone"
_KEEPER = "keeper"
_PREFIX = "\0complement"
_TYPE = "application/json"
_EVENT = "event"
_LATEST = 20
"""Messages of one business key that are looked through, newest first."""
_MOST_REPORTS = 100
"""Reports of one message that are read; a message of more parts than that has more."""


def complement_role(mapper: str, side: str) -> str:
    """Return the role of what a mapper left of one side."""
    return f"{_COMPLEMENT}:{mapper}:{side}"


def complement_of(carried: Carried, part: int) -> Rendering | None:
    """Return a complement as it is kept, None where the route keeps none."""
    if carried.complement is None:
        return None
    body = Body.of(write_json(carried.complement), _TYPE)
    return Rendering(complement_role(carried.mapper, carried.source), body, _TYPE, part)


def loss_of(carried: Carried, number: int, part: int) -> Rendering:
    """Return the report of the `number`th mapping of a message (from 1) as it is kept; it is about the part."""
    report = {**carried.loss(), "part": part} if part else carried.loss()
    return Rendering(_loss_role(number), Body.of(write_json(report), _TYPE), _TYPE)


async def losses(store: Store, message: int) -> list[Mapping[str, Any]]:
    """Return what became of each leaf of a message, mapping by mapping: paths and reasons, never a value.

    Each has `mapper`, `version`, `from`, `to`, the `part` where it is not the message itself, and either what the
    mapper's report says (`mapped`, `opaque`, `dropped`, `warnings`) or a `remark`. Empty where nothing was mapped two
    ways, or the content was purged.
    """
    found: list[Mapping[str, Any]] = []
    while len(found) < _MOST_REPORTS:
        body = await store.body(message, _loss_role(len(found) + 1))
        if body is None:
            break
        found.append(told(json.loads(body.read())))
    return found


@dataclass(frozen=True, slots=True)
class Stored:
    """Answers `Scope.stored` from what was read; notes the key of what was not.

    `fresh` is the id of a message that is not stored yet, "" for one that is: nobody left anything of its own event.
    """

    known: Known
    wanted: set[str]
    fresh: str = ""

    def __call__(self, asked: Asked) -> dict[str, Any] | None:
        if self.fresh and asked.value == self.fresh and asked.name == _EVENT:
            return None
        key = _key_of(asked)
        found = self.known.get(key)
        if found is None:
            self.wanted.add(key)
            return None
        if _COMPLEMENT in found:
            complement = read_json(found[_COMPLEMENT].encode())
            return complement if isinstance(complement, dict) else None
        if _KEEPER in found:
            return {"mapper": found[_KEEPER], "version": found["version"]}
        return {} if _GONE in found else None


async def read_up(store: Store, wanted: Collection[str], known: dict[str, Mapping[str, str]]) -> bool:
    """Read what routing asked for into `known`; say whether there is any of it.

    Where there is none, what was routed without it is what would be routed with it.
    """
    for key in wanted:
        known[key] = await _learned(store, key)
    return any(known[key] for key in wanted)


async def _learned(store: Store, key: str) -> Mapping[str, str]:
    """Return what the store knows under a key that routing asked for: a memory, or a complement."""
    if not key.startswith(_PREFIX):
        return await store.remembered(key)
    asked = Asked(*json.loads(key.removeprefix(_PREFIX)))
    gone = False
    other: Mapping[str, str] = {}
    async for row in _messages(store, asked):
        part = await _part(store, row, asked)
        body = await store.body(row.sequence, complement_role(asked.mapper, asked.side), part)
        if body is not None:
            return {_COMPLEMENT: body.read().decode()}
        gone = gone or await store.body(row.sequence, "raw") is None
        other = other or await _other_keeper(store, row.sequence, part, asked)
    return other or ({_GONE: "purged"} if gone else {})


async def _other_keeper(store: Store, message: int, part: int, asked: Asked) -> Mapping[str, str]:
    """Return which other mapper kept a complement of that side; empty where none did."""
    for report in await losses(store, message):
        keeper = str(report.get("mapper", ""))
        if report.get("from") != asked.side or keeper == asked.mapper:
            continue
        if await store.body(message, complement_role(keeper, asked.side), part) is not None:
            return {_KEEPER: keeper, "version": str(report.get("version", ""))}
    return {}


async def _messages(store: Store, asked: Asked) -> AsyncIterator[MessageRow]:
    found = await store.messages(Query(key=(asked.name, asked.value), limit=_LATEST))
    for row in found:
        yield row
    if asked.name == _EVENT and not found:
        try:
            yield await store.message(asked.value)  # an event that we made bears its message's id
        except NotFound:
            return


async def _part(store: Store, row: MessageRow, asked: Asked) -> int:
    """Return the part of a message that an event is about: a part travels under an id of its own."""
    if asked.name != _EVENT or row.id == asked.value:
        return 0
    rows = await store.deliveries(Query(id=row.id))
    return next((each.part for each in rows if each.delivery.message_id == asked.value), 0)


def _key_of(asked: Asked) -> str:
    return _PREFIX + json.dumps([asked.name, asked.value, asked.mapper, asked.side])


def _loss_role(number: int) -> str:
    return LOSS if number == 1 else f"{LOSS}:{number}"
