"""Turns HTTP into calls of the API and its answers into HTTP: JSON, lines of JSON, or a problem."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

import engine
from engine.api import health
from engine.api.callers import Caller, Identify
from engine.api.calls import Call
from engine.api.control import Control
from engine.api.problems import (
    CONTENT_TYPE,
    BadCall,
    EngineDefect,
    Unauthorized,
    failing_of,
    problem_of,
)
from engine.api.table import PREFIX, answer, find, openapi, placed
from engine.audit.export import canonical
from engine.errors import PasserelleError, StoreFailed, Transient

MAX_BODY = 48 * 2**20
"""Bytes: what may be injected at once, 32 MiB, in base64 and with its surroundings."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Failed = Callable[[StoreFailed], None]
_log = logging.getLogger(__name__)


def api_application(control: Control, identify: Identify, *, failed: Failed) -> web.Application:
    """Return the application behind one door of the API; `identify` says who calls, `failed` hears of a dead disk."""
    application = web.Application(client_max_size=MAX_BODY)

    async def call(request: web.Request) -> web.StreamResponse:
        caller = identify(request)
        path = request.match_info["path"]
        if path == "openapi.json" and request.method == "GET":
            return web.json_response(openapi(engine.__version__), dumps=_json)
        return await _called(control, request, path, caller)

    async def metrics(request: web.Request) -> web.StreamResponse:
        identify(request)
        return health.metrics(control)

    application.router.add_route("*", PREFIX + "/{path:.*}", _told(call, failed))
    application.router.add_get("/metrics", _told(metrics, failed))
    _add_health(application, control, failed)
    return application


def health_application(control: Control, *, failed: Failed) -> web.Application:
    """Return the application of the metrics address, which needs no token and tells no more than health."""
    application = web.Application()

    async def metrics(request: web.Request) -> web.StreamResponse:
        return health.metrics(control)

    application.router.add_get("/metrics", _told(metrics, failed))
    _add_health(application, control, failed)
    return application


def _add_health(application: web.Application, control: Control, failed: Failed) -> None:
    async def live(request: web.Request) -> web.StreamResponse:
        return health.live()

    async def ready(request: web.Request) -> web.StreamResponse:
        return await health.ready(control, verbose="verbose" in request.query)

    application.router.add_get("/livez", _told(live, failed))
    application.router.add_get("/readyz", _told(ready, failed))


async def _called(control: Control, request: web.Request, path: str, caller: Caller) -> web.StreamResponse:
    operation, values = find(request.method, path)
    call = Call(
        query=dict(request.query),
        body=await _body(request),
        actor=caller.actor,
        now_ms=control.clock.now_ms(),
        roles=caller.roles,
    )
    if operation.stream is None:
        view = await answer(control, request.method, path, call)
        return web.json_response(view, dumps=_json)
    operation.check(call)
    return await _streamed(request, operation.stream(control, placed(call, values)))


async def _streamed(request: web.Request, rows: Any) -> web.StreamResponse:
    """Write one object per line; a line's end alone says that the engine lives while nothing happens."""
    response = web.StreamResponse(
        headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"}
    )
    await response.prepare(request)
    try:
        async for row in rows:
            await response.write(canonical(row) if row else b"\n")
    except ConnectionError:
        return response  # the caller left
    finally:
        await rows.aclose()
    await response.write_eof()
    return response


async def _body(request: web.Request) -> Mapping[str, Any]:
    if not request.can_read_body:
        return {}
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise BadCall("the body is no JSON") from None
    if not isinstance(body, dict):
        raise BadCall("the body is no JSON object")
    return body


def _told(handler: Handler, failed: Failed) -> Handler:
    """Answer failures as problems (RFC 9457); what nobody named is logged with its trace and told without it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except StoreFailed as error:
            failed(error)
            return problem_response(error)
        except PasserelleError as error:
            return problem_response(error)
        except web.HTTPException as error:
            return problem_response(BadCall(error.reason))
        except Exception as error:  # noqa: BLE001  the border: a defect becomes a 500, the engine goes on
            _log.error(
                "a call of the API failed", exc_info=error, extra={"action": "api", "path": request.path}
            )
            return problem_response(EngineDefect("the engine failed; its log says where"))

    return handle


def problem_response(error: PasserelleError) -> web.Response:
    """Return an error as a problem."""
    headers = {}
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Transient) and error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return web.json_response(
        problem_of(error),
        status=failing_of(error).status,
        headers=headers,
        content_type=CONTENT_TYPE,
        dumps=_json,
    )


def _json(view: object) -> str:
    return json.dumps(view, ensure_ascii=False)
