"""The archive: what happened, for reading. Points are read on the loop, searches in their own thread."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from engine.errors import NotFound, StoreCorrupt
from engine.model import Body, Disposition, Result, State
from engine.store.protocol import NO_KINDS, AttemptRow, DeliveryRow, MessageRow, Query, Tally
from engine.store.sqlite.contents import ABOUT, EVIDENCE, LATE_KEYS
from engine.store.sqlite.core import Core
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.purge import purge
from engine.store.sqlite.rows import STATES, Row, delivery_row_of
from engine.store.sqlite.search import find_deliveries, find_messages
from engine.store.sqlite.statements import statements

_SQL = statements("archive")
_ABOUT_PARTS = frozenset({"headers", "keys", "faults"})
_DAY_SECONDS = 86_400


class SqliteArchive:
    """`engine.store.protocol.Archive` on SQLite."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def body(self, message: int, role: str, part: int = 0) -> Body | None:
        core = self._core
        row = core.look(partial(self._find, message, role, part))
        if row is None:
            return None
        body = core.read.handle(row)
        if body.path is None:
            _compare(body, body.read(), row[0])
        else:
            await core.block(partial(_compare_file, body, row[0]))
        return _part_of(body, role) if role in _ABOUT_PARTS else body

    async def messages(self, query: Query) -> Sequence[MessageRow]:
        rows = await self._searched(
            partial(find_messages, self._core.names, self._core.digests, query), query
        )
        return [self._message(row) for row in rows]

    async def message(self, identifier: str) -> MessageRow:
        core = self._core
        rows = core.look(lambda: core.cursor.execute(_SQL["message"], (identifier,)).fetchall())
        if not rows:
            base, _, part = identifier.partition("-")
            if part.isdigit():
                return await self.message(base)
            raise NotFound("there is no message of this id")
        return self._message(rows[0])

    async def deliveries(self, query: Query) -> Sequence[DeliveryRow]:
        names = self._core.names
        rows = await self._searched(partial(find_deliveries, names, self._core.digests, query), query)
        return [delivery_row_of(row, names) for row in rows]

    async def attempts(self, delivery: int) -> Sequence[AttemptRow]:
        core = self._core
        rows = core.look(lambda: core.cursor.execute(_SQL["attempts"], (delivery,)).fetchall())
        texts = core.names.texts
        return [
            AttemptRow(
                texts[endpoint], number, started, took, Result(result), code, remark or "", evidence or b""
            )
            for endpoint, number, started, took, result, code, remark, evidence in rows
        ]

    async def tally(self) -> Tally:
        core = self._core
        return await core.look_aside(partial(_tally, core.names.texts))

    async def partner_days(self, since_ms: int) -> Sequence[tuple[str, str, str, int]]:
        core = self._core
        since = since_ms // (_DAY_SECONDS * 1000)
        rows = await core.look_aside(lambda search: search.execute(_SQL["partner-days"], (since,)).fetchall())
        texts = core.names.texts
        return [
            (texts[partner], _day(day), Disposition(disposition).word, count)
            for partner, day, disposition, count in rows
        ]

    async def purge(self, before_ms: int, limit: int, images: Mapping[str, int] = NO_KINDS) -> int:
        return await purge(self._core, before_ms, limit, images)

    # ---------------------------------------------------------------- inside

    async def _searched(self, search: Callable[[Runs], list[Row]], query: Query) -> list[Row]:
        """Look up an id at once, on the loop: whoever lost a commit's answer waits for it. All else goes aside."""
        core = self._core
        return core.look(lambda: search(core.reader)) if query.id else await core.look_aside(search)

    def _find(self, message: int, role: str, part: int) -> Row | None:
        read = self._core.read
        if role.startswith(f"{EVIDENCE}:"):
            delivery, number = (int(text) for text in role.split(":")[1:])
            return read.evidence(delivery, number)
        if role not in _ABOUT_PARTS:
            return read.find(message, role, part)
        late = read.find(message, LATE_KEYS, 0) if role == "keys" else None
        return late or read.find(message, ABOUT, 0)

    def _message(self, row: Row) -> MessageRow:
        texts = self._core.names.texts
        sequence, identifier, listener, partner, codec, disposition, flags, received, size, sha256 = row[:10]
        return MessageRow(
            sequence,
            identifier,
            texts[listener],
            texts[partner],
            Disposition(disposition),
            texts[codec],
            row[10] or "",
            received,
            size,
            sha256,
            flags,
            row[11] or "",
        )


def _tally(texts: dict[int, str], search: Runs) -> Tally:
    """Read all counters in one transaction, so that they belong to the same instant."""
    search.execute("BEGIN")
    try:
        counts = search.execute(_SQL["counts"]).fetchall()
        totals = dict(search.execute(_SQL["totals"]).fetchall())
        oldest = search.execute(_SQL["oldest"]).fetchall()
    finally:
        search.execute("COMMIT")
    states = dict.fromkeys(State, 0)
    routes: dict[tuple[str, State], int] = {}
    endpoints: dict[tuple[str, State], int] = {}
    for route, endpoint, number, count in counts:
        state = STATES[number]
        states[state] += count
        for of, name in ((routes, texts[route]), (endpoints, texts[endpoint])):
            of[name, state] = of.get((name, state), 0) + count
    return Tally(
        totals.get("created", 0),
        states,
        {key: count for key, count in routes.items() if count},
        {key: count for key, count in endpoints.items() if count},
        {disposition: totals.get(disposition.word, 0) for disposition in Disposition},
        {texts[route]: accepted for route, accepted in oldest if accepted is not None},
    )


def _compare(body: Body, data: bytes, row: int) -> None:
    if hashlib.sha256(data).digest() != body.sha256:
        raise StoreCorrupt(f"content {row} is not what its digest says")


def _compare_file(body: Body, row: int) -> None:
    try:
        with (body.path or body).open("rb") as file:  # type: ignore[union-attr]  # the caller has a path
            digest = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise StoreCorrupt(f"the file of content {row} cannot be read: {error.strerror}") from error
    if digest != body.sha256:
        raise StoreCorrupt(f"the file of content {row} is not what its digest says")


def _part_of(body: Body, name: str) -> Body | None:
    about: dict[str, Any] = json.loads(body.read())
    if name not in about:
        return None
    return Body.of(
        json.dumps(about[name], ensure_ascii=False, separators=(",", ":")).encode(), "application/json"
    )


def _day(number: int) -> str:
    return datetime.fromtimestamp(number * _DAY_SECONDS, UTC).date().isoformat()
