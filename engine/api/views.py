"""How rows look as JSON: the words of the design, ISO times in UTC, never content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from engine.model import Disposition, State
from engine.notify.alerts import Alert
from engine.runtime.compiling.versions import RouteVersion
from engine.runtime.sending.gates import Gate
from engine.runtime.status import EndpointStatus
from engine.store.protocol import AttemptRow, DeliveryRow, JournalRow, MessageRow, Tally

View = dict[str, Any]
"""A JSON object."""


def moment(ms: int | None) -> str | None:
    """Return UTC milliseconds as RFC 3339 with milliseconds, None for none."""
    if not ms:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def message(row: MessageRow) -> View:
    """Show a message."""
    return {
        "id": row.id,
        "received": moment(row.received_ms),
        "listener": row.listener,
        "partner": row.partner or None,
        "disposition": row.disposition.word,
        "codec": row.codec,
        "size": row.size,
        "sha256": row.sha256.hex(),
        "replay_of": row.replay_of or None,
        "sequence": row.sequence,
    }


def delivery(row: DeliveryRow, in_flight: frozenset[int] = frozenset()) -> View:
    """Show a delivery; `in_flight` are the sequences that are being sent at this moment."""
    duty = row.delivery
    state = State.IN_FLIGHT if duty.sequence in in_flight else duty.state
    ended = duty.state.terminal
    return {
        "delivery": duty.sequence,
        "message_id": duty.message_id,
        "part": row.part,
        "route": duty.route,
        "destination": duty.destination,
        "kind": duty.kind or None,
        "state": state.word,
        "reason": duty.reason or None,
        "endpoint": duty.endpoint,
        "chain": [hop.endpoint for hop in duty.chain],
        "attempts": duty.attempts,
        "unknown_outcomes": duty.unknown,
        "waits_behind_another": row.blocked and not ended,
        "due": None if ended else moment(duty.due_ms),
        "accepted": moment(duty.accepted_ms),
        "expires": moment(duty.expire_ms),
        "settled": moment(row.settled_ms) if ended else None,
        "generation": duty.generation,
        "open": row.open,
        "version": duty.version,
    }


def attempt(row: AttemptRow) -> View:
    """Show an attempt, without the partner's answer."""
    return {
        "number": row.number,
        "endpoint": row.endpoint,
        "started": moment(row.started_ms),
        "took_ms": row.took_ms,
        "result": row.result.word,
        "code": row.code,
        "remark": row.remark or None,
    }


def journal(row: JournalRow) -> View:
    """Show a line of the journal."""
    return {
        "sequence": row.sequence,
        "commit": row.commit,
        "at": moment(row.at_ms),
        "action": row.action,
        "message": row.message or None,
        "delivery": row.delivery or None,
        "actor": row.actor or None,
        "detail": row.detail or None,
    }


def gate(row: Gate) -> View:
    """Show a closed gate."""
    return {
        "kind": row.kind,
        "subject": row.subject,
        "since": moment(row.since_ms),
        "until": moment(row.until_ms),
        "reason": row.reason or None,
        "actor": row.actor or None,
    }


def alert(row: Alert) -> View:
    """Show an open alert."""
    return {
        "kind": row.kind,
        "subject": row.subject,
        "tells": row.rule or None,
        "detail": row.detail or None,
        "opened": moment(row.opened_ms),
        "last_seen": moment(row.seen_ms),
        "reminders": row.reminders,
    }


def endpoint(row: EndpointStatus, backlog: int, now_ms: int) -> View:
    """Show how an endpoint stands; `backlog` is how many deliveries wait for it, `empty` when they will be gone."""
    return {
        "endpoint": row.name,
        "in_flight": row.active,
        "backlog": backlog,
        "breaker": row.breaker.value,
        "gate": gate(row.gate) if row.gate else None,
        "opens": moment(row.opens_ms),
        "next_due": moment(row.next_due_ms),
        "rate": row.rate,
        "pace": round(row.pace, 2),
        "empty": moment(row.empty_ms(backlog, now_ms)) if backlog else None,
    }


def version(row: RouteVersion, *, text: bool = False) -> View:
    """Show a deployed version of a route, with its text where asked."""
    view: View = {
        "route": row.route,
        "version": row.version,
        "running": row.running,
        "deployed": moment(row.deployed_ms),
        "author": row.author or None,
        "revision": row.revision or None,
        "file": row.file,
    }
    return {**view, "text": row.text} if text else view


def reconciliation(tally: Tally, days: Sequence[tuple[str, str, str, int]]) -> View:
    """Show conservation (G2) and what each sender can compare with its own counts."""
    states = {state.word: tally.states.get(state, 0) for state in State if state is not State.IN_FLIGHT}
    unfinished = sum(count for state, count in tally.states.items() if not state.terminal)
    return {
        "conserved": tally.conserved,
        "created": tally.created,
        "unfinished": unfinished,
        "states": states,
        "messages": {disposition.word: tally.dispositions.get(disposition, 0) for disposition in Disposition},
        "partners": [
            {"partner": partner or None, "day": day, "disposition": disposition, "count": count}
            for partner, day, disposition, count in days
        ],
    }


def per_route(tally: Tally, now_ms: int) -> list[View]:
    """Show what each route did and owes."""
    names = sorted({route for route, _ in tally.routes})
    return [_route(name, _of(tally.routes, name), tally.oldest_ms.get(name), now_ms) for name in names]


def _of(counts: Mapping[tuple[str, State], int], name: str) -> dict[State, int]:
    return {state: count for (owner, state), count in counts.items() if owner == name}


def _route(name: str, counts: Mapping[State, int], oldest_ms: int | None, now_ms: int) -> View:
    def total(*states: State) -> int:
        return sum(counts.get(state, 0) for state in states)

    return {
        "route": name,
        "in": sum(counts.values()),
        "waiting": total(State.PENDING),
        "retrying": total(State.RETRYING),
        "held": total(State.HELD, State.PARKED, State.AWAITING),
        "delivered": total(State.DELIVERED, State.DELIVERED_BY_FALLBACK),
        "by_fallback": total(State.DELIVERED_BY_FALLBACK),
        "filtered": total(State.FILTERED),
        "ended_otherwise": total(State.SUPERSEDED, State.RECALLED, State.EXPIRED),
        "dead": total(State.DEAD),
        "oldest_seconds": round((now_ms - oldest_ms) / 1000, 1) if oldest_ms else None,
    }


def per_endpoint(tally: Tally) -> dict[str, dict[str, int]]:
    """Count deliveries per current endpoint and state."""
    found: dict[str, dict[str, int]] = {}
    for (endpoint, state), count in tally.endpoints.items():
        found.setdefault(endpoint, {})[state.word] = count
    return found
