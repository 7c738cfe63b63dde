"""Searches: parameters to queries, and what a partner means in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from engine.api.calls import Call
from engine.api.control import Control
from engine.api.problems import BadCall
from engine.model import Disposition
from engine.store.protocol import DeliveryRow, MessageRow, Query

MOST = 5_000
"""The most that one answer lists."""
_PAGE = 50


def query_of(call: Call) -> Query:
    """Return the query that a call's parameters make.

    Raises:
        BadCall: one of them cannot be read.
    """
    key = call.text("key", "")
    name, equals, value = key.partition("=")
    if key and not (name and equals and value):
        raise BadCall('write "key" as name=value, for example appointment=RDV-1001')
    words = [word for word in call.text("disposition", "").split(",") if word]
    try:
        dispositions = tuple(Disposition[word.upper()] for word in words)
    except KeyError:
        raise BadCall(
            "no such disposition; there are " + ", ".join(each.word for each in Disposition)
        ) from None
    return Query(
        id=call.text("id", "").upper(),
        key=(name, value) if key else None,
        partner=call.text("partner", ""),
        endpoint=call.text("endpoint", ""),
        route=call.text("route", ""),
        listener=call.text("listener", ""),
        states=call.states(),
        dispositions=dispositions,
        since_ms=call.moment_ms("since"),
        until_ms=call.moment_ms("until"),
        before=call.number("before", 0),
        limit=max(1, min(call.number("limit", _PAGE), MOST)),
    )


async def find_messages(control: Control, query: Query) -> list[MessageRow]:
    """Return messages, newest first; with a partner those from it and those for it."""
    found = {row.sequence: row for row in await control.store.messages(query)}
    for narrower in await _per_endpoint(control, query):
        found.update((row.sequence, row) for row in await control.store.messages(narrower))
    return sorted(found.values(), key=lambda row: -row.sequence)[: query.limit]


async def find_deliveries(control: Control, query: Query) -> list[DeliveryRow]:
    """Return deliveries, newest first; with a partner those to its endpoints, whoever sent the message."""
    queries: Iterable[Query] = await _per_endpoint(control, query) if query.partner else (query,)
    found: dict[int, DeliveryRow] = {}
    for each in queries:
        found.update((row.delivery.sequence, row) for row in await control.store.deliveries(each))
    return sorted(found.values(), key=lambda row: -row.delivery.sequence)[: query.limit]


async def _per_endpoint(control: Control, query: Query) -> list[Query]:
    """Return a query for each endpoint of the partner that is asked for."""
    if not query.partner:
        return []
    if query.endpoint:
        return [replace(query, partner="")]
    names = await control.store.roster.names("endpoint")
    return [
        replace(query, partner="", endpoint=name)
        for name in sorted(names)
        if name.startswith(f"{query.partner}.")
    ]
