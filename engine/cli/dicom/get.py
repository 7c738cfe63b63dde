"""`passerelle dicom get TARGET --into FOLDER KEY=VALUE...`: fetch instances from an archive, by C-GET."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.dicom.questioning import answer, asker, bringing_options, into, question_of, tell_brought
from engine.cli.dicom.reaching import target_options


@click.command()
@target_options
@bringing_options
@click.option(
    "--into", "folder", required=True, help="Folder for the files, each named by its SOP Instance UID.",
    type=click.Path(file_okay=False, writable=True, path_type=Path),
)  # fmt: skip
@desk_options("config", "env", "json", "lang")
def get(
    desk: Desk, target: str, keys: tuple[str, ...], folder: Path, level: str, timeout: float, **how: Any
) -> int:
    """Fetch what unique keys name, in the transfer syntaxes in which the archive gives it.

    Ends with 1 when the archive could not give all of it.
    """
    import asyncio

    config, context = asker(desk, target, ask="get", into="files", how=how)
    question = question_of(keys, level=level)
    with tempfile.TemporaryDirectory() as spool, desk.terminal.counting(target) as counted:
        context = replace(into(context, folder), var=Path(spool))
        reply = asyncio.run(answer(config, context, question, timeout=timeout, counted=counted))
    return tell_brought(desk, reply, str(folder))
