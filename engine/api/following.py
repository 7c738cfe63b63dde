"""The journal over the API: pages of it, its proof, an export, and a stream of what happens."""

from __future__ import annotations

from collections.abc import AsyncIterator

from engine.api import views
from engine.api.calls import Call
from engine.api.control import Control
from engine.api.views import View
from engine.audit.export import Export
from engine.audit.vocabulary import Action

PAGE = 500
TAIL_SECONDS = 0.5
"""Between two looks at the journal while nothing happens."""


async def journal(control: Control, call: Call) -> View:
    """Rows of the journal in order, after a sequence."""
    limit = min(call.number("limit", 200), 5_000)
    found = await control.store.journal.rows(after=call.number("after", 0), limit=limit)
    return {"rows": [views.journal(row) for row in found]}


async def verify(control: Control, call: Call) -> View:
    """Walk the journal's chain from its beginning."""
    found = await control.store.journal.verify()
    return {
        "commits": found.commits,
        "rows": found.rows,
        "root": found.root.hex(),
        "broken_at": found.broken_at,
        "intact": found.broken_at is None,
    }


async def tail(control: Control, call: Call) -> AsyncIterator[View]:
    """Follow the journal from now on, or after a sequence; an empty object while nothing happens."""
    journal = control.store.journal
    after = call.number("after") if call.has("after") else 0 if call.flag("all") else await journal.last()
    while True:
        found = await journal.rows(after=after, limit=PAGE)
        for row in found:
            after = row.sequence
            yield views.journal(row)
        if not found:
            yield {}
            await control.clock.sleep(TAIL_SECONDS)


async def export(control: Control, call: Call) -> AsyncIterator[View]:
    """Give the journal up to now with a head and a tail that prove the whole; the export itself is journalled."""
    journal = control.store.journal
    after, last = call.number("after", 0), await journal.last()
    await journal.append(Action.EXPORT, actor=call.actor, detail=f"after {after}", at_ms=call.now_ms)
    lines = Export()
    yield lines.head(after=after, at=views.moment(call.now_ms))
    while after < last:
        for row in await journal.rows(after=after, limit=min(PAGE, last - after)):
            after = row.sequence
            yield lines.row(views.journal(row))
    found = await journal.verify()
    yield lines.tail(root=found.root, broken_at=found.broken_at)
