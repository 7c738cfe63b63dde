"""`passerelle dicom send TARGET FILE...`: send instances by C-STORE and say how they were answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.dicom.instances import PATH, files_in
from engine.cli.dicom.reaching import reached, target_options
from engine.cli.exits import Exit
from engine.cli.terminal import lasting, octets

if TYPE_CHECKING:
    from engine.cli.dicom.sending import Sent

_SHOWN_FAILURES = 10


@click.command()
@target_options
@click.argument("paths", nargs=-1, required=True, type=PATH, metavar="FILE|FOLDER...")
@click.option(
    "--connections", type=click.IntRange(1, 64), default=1, show_default=True, help="Associations at once."
)
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=300.0, show_default=True, metavar="SECONDS",
    help="For one instance, its association included.",
)  # fmt: skip
@desk_options("config", "env", "json", "lang")
def send(
    desk: Desk, target: str, paths: tuple[Path, ...], connections: int, timeout: float, **how: Any
) -> int:
    """Send the instances of files and folders, each as it is; ends with 1 when one is not stored.

    A warning (Bxxx) counts as stored. An endpoint that asks for storage commitment is not asked to commit here.
    """
    import asyncio

    from engine.cli.dicom.sending import send_all

    found = files_in(paths)
    config, context = reached(desk, target, connections=connections, **how)
    config = config.model_copy(update={"confirm": "none"})
    began = context.clock.monotonic()
    with desk.terminal.progress(target, len(found)) as advance:
        sent = asyncio.run(
            send_all(config, context, found, connections=connections, timeout=timeout, told=advance)
        )
    _tell(desk, sent, context.clock.monotonic() - began)
    if not found:
        desk.terminal.note(desk.say("no file there is a DICOM instance"))
        return Exit.NOTHING
    return Exit.OK if sent.well else Exit.FAILED


def _tell(desk: Desk, sent: Sent, seconds: float) -> None:
    if desk.as_json:
        desk.terminal.answer(
            {
                "sent": sent.count,
                "bytes": sent.octets,
                "seconds": round(seconds, 6),
                "codes": dict(sent.codes.most_common()),
                "failures": [{"file": str(path), "error": error} for path, error in sent.failures],
            }
        )
        return
    codes = ", ".join(f"{code} {number}" for code, number in sent.codes.most_common()) or "-"
    pace = octets(round(sent.octets / seconds)) if seconds else "-"
    desk.terminal.line(f"{sent.count} in {lasting(seconds)}, {octets(sent.octets)}, {pace}/s: {codes}")
    for path, error in sent.failures[:_SHOWN_FAILURES]:
        desk.terminal.line(f"  {path}: {error}")
    if len(sent.failures) > _SHOWN_FAILURES:
        desk.terminal.line(f"  ... {len(sent.failures) - _SHOWN_FAILURES}")
