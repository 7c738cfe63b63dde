"""`passerelle dicom move TARGET --to TITLE KEY=VALUE...`: have an archive send instances elsewhere, by C-MOVE."""

from __future__ import annotations

from typing import Any

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.dicom.questioning import answer, asker, bringing_options, question_of, tell_brought
from engine.cli.dicom.reaching import target_options


@click.command()
@target_options
@bringing_options
@click.option(
    "--to", "title", required=True, metavar="TITLE", help="AE title to send to, as the archive knows it."
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
    return tell_brought(desk, reply, title)
