"""Serves the API on its unix socket, on TCP where it is configured, and health on the metrics address."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from anyio import TASK_STATUS_IGNORED, CancelScope
from anyio.abc import TaskStatus

from engine.api.callers import by_token, by_user_id
from engine.api.control import Control
from engine.api.doorstep import bind_private
from engine.api.serving import api_application, health_application
from engine.config.models import HostPort
from engine.config.settings import ApiToken
from engine.errors import PasserelleError, StoreFailed

PATIENCE = 2.0
"""Seconds that answers under way are given at the end; who follows the journal is cut off."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Where the API answers: the socket's path, `host:port` of TCP and of metrics, None where not configured."""

    socket: Path
    tcp: str | None = None
    metrics: str | None = None


async def serve_api(
    control: Control,
    *,
    socket: Path,
    tcp: HostPort | None = None,
    tls: ssl.SSLContext | None = None,
    tokens: Mapping[str, ApiToken] | None = None,
    metrics: HostPort | None = None,
    task_status: TaskStatus[Bound] = TASK_STATUS_IGNORED,
) -> None:
    """Answer until cancelled; `task_status.started` tells where once all doors are open.

    Raises:
        PasserelleError: a door cannot be opened, or TCP would be in clear off loopback.
        StoreFailed: a call met a disk that failed; the process must end.
    """
    if tcp is not None and tls is None and not tcp.loopback:
        raise PasserelleError(f"api: tcp: {tcp} needs `tls`: a token must not travel in clear")
    doom: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def failed(error: StoreFailed) -> None:
        if not doom.done():
            doom.set_exception(error)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(_shielded_end, running := list[web.AppRunner]())
        local = await _started(api_application(control, by_user_id, failed=failed), running)
        listening = bind_private(socket)
        stack.callback(_forget, socket)
        await web.SockSite(local, listening).start()
        bound_tcp = bound_metrics = None
        if tcp is not None:
            runner = await _started(api_application(control, by_token(tokens or {}), failed=failed), running)
            bound_tcp = await _listen(runner, tcp, tls)
        if metrics is not None:
            bound_metrics = await _listen(
                await _started(health_application(control, failed=failed), running), metrics, None
            )
        task_status.started(Bound(socket, bound_tcp, bound_metrics))
        await doom


async def _started(application: web.Application, running: list[web.AppRunner]) -> web.AppRunner:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=PATIENCE, handle_signals=False)
    await runner.setup()
    running.append(runner)
    return runner


async def _listen(runner: web.AppRunner, address: HostPort, tls: ssl.SSLContext | None) -> str:
    before = len(runner.addresses)
    try:
        await web.TCPSite(runner, address.host, address.port, ssl_context=tls).start()
    except OSError as error:
        raise PasserelleError(f"cannot listen on {address}: {error.strerror}") from error
    host, port = runner.addresses[before][:2]
    return str(HostPort(host, port))


async def _shielded_end(running: list[web.AppRunner]) -> None:
    with CancelScope(shield=True):
        for runner in running:
            await runner.cleanup()


def _forget(socket: Path) -> None:
    with suppress(FileNotFoundError):
        socket.unlink()
