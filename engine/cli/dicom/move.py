"""`passerelle dicom move TARGET --to TITLE KEY=VALUE...`: have an archive send instances elsewhere, by C-MOVE."""

from __future__ import annotations

import json
from typing import Any

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.dicom.questioning import LEVELS, answer, asker, question_of
from engine.cli.dicom.reaching import target_options
from engine.cli.exits import Exit


@click.command()
@target_options
@click.argument("keys", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.option(
    "--to", "title", required=True, metavar="TITLE", help="AE title to send to, as the archive knows it."
)
@click.option("--level", type=click.Choice(LEVELS), default="study", show_default=True)
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=3600.0, show_default=True, metavar="SECONDS"
)
@desk_options("config", "env", "json", "lang")
def move(
    desk: Desk, target: str, keys: tuple[str, ...], title: str, level: str, timeout: float, **how: Any
) -> int:
    """Move what unique keys name: StudyInstanceUID=..., with --level series SeriesInstanceUID=... too.

    Ends with 1 when the archive could not send all of it.
    """
    import asyncio

    config, context = asker(desk, target, ask="move", move_to=title, how=how)
    question = question_of(keys, level=level)
    with desk.terminal.counting(target) as counted:
        reply = asyncio.run(answer(config, context, question, timeout=timeout, counted=counted))
    told = json.loads(reply.body)
    if desk.as_json:
        desk.terminal.answer({"status": reply.code, **told})
    else:
        desk.terminal.line(
            f"{told['completed']} -> {title}, {told['warning']} !, {told['failed']} x: {reply.code}"
        )
    return Exit.OK if not told["failed"] else Exit.FAILED
