"""`passerelle dicom echo TARGET`: try the way to a DICOM server, stage by stage, up to C-ECHO."""

from __future__ import annotations

from typing import Any

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.dicom.reaching import opened, reached, target_options
from engine.cli.exits import Exit
from engine.cli.terminal import View


@click.command()
@target_options
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="How many times.")
@desk_options("config", "env", "json", "lang")
def echo(desk: Desk, target: str, count: int, **how: Any) -> int:
    """Try name, connection, TLS, association and C-ECHO; ends with 1 when a stage fails, and says which and why."""
    import asyncio

    config, context = reached(desk, target, **how)
    views: list[View] = []
    with desk.terminal.progress(target, count) as advance:
        for _ in range(count):
            began = context.clock.monotonic()
            stages = asyncio.run(_probed(config, context))
            seconds = round(context.clock.monotonic() - began, 6)
            views.append(
                {
                    "well": all(well for _, well, _ in stages),
                    "seconds": seconds,
                    "stages": [
                        {"stage": stage, "well": well, "remark": remark} for stage, well, remark in stages
                    ],
                }
            )
            advance()
    if desk.as_json:
        desk.terminal.answer({"target": target, "echoes": views})
    else:
        rows = [tuple(row.values()) for view in views for row in view["stages"]]
        desk.table("Endpoints", ("stage", "well", "remark"), rows)
    return Exit.OK if all(view["well"] for view in views) else Exit.FAILED


async def _probed(config: Any, context: Any) -> list[tuple[str, bool, str]]:
    async with opened(config, context) as outbound:
        return list(await outbound.probe())
