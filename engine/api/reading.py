"""The reading half of the API: status, messages, traces, dead letters, versions, reconciliation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from anyio.to_thread import run_sync

from engine.api import views
from engine.api.calls import Call
from engine.api.control import Control
from engine.api.drawing import draw
from engine.api.problems import BadCall
from engine.api.searching import MOST, find_deliveries, find_messages, query_of
from engine.api.views import View
from engine.audit.vocabulary import Action, meaning
from engine.errors import NotFound
from engine.ids import LENGTH
from engine.model import State
from engine.notify.alerts import KIND, Alert
from engine.runtime.compiling.versions import KIND as VERSION
from engine.runtime.compiling.versions import Versions
from engine.runtime.routing.complements import losses
from engine.store.protocol import DeliveryRow, MessageRow, Query, Tally


async def status(control: Control, call: Call) -> View:
    """What runs, waits and fails."""
    tally = await control.store.tally()
    health = await control.store.health()
    view: View = {
        "running": control.running,
        "ready": control.running and control.live.ready(),
        "routes": views.per_route(tally, call.now_ms),
        "deliveries": views.per_endpoint(tally),
        "conserved": tally.conserved,
        "store": {
            "writable": health.writable,
            "free_bytes": health.free_bytes,
            "commit_ms": round(health.commit_ms, 3),
            "detail": health.detail or None,
        },
        "alerts": await _alerts(control),
    }
    if control.running:
        live = control.live
        view["started"] = views.moment(live.started_ms)
        view["channels"] = list(live.channels())
        view["endpoints"] = [
            views.endpoint(each, _backlog(tally, each.name), call.now_ms)
            for each in live.dispatcher.endpoint_status()
        ]
        view["closed"] = [views.gate(gate) for gate in live.gates.closed()]
        view["repeats"] = [
            {"partner": each.partner, "until": views.moment(each.until_ms), "actor": each.actor}
            for each in live.repeats.permissions()
        ]
    return view


async def messages(control: Control, call: Call) -> View:
    """Search messages, newest first; `before` pages."""
    found = await find_messages(control, query_of(call))
    return {"messages": [views.message(row) for row in found]}


async def deliveries(control: Control, call: Call) -> View:
    """Search deliveries, newest first."""
    flying = control.in_flight()
    found = await find_deliveries(control, query_of(call))
    return {"deliveries": [views.delivery(row, flying) for row in found]}


async def message(control: Control, call: Call) -> View:
    """One message with its deliveries and attempts, and what two-way mappers made of its leaves.

    With `content` and a `purpose` its content, journalled.
    """
    row = await _message(control, call)
    owed = await _deliveries_of(control, row)
    view = views.message(row)
    view["deliveries"] = [await _delivery(control, each) for each in owed]
    view["losses"] = await losses(control.store, row.sequence)
    if call.flag("content"):
        view["content"] = await _content(control, call, row, owed)
    return view


async def trace(control: Control, call: Call) -> View:
    """The timeline of one message: its journal rows and attempts, in order of time; and what mappers lost of it."""
    row = await _message(control, call)
    events = [
        (each.at_ms, each.action, each.detail, each.delivery, each.actor)
        for each in await control.store.journal.rows(message=row.sequence, limit=MOST)
    ]
    for found in await _deliveries_of(control, row):
        for each in await control.store.attempts(found.delivery.sequence):
            words = f"{each.endpoint}: {each.result.word} {each.code} in {each.took_ms} ms {each.remark}"
            events.append((each.started_ms, "attempt", words.strip(), found.delivery.sequence, ""))
    events.sort(key=lambda event: event[0])
    return {
        "message": views.message(row),
        "timeline": [
            {
                "at": views.moment(at),
                "what": what,
                "means": meaning(what),
                "detail": detail or None,
                "delivery": delivery or None,
                "actor": actor or None,
            }
            for at, what, detail, delivery, actor in events
        ],
        "losses": await losses(control.store, row.sequence),
    }


async def dead(control: Control, call: Call) -> View:
    """Dead letters that still need a human, grouped by endpoint and cause; `all` also those that were closed."""
    query = replace(query_of(call), open_dead=not call.flag("all"), states=(State.DEAD,))
    found = await find_deliveries(control, replace(query, limit=MOST))
    causes = Counter((row.delivery.chain[0].endpoint, row.delivery.reason) for row in found)
    return {
        "causes": [
            {"endpoint": endpoint, "reason": reason, "count": count}
            for (endpoint, reason), count in causes.most_common()
        ],
        "dead": [await _delivery(control, row) for row in found[: query.limit]],
    }


async def reconcile(control: Control, call: Call) -> View:
    """Conservation (G2), and per partner and day what a sender can compare with its own counts."""
    tally = await control.store.tally()
    return views.reconciliation(tally, await control.store.partner_days(call.moment_ms("since")))


async def alerts(control: Control, call: Call) -> View:
    """Alerts that are open, on a stopped store those that were."""
    return {"alerts": await _alerts(control)}


async def versions(control: Control, call: Call) -> View:
    """Versions of routes that were deployed, the latest first; one route's with their text."""
    known = Versions(control.store.records, control.clock, Path())
    route = call.text("route", "")
    if route:
        return {"versions": [views.version(each, text=True) for each in await known.list(route)]}
    rows = await control.store.records.all(VERSION)
    names = sorted({str(json.loads(row.value)["route"]) for row in rows})
    return {"versions": [views.version(each) for name in names for each in await known.list(name)]}


async def diff(control: Control, call: Call) -> View:
    """The unified diff between two versions of a route; by default what ran before and what runs."""
    known = Versions(control.store.records, control.clock, Path())
    route = call.text("route")
    new = call.text("new", "") or next((each.version for each in await known.list(route) if each.running), "")
    old = (await known.find(route, call.text("old", ""))).version
    return {"route": route, "old": old, "new": new, "diff": await known.diff(route, old, new)}


async def graph(control: Control, call: Call) -> View:
    """A picture of doors, routes and endpoints, as text for Mermaid or Graphviz."""
    form = call.text("form", "mermaid")
    if form not in ("mermaid", "dot"):
        raise BadCall('"form" is mermaid or dot')
    return {"form": form, "text": draw(control.live.loaded(), form)}


async def endpoints(control: Control, call: Call) -> View:
    """Every configured endpoint with its channel, and how it stands where it had work since the start."""
    live, tally = control.live, await control.store.tally()
    standing = {each.name: each for each in live.dispatcher.endpoint_status()}
    found = []
    for partner, entry in sorted(live.loaded().partners.items()):
        for short, endpoint in sorted(entry.endpoints.items()):
            name = f"{partner}.{short}"
            view: View = {"endpoint": name, "partner": partner, "type": endpoint.type}
            if name in standing:
                view.update(views.endpoint(standing[name], _backlog(tally, name), call.now_ms))
            found.append(view)
    return {"endpoints": found}


# ------------------------------------------------------------------- inside


def _backlog(tally: Tally, endpoint: str) -> int:
    return sum(
        count for (name, state), count in tally.endpoints.items() if name == endpoint and not state.terminal
    )


async def _alerts(control: Control) -> list[View]:
    if control.running:
        return [views.alert(row) for row in control.live.alerts.open]
    rows = await control.store.records.all(KIND)
    return [views.alert(Alert(**json.loads(row.value))) for row in rows]


async def _message(control: Control, call: Call) -> MessageRow:
    """Return a message by its id, or by the number under which the journal tells of it."""
    identifier = call.text("id").upper()
    if identifier.isdecimal() and len(identifier) < LENGTH:
        number = int(identifier)
        for row in await control.store.messages(Query(before=number + 1, limit=1)):
            if row.sequence == number:
                return row
        raise NotFound(f"no message has the number {number}")
    try:
        return await control.store.message(identifier)
    except NotFound:
        raise NotFound(f"no message has the id {identifier}") from None


async def _deliveries_of(control: Control, row: MessageRow) -> list[DeliveryRow]:
    found = await control.store.deliveries(Query(id=row.id, limit=MOST))
    return sorted(found, key=lambda each: each.delivery.sequence)


async def _delivery(control: Control, row: DeliveryRow) -> View:
    view = views.delivery(row, control.in_flight())
    view["tries"] = [views.attempt(each) for each in await control.store.attempts(row.delivery.sequence)]
    return view


async def _content(control: Control, call: Call, row: MessageRow, owed: Sequence[DeliveryRow]) -> View:
    """Read content; the journal keeps who saw it and why, before it is given."""
    call.require("phi-reader")
    purpose = call.text("purpose", "")
    if not purpose:
        raise BadCall('content is personal data: say why you look at it ("purpose")')
    detail = f"{row.id} {purpose}"
    await control.store.journal.append(Action.PHI_VIEWED, actor=call.actor, detail=detail, at_ms=call.now_ms)
    wanted = {("raw", 0)}
    for each in owed:
        wanted.update((hop.rendering, each.part) for hop in each.delivery.chain)
    found: View = {}
    for role, part in sorted(wanted):
        body = await control.store.body(row.sequence, role, part)
        if body is not None:
            name = f"{role} of part {part}" if part else role
            found[name] = (await run_sync(body.read)).decode("utf-8", "backslashreplace")
    return found
