"""Searches of the archive: which index leads, and where in the sequence a time lies."""

from __future__ import annotations

import json
from typing import Any

from engine.model import State
from engine.store.protocol import Query
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.digests import Digests
from engine.store.sqlite.names import Names
from engine.store.sqlite.rows import Row
from engine.store.sqlite.statements import statements

_SQL = statements("archive")
_HOUR_MS = 3_600_000
_END = 1 << 62
_NOBODY = -1
_WAITING = frozenset(state for state in State if not state.terminal)
_OTHERWISE = frozenset(state for state in State if state > State.DELIVERED)

Bindings = dict[str, Any]


def find_messages(names: Names, digests: Digests, query: Query, search: Runs) -> list[Row]:
    """Return rows of the fragment `message`, newest first."""
    bindings = _bindings(names, digests, query, search)
    return search.execute(_SQL[f"messages-{_lead(query)}"], bindings).fetchall()


def find_deliveries(names: Names, digests: Digests, query: Query, search: Runs) -> list[Row]:
    """Return rows of the fragment `delivery`, newest first."""
    bindings = _bindings(names, digests, query, search)
    lead = _lead(query)
    if lead in ("by-id", "by-key", "by-partner", "turned"):
        found = search.execute(_SQL[f"messages-{lead}"], bindings).fetchall()
        bindings["messages"] = json.dumps([row[0] for row in found])
        return search.execute(_SQL["deliveries-of"], bindings).fetchall()
    return search.execute(_SQL[f"deliveries-{lead}"], bindings).fetchall()


def _lead(query: Query) -> str:
    """Return the index that narrows most: a key, then short lists, then the partner, then the newest."""
    if query.id:
        return "by-id"
    if query.key is not None:
        return "by-key"
    if query.open_dead:
        return "open"
    if query.states:
        states = frozenset(query.states)
        if states <= _OTHERWISE:
            return "ended"
        if states <= _WAITING:
            return "waiting"
    if query.dispositions and min(query.dispositions) > 0:
        return "turned"
    return "by-partner" if query.partner else "newest"


def _bindings(names: Names, digests: Digests, query: Query, search: Runs) -> Bindings:
    def number(kind: str, name: str) -> int | None:
        if not name:
            return None
        found = names.find(kind, name)
        return _NOBODY if found is None else found

    lowest, highest = _between(query, search)
    bindings: Bindings = {
        "before": query.before or _END,
        "lowest": lowest,
        "highest": highest,
        "since": query.since_ms,
        "until": query.until_ms or _END,
        "id": query.id or None,
        "partner": number("partner", query.partner),
        "listener": number("listener", query.listener),
        "endpoint": number("endpoint", query.endpoint),
        "route": number("route", query.route),
        "dispositions": json.dumps([int(one) for one in query.dispositions]) if query.dispositions else None,
        "states": json.dumps([int(state) for state in query.states]) if query.states else None,
        "open": int(query.open_dead),
        "any": int(not (query.endpoint or query.route or query.states or query.open_dead)),
        "limit": query.limit,
        "key": None,
        "digest": None,
    }
    if query.key is not None:
        key = number("key", query.key[0])
        bindings["key"] = key
        bindings["digest"] = digests.key(key, query.key[1]) if key is not None else b""
    return bindings


def _between(query: Query, search: Runs) -> tuple[int, int]:
    """Return the sequences that can hold messages of the times asked for; an hour of clock trouble is allowed for."""
    if not query.since_ms and not query.until_ms:
        return 0, _END
    first, last = search.execute(_SQL["ends"]).fetchall()[0]
    lowest = _halve(search, first, last, query.since_ms - _HOUR_MS) if query.since_ms else 0
    highest = _halve(search, first, last, query.until_ms + _HOUR_MS) if query.until_ms else _END
    return lowest, highest


def _halve(search: Runs, first: int, last: int, at_ms: int) -> int:
    while first < last:
        middle = (first + last) // 2
        received = search.execute(_SQL["received"], (middle,)).fetchall()[0][0]
        if received < at_ms:
            first = middle + 1
        else:
            last = middle
    return last
