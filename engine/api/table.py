"""The table of the API: every call, what it does, and what it needs. OpenAPI and the server are made from it."""

from __future__ import annotations

from typing import Any

from engine.api import following, inboxes, operating, reading, worklists
from engine.api.calls import Call, Operation
from engine.api.control import Control
from engine.api.parameters import PARAMETERS
from engine.api.views import View
from engine.errors import NotFound

PREFIX = "/api/v1"

_SEARCH = (
    "id", "key", "partner", "endpoint", "route", "listener", "state", "disposition", "since", "until", "before",
    "limit",
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "status", "What runs, waits and fails.", reading.status),
    Operation("GET", "messages", "Search messages, newest first.", reading.messages, takes=_SEARCH),
    Operation(
        "GET",
        "messages/{id}",
        "One message with deliveries and attempts; its content for a purpose.",
        reading.message,
        takes=("content", "purpose"),
    ),
    Operation("GET", "messages/{id}/trace", "The timeline of one message.", reading.trace),
    Operation("GET", "deliveries", "Search deliveries, newest first.", reading.deliveries, takes=_SEARCH),
    Operation("GET", "dead", "Dead letters, grouped by cause.", reading.dead, takes=(*_SEARCH, "all")),
    Operation(
        "GET",
        "reconcile",
        "Conservation, and counts per partner and day.",
        reading.reconcile,
        takes=("since",),
    ),
    Operation("GET", "endpoints", "Every endpoint and how it stands.", reading.endpoints),
    Operation("GET", "inboxes", "Inboxes of this engine and what they hold.", inboxes.inboxes),
    Operation(
        "GET",
        "inboxes/{inbox}",
        "Messages that one inbox keeps, oldest first.",
        inboxes.inbox,
        takes=("after_id", "limit"),
    ),
    Operation(
        "GET", "journal", "Rows of the journal.", following.journal, role="auditor", takes=("after", "limit")
    ),
    Operation("GET", "journal/verify", "Walk the journal's chain.", following.verify, role="auditor"),
    Operation(
        "GET",
        "journal/export",
        "The whole journal as RFC 8785 JSON, one row per line.",
        stream=following.export,
        role="auditor",
        takes=("after",),
    ),
    Operation(
        "GET", "tail", "Follow the journal, one row per line.", stream=following.tail, takes=("after", "all")
    ),
    Operation("GET", "alerts", "Alerts that are open.", reading.alerts),
    Operation("GET", "versions", "Deployed versions of routes.", reading.versions, takes=("route",)),
    Operation(
        "GET",
        "versions/{route}/diff",
        "What changed between two versions.",
        reading.diff,
        takes=("old", "new"),
    ),
    Operation("GET", "graph", "A picture of doors, routes and endpoints.", reading.graph, takes=("form",)),
    Operation(
        "GET",
        "worklists/{worklist}",
        "Steps of a worklist, without a word about patients.",
        worklists.steps,
        takes=("all", "limit", "offset"),
    ),
    Operation(
        "POST",
        "worklists/{worklist}/rebuild",
        "Build a worklist anew from messages.",
        worklists.rebuild_worklist,
        role="operator",
        takes=("reason",),
    ),
    Operation(
        "POST",
        "dead/{delivery}/release",
        "Reopen a dead letter at its place.",
        operating.release,
        role="operator",
        takes=("reason", "out_of_order"),
    ),
    Operation(
        "POST",
        "dead/{delivery}/discard",
        "Close a dead letter for good.",
        operating.discard,
        role="operator",
        takes=("reason",),
    ),
    Operation(
        "POST",
        "deliveries/{delivery}/retry",
        "Make a waiting delivery due now.",
        operating.retry,
        role="operator",
        takes=("reason",),
    ),
    Operation(
        "POST",
        "deliveries/{delivery}/hold",
        "Hold one delivery.",
        operating.hold_delivery,
        role="operator",
        takes=("reason",),
    ),
    Operation(
        "POST",
        "deliveries/{delivery}/unhold",
        "Let a held delivery go.",
        operating.unhold_delivery,
        role="operator",
        takes=("reason",),
    ),
    Operation(
        "POST",
        "resend",
        "Send the same bytes again.",
        operating.resend,
        role="operator",
        takes=("id", "delivery", "partner", "endpoint", "since", "until", "rate", "new_id", "reason"),
    ),
    Operation(
        "POST",
        "replay",
        "Send a study that the store holds to an endpoint, some of its images at a time.",
        operating.replay,
        role="operator",
        takes=("study", "to", "offset", "limit", "reason"),
    ),
    Operation(
        "POST",
        "pause",
        "Stop sending for a route, a destination or an endpoint.",
        operating.pause,
        role="operator",
        takes=("subject", "name", "reason"),
    ),
    Operation(
        "POST",
        "resume",
        "Go on after a pause.",
        operating.resume,
        role="operator",
        takes=("subject", "name", "reason"),
    ),
    Operation(
        "POST",
        "hold",
        "Send a partner nothing until a moment.",
        operating.hold,
        role="operator",
        takes=("partner", "until", "reason"),
    ),
    Operation(
        "POST", "unhold", "End a hold.", operating.unhold, role="operator", takes=("partner", "reason")
    ),
    Operation(
        "POST",
        "repeats",
        "Take a partner's copies as new until a moment.",
        operating.repeats,
        role="operator",
        takes=("partner", "until", "reason"),
    ),
    Operation(
        "POST",
        "no-repeats",
        "Recognise a partner's copies again.",
        operating.no_repeats,
        role="operator",
        takes=("partner", "reason"),
    ),
    Operation(
        "POST",
        "enable",
        "Open an endpoint that said it was gone.",
        operating.enable,
        role="operator",
        takes=("endpoint", "reason"),
    ),
    Operation(
        "POST",
        "reload",
        "Take changed files in, all or one route.",
        operating.reload,
        role="editor",
        takes=("route", "reason"),
    ),
    Operation(
        "POST",
        "rollback",
        "Run an earlier version of a route.",
        operating.rollback,
        role="editor",
        takes=("route", "version", "reason"),
    ),
    Operation(
        "POST",
        "inject",
        "Hand content to a route as if it had been received.",
        operating.inject,
        role="operator",
        takes=("route", "content", "content_type", "file", "reason"),
    ),
    Operation(
        "POST",
        "probe",
        "Try the way to an endpoint.",
        operating.probe,
        role="operator",
        takes=("endpoint",),
    ),
    Operation(
        "POST",
        "backup",
        "Copy a consistent state while work goes on.",
        operating.backup,
        role="privacy-officer",
        takes=("folder", "reason"),
    ),
    Operation(
        "POST",
        "purge",
        "Drop content older than a time.",
        operating.purge,
        role="privacy-officer",
        takes=("before", "limit", "reason"),
    ),
)


def find(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """Return the operation for a path below the prefix, with the values in it.

    Raises:
        NotFound: there is none.
    """
    for operation in OPERATIONS:
        if operation.method == method:
            values = operation.match(path)
            if values is not None:
                return operation, values
    raise NotFound(f"the API has no {method} {path}")


async def answer(control: Control, method: str, path: str, call: Call) -> View:
    """Carry out one call that gives one answer; raises what its operation raises."""
    operation, values = find(method, path)
    call = placed(call, values)
    operation.check(call)
    if operation.answer is None:
        raise NotFound(f"{path} is a stream of lines, not one answer")
    return await operation.answer(control, call)


def placed(call: Call, values: dict[str, str]) -> Call:
    """Return the call with the values of its path."""
    return Call(values, call.query, call.body, call.actor, call.now_ms, call.roles)


def openapi(version: str) -> View:
    """Return the OpenAPI 3.1 description of the API."""
    paths: View = {}
    for operation in OPERATIONS:
        paths.setdefault(f"{PREFIX}/{operation.path}", {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Passerelle", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "security": [{"token": []}],
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _PROBLEM},
        },
    }


_PROBLEM: View = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "problems": {"type": "array", "items": {"type": "object"}},
        "faults": {"type": "array", "items": {"type": "object"}},
        "retry_after": {"type": "number"},
    },
}


def _described(operation: Operation) -> View:
    form = "application/x-ndjson" if operation.stream else "application/json"
    view: View = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"Least role over TCP: {operation.role}.",
        "parameters": [
            {"name": name, "in": "path", "required": True, **_schema(name)}
            for name in (part[1:-1] for part in operation.path.split("/") if part.startswith("{"))
        ],
        "responses": {
            "200": {"description": "Done.", "content": {form: {"schema": {"type": "object"}}}},
            "default": {
                "description": "A problem.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    if operation.method == "GET":
        view["parameters"] += [{"name": name, "in": "query", **_schema(name)} for name in operation.takes]
    else:
        view["requestBody"] = {
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {name: _body(name) for name in operation.takes},
                    }
                }
            }
        }
    return view


def _schema(name: str) -> dict[str, Any]:
    parameter = PARAMETERS[name]
    return {"description": parameter.text, "schema": {"type": parameter.kind}}


def _body(name: str) -> dict[str, str]:
    parameter = PARAMETERS[name]
    return {"type": parameter.kind, "description": parameter.text}
