"""Worklists over the API: their steps without a word about patients, and building one anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from engine.api.calls import Call
from engine.api.control import Control
from engine.api.views import View
from engine.runtime.worklists.projection import StoredWorklists
from engine.runtime.worklists.rebuilding import feeds_of, rebuild
from engine.spi import Narrow
from engine.store.scheduling import StepRow

_MOST = 1_000
_PAGE = 100


async def steps(control: Control, call: Call) -> View:
    """The steps of a worklist by day and time; `all` adds those that are not to be performed any more.

    Raises:
        NotFound: no step is there, and the configuration that runs has no such worklist.
    """
    worklist, limit = call.text("worklist"), max(1, min(call.number("limit", _PAGE), _MOST))
    narrow = Narrow(hidden=call.flag("all"))
    rows = await control.store.worklists.steps(worklist, narrow, limit=limit, offset=call.number("offset", 0))
    if not rows and control.running:
        feeds_of(control.live.loaded(), worklist)
    return {"worklist": worklist, "steps": [_shown(row) for row in rows]}


async def rebuild_worklist(control: Control, call: Call) -> View:
    """Build a worklist anew from the messages that fed it; the old one is answered from until it is done."""
    worklist = call.text("worklist")
    feeds = feeds_of(control.live.loaded(), worklist)
    worklists = StoredWorklists(control.store, control.clock)
    done = await rebuild(
        control.store, worklists, worklist, feeds, actor=call.actor, reason=call.text("reason", "")
    )
    return {
        "worklist": worklist,
        "events": done.events,
        "performed": done.performed,
        "retained": done.retained,
        "unreadable": done.unreadable,
    }


def _shown(row: StepRow) -> View:
    found: Mapping[str, Any] = json.loads(row.content)
    step = found["00400100"]["Value"][0]
    return {
        "day": row.day,
        "time": row.moment,
        "modality": row.modality,
        "station": row.station,
        "state": row.state.lower(),
        "accession": _text(found, "00080050"),
        "step": _text(step, "00400009"),
        "description": _text(step, "00400007"),
    }


def _text(item: Mapping[str, Any], tag: str) -> str:
    values = item.get(tag, {}).get("Value")
    return str(values[0]) if values else ""
