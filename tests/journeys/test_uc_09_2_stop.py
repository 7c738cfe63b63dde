"""UC-09.2: SIGTERM drains and exits 0; what was accepted before is delivered, then or after the next start."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import aiohttp

from tests.journeys.house import DOOR, TOP, Plan, Platform, house, platform_tls, webhook
from tests.peers.emr import LATE, OK, emr
from tests.peers.ports import free_port

READY_SECONDS = 30


async def started(config: Path) -> asyncio.subprocess.Process:
    """Start `passerelle run` and wait until it says that it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "engine",
        "run",
        "--config",
        str(config),
        cwd=config.parent,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(READY_SECONDS):
        while b'"action": "ready"' not in (line := await process.stderr.readline()):
            assert line, "the engine ended before it was ready"
    return process


async def test_sigterm_waits_for_the_answer_that_is_due_and_exits_0(tmp_path: Path, dev_certs: Path) -> None:
    port = free_port()
    async with emr(dev_certs, name="clinique-abc", script=[LATE, OK]) as clinic:
        plan = Plan({"emr": webhook(clinic)})
        config = plan.write(tmp_path, dev_certs, port)
        process = await started(config)
        async with aiohttp.ClientSession() as session:
            url = f"https://127.0.0.1:{port}{DOOR}"
            platform = Platform(session=session, url=url, tls=platform_tls(dev_certs))
            status, answer = await platform.post(platform.event())
        await clinic.wait_for_requests(1)
        process.send_signal(signal.SIGTERM)
        clinic.release()
        assert process.stderr is not None
        async with asyncio.timeout(30):
            log = await process.stderr.read()
            code = await process.wait()
        async with house(tmp_path, dev_certs, plan) as here:
            (row,) = await here.ended()
            tally = await here.engine.store.tally()
    assert (status, code) == (202, 0)
    assert row.delivery.state.word == "delivered"
    assert row.delivery.unknown == 0
    assert len(clinic.requests) == 1
    assert clinic.requests[0].headers["webhook-id"] == answer["id"]
    assert tally.conserved
    assert b"Tremblay" not in log
