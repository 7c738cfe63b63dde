"""The operating half of the API: what changes something. Every call is journalled with its actor and reason."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from engine.api import views
from engine.api.calls import Call
from engine.api.control import Control
from engine.api.naming import require_endpoint, require_partner, require_subject
from engine.api.problems import BadCall
from engine.api.searching import MOST, find_deliveries
from engine.api.views import View
from engine.audit.vocabulary import Action
from engine.errors import NotFound, Rejected
from engine.model import Delivery, State
from engine.runtime.sending.gates import Subject
from engine.store.protocol import DeliveryRow, Operation, Query, Verb

REPLAYED = 100
"""Images of a study that one call puts on the way; small ones are in memory meanwhile."""


async def release(control: Control, call: Call) -> View:
    """Reopen a dead letter at its place in its lane."""
    return await _operate(control, call, Verb.RELEASE)


async def discard(control: Control, call: Call) -> View:
    """Close a dead letter for good; a reason is needed, and its lane goes on."""
    if not call.text("reason", ""):
        raise BadCall('discarding needs a "reason"')
    return await _operate(control, call, Verb.DISCARD)


async def retry(control: Control, call: Call) -> View:
    """Make a waiting delivery due now."""
    return await _operate(control, call, Verb.RETRY_NOW)


async def hold_delivery(control: Control, call: Call) -> View:
    """Hold one delivery until it is let go."""
    return await _operate(control, call, Verb.HOLD)


async def unhold_delivery(control: Control, call: Call) -> View:
    """Let a held delivery go."""
    return await _operate(control, call, Verb.UNHOLD)


async def resend(control: Control, call: Call) -> View:
    """Send the same bytes again: one delivery, or all of a message, a partner or an endpoint since a time, at a rate
    per second; the same id unless `new_id`."""
    rate = call.rate("rate")
    chosen = await _chosen(control, call)
    if not chosen:
        raise NotFound("nothing that has ended fits: what is still on its way needs no resend")
    done: list[View] = []
    for number, row in enumerate(chosen):
        if rate and number:
            await control.clock.sleep(1 / rate)
        done.append(await _carry_out(control, call, Verb.RESEND, row.delivery.sequence))
    return {"resent": done, "count": len(done)}


async def replay(control: Control, call: Call) -> View:
    """Send some of the images of a study to an endpoint: new messages with the stored bytes, `replay_of` the first."""
    study, endpoint = call.text("study"), call.text("to")
    limit = min(max(1, call.number("limit", REPLAYED)), REPLAYED)
    try:
        done = await control.live.replay(study, endpoint, offset=call.number("offset", 0), limit=limit)
    except Rejected as error:
        raise BadCall(str(error)) from error
    await _journalled(control, call, Action.RESEND, f"{len(done.messages)} images to {endpoint}")
    return {"replayed": list(done.messages), "count": len(done.messages), "following": done.following}


async def pause(control: Control, call: Call) -> View:
    """Stop sending for a route, a destination (`route/destination`) or an endpoint, until it is resumed."""
    subject, reason = _subject(call), call.text("reason", "")
    await require_subject(control, subject, call.text("name"))
    gate = await control.live.gates.pause(subject, call.text("name"), actor=call.actor, reason=reason)
    await _reasoned(control, call, f"{Action.PAUSE} {subject}:{call.text('name')}")
    return {"paused": views.gate(gate)}


async def resume(control: Control, call: Call) -> View:
    """Go on after a pause."""
    subject = _subject(call)
    was = await control.live.gates.resume(subject, call.text("name"), actor=call.actor)
    if not was:
        await require_subject(control, subject, call.text("name"))
    await _reasoned(control, call, f"{Action.RESUME} {subject}:{call.text('name')}")
    return {"resumed": call.text("name"), "was_paused": was}


async def hold(control: Control, call: Call) -> View:
    """Send a partner nothing until a moment; without one, until it is released."""
    require_partner(control, call.text("partner"))
    gate = await control.live.gates.hold(
        call.text("partner"),
        call.deadline_ms("until") or None,
        actor=call.actor,
        reason=call.text("reason", ""),
    )
    await _reasoned(control, call, f"{Action.HOLD} {call.text('partner')}")
    return {"held": views.gate(gate)}


async def unhold(control: Control, call: Call) -> View:
    """End a hold."""
    was = await control.live.gates.release(call.text("partner"), actor=call.actor)
    if not was:
        require_partner(control, call.text("partner"))
    await _reasoned(control, call, f"{Action.RELEASE} {call.text('partner')}")
    return {"released": call.text("partner"), "was_held": was}


async def repeats(control: Control, call: Call) -> View:
    """Take copies of a partner's messages as new until a moment: it sends them again on purpose."""
    partner, until_ms = call.text("partner"), call.deadline_ms("until")
    require_partner(control, partner)
    if not until_ms:
        raise BadCall('repeats need an end: "until"')
    found = await control.live.repeats.allow(partner, until_ms, actor=call.actor)
    await _reasoned(control, call, f"{Action.REPEATS} {partner}")
    return {"repeats": partner, "until": views.moment(found.until_ms)}


async def no_repeats(control: Control, call: Call) -> View:
    """Recognise copies of a partner's messages again."""
    partner = call.text("partner")
    was = await control.live.repeats.end(partner, actor=call.actor)
    if not was:
        require_partner(control, partner)
    await _reasoned(control, call, f"{Action.NO_REPEATS} {partner}")
    return {"repeats": partner, "until": None, "was_allowed": was}


async def enable(control: Control, call: Call) -> View:
    """Open an endpoint that said it was gone."""
    was = await control.live.gates.enable(call.text("endpoint"), actor=call.actor)
    if not was:
        await require_endpoint(control, call.text("endpoint"))
    await _reasoned(control, call, f"{Action.ENABLE} {call.text('endpoint')}")
    return {"enabled": call.text("endpoint"), "was_disabled": was}


async def reload(control: Control, call: Call) -> View:
    """Take changed files in: one route or all. A failure keeps what runs and says why."""
    view = await control.live.reload(call.text("route", ""), call.actor)
    await _journalled(control, call, Action.RELOAD, call.text("route", "") or "everything")
    return view


async def rollback(control: Control, call: Call) -> View:
    """Run an earlier version of a route."""
    route, version = call.text("route"), call.text("version", "")
    view = await control.live.rollback(route, version, call.actor)
    await _journalled(control, call, Action.ROLLBACK, f"{route} {version}".strip())
    return view


async def inject(control: Control, call: Call) -> View:
    """Hand content (base64) to a route's door as if it had been received."""
    try:
        content = base64.b64decode(call.text("content"), validate=True)
    except (binascii.Error, ValueError):
        raise BadCall('"content" is not base64') from None
    route = call.text("route")
    await _journalled(control, call, Action.INJECT, f"{route} {len(content)} bytes")
    return await control.live.inject(
        route, content, call.text("content_type", ""), call.text("file", ""), call.actor
    )


async def probe(control: Control, call: Call) -> View:
    """Try the way to an endpoint without sending a message."""
    stages = await control.live.probe(call.text("endpoint"))
    return {
        "endpoint": call.text("endpoint"),
        "well": all(well for _, well, _ in stages),
        "stages": [{"stage": stage, "well": well, "remark": remark} for stage, well, remark in stages],
    }


async def backup(control: Control, call: Call) -> View:
    """Copy a consistent state into a new folder while work goes on."""
    target = Path(call.text("folder"))
    if not target.is_absolute():
        raise BadCall('"folder" must be an absolute path: the engine has another working folder than you')
    await control.store.backup(target)
    await _journalled(control, call, Action.BACKUP, target.name)
    return {"folder": str(target)}


async def purge(control: Control, call: Call) -> View:
    """Drop content older than a time; what is not terminal stays."""
    before = call.moment_ms("before")
    if not before:
        raise BadCall('"before" is missing')
    count = await control.store.purge(before, call.number("limit", MOST))
    await _journalled(control, call, Action.PURGE, f"{count} messages before {views.moment(before)}")
    return {"purged": count}


# ------------------------------------------------------------------- inside


async def _journalled(control: Control, call: Call, action: Action, detail: str) -> None:
    reason = call.text("reason", "")
    text = f"{detail}: {reason}" if reason else detail
    await control.store.journal.append(action, actor=call.actor, detail=text[:400], at_ms=call.now_ms)


async def _reasoned(control: Control, call: Call, what: str) -> None:
    """Keep the reason of an operation whose own row has no room for one."""
    if call.text("reason", ""):
        await _journalled(control, call, Action.REASON, what)


async def _operate(control: Control, call: Call, verb: Verb) -> View:
    return {"delivery": await _carry_out(control, call, verb, call.number("delivery"))}


async def _carry_out(control: Control, call: Call, verb: Verb, delivery: int) -> View:
    operation = Operation(
        verb,
        delivery,
        call.actor,
        call.text("reason", ""),
        call.now_ms,
        out_of_order=call.flag("out_of_order"),
        new_id=control.new_id() if verb is Verb.RESEND and call.flag("new_id") else "",
    )
    after = await control.store.operate(operation)
    control.changed(after)
    return _shown(after)


def _shown(delivery: Delivery) -> View:
    return views.delivery(
        DeliveryRow(
            delivery, blocked=False, settled_ms=0, open=delivery.state is State.DEAD, part=delivery.part
        )
    )


async def _chosen(control: Control, call: Call) -> list[DeliveryRow]:
    wanted = call.number("delivery", 0)
    query = Query(
        id=call.text("id", "").upper(),
        partner=call.text("partner", ""),
        endpoint=call.text("endpoint", ""),
        since_ms=call.moment_ms("since"),
        until_ms=call.moment_ms("until"),
        limit=MOST,
    )
    if not (query.id or query.partner or query.endpoint):
        raise BadCall('say what to resend: "id", "partner" or "endpoint"')
    found = await find_deliveries(control, query)
    return sorted(
        (row for row in found if _resendable(row, wanted)),
        key=lambda row: row.delivery.sequence,
    )


def _resendable(row: DeliveryRow, wanted: int) -> bool:
    """Say whether a delivery ended with bytes that can be sent again, and is the wanted one where one is."""
    duty = row.delivery
    ended = duty.state.terminal and duty.state is not State.FILTERED and bool(duty.chain)
    return ended and bool(duty.destination) and wanted in (0, duty.sequence)


def _subject(call: Call) -> Subject:
    try:
        return Subject(call.text("subject", "route"))
    except ValueError:
        raise BadCall("pause a route, a destination or an endpoint") from None
