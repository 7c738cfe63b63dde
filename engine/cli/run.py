"""`passerelle run`: the engine in the foreground, as a supervisor of processes wants it."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from pathlib import Path

import anyio
import click

from engine.api.calls import Call
from engine.api.operating import reload
from engine.app import Engine, run_until_stopped
from engine.cli.desk import Desk, desk_options
from engine.cli.systemd import READY, RELOADING, STOPPING, Notifier
from engine.errors import PasserelleError, StoreFailed
from engine.observe import logs

_log = logging.getLogger(__name__)

_YOUNG_OBJECTS = 10_000
"""New objects after which the collector looks for cycles among them."""


@click.command()
@desk_options("config", "env")
def run(desk: Desk) -> None:
    """Run the engine until it is asked to stop.

    SIGTERM and SIGINT drain and end with 0, a second one ends at once; SIGHUP takes changed files in. Ends with 2 for a
    wrong configuration, 74 when the disk fails, 75 when another process holds the store.
    """
    logs.configure(plain=sys.stderr.isatty())
    anyio.run(_serve, desk.where.config, desk.where.env, backend_options={"use_uvloop": True})


async def _serve(config: Path, env: str | None) -> None:
    notifier = Notifier(os.environ)
    stop = anyio.Event()
    engines: list[Engine] = []

    def started(engine: Engine) -> None:
        engines.append(engine)
        _spare_what_stays()
        _log_as_configured(engine)
        notifier(READY, f"MAINPID={os.getpid()}")

    async with anyio.create_task_group() as group:
        group.start_soon(notifier.beat)
        await group.start(_heed, stop, engines, notifier)
        await run_until_stopped(config, env=env, stop=stop, started=started)
        group.cancel_scope.cancel()


async def _heed(
    stop: anyio.Event,
    engines: list[Engine],
    notifier: Notifier,
    *,
    task_status: anyio.abc.TaskStatus[None],
) -> None:
    """Turn signals into a stop or a reload; after the first SIGTERM or SIGINT the next one ends the process."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
        task_status.started()
        async for number in received:
            _log.info("signal received", extra={"action": "signal", "signal": signal.Signals(number).name})
            if number == signal.SIGHUP:
                await _reload(engines, notifier)
            else:
                break
    notifier(STOPPING)
    stop.set()


def _spare_what_stays() -> None:
    """Take what a start leaves behind for good (modules, models, compiled routes) out of the collector's sight.

    Half a million objects that never die cost every full collection 0.1 s, which is 0.1 s of silence at every door.
    What a message makes dies by its references; the collector is for the few cycles, so it may come less often.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


def _log_as_configured(engine: Engine) -> None:
    """Follow the configuration once it is known; before that, what starts is logged as for a supervisor."""
    wanted = engine.loaded.app.logs
    logs.configure(level=wanted.level, plain=wanted.format == "text" or sys.stderr.isatty())


async def _reload(engines: list[Engine], notifier: Notifier) -> None:
    """Take changed files in; before the engine is ready it reads them anyway."""
    for engine in engines:
        notifier(RELOADING)
        try:
            await reload(engine.control, Call(actor="signal:SIGHUP", now_ms=engine.clock.now_ms()))
            _log_as_configured(engine)
        except StoreFailed:
            raise
        except PasserelleError as error:
            _log.error("the running configuration stays: %s", error, extra={"action": "reload"})
        notifier(READY)
