"""`/livez`, `/readyz` and `/metrics`: what a supervisor of processes asks, without personal data.

A partner that is down does not make the engine unready: that is what it is there for.
"""

from __future__ import annotations

from aiohttp import web

from engine.api.control import Control
from engine.observe.metrics import CONTENT_TYPE


def live() -> web.Response:
    """Say that the loop turns; everything else is readiness."""
    return web.Response(text="ok\n")


async def ready(control: Control, *, verbose: bool = False) -> web.Response:
    """Say whether messages are taken: started, not draining, store writable. `verbose` gives each check a line."""
    checks = await readiness(control)
    well = all(fine for _, fine, _ in checks)
    text = "ready\n" if well else "not ready\n"
    if verbose or not well:
        lines = (
            f"[{'+' if fine else '-'}] {name}{f': {remark}' if remark else ''}\n"
            for name, fine, remark in checks
        )
        text = "".join(lines) + listeners(control) + text
    return web.Response(text=text, status=200 if well else 503)


def listeners(control: Control) -> str:
    """Return a line for each listener; one that fails is restarted alone and does not make the engine unready."""
    rows = control.live.channels() if control.running else ()
    return "".join(
        f"[{'+' if row['state'] == 'running' else '!'}] listener {row['listener']}: {row['state']}\n"
        for row in rows
        if "listener" in row
    )


async def readiness(control: Control) -> list[tuple[str, bool, str]]:
    """Return (check, well, remark) for all that readiness depends on."""
    health = await control.store.health()
    started = control.running and control.live.ready()
    return [
        ("engine", started, "" if started else "starting or draining"),
        ("store", health.writable, health.detail),
    ]


def metrics(control: Control) -> web.Response:
    """Give the Prometheus exposition."""
    return web.Response(body=control.live.metrics.render(), headers={"Content-Type": CONTENT_TYPE})
