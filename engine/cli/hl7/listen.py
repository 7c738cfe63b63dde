"""`passerelle hl7 listen PORT`: take messages by MLLP, answer as told, and show or keep what came."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.exits import Exit
from engine.cli.hl7.connecting import HostPort, server_tls, tls_files, tls_options

if TYPE_CHECKING:
    from engine.cli.hl7.listening import Heard


@click.command()
@click.argument("address", type=HostPort(), metavar="[HOST:]PORT")
@click.option(
    "--code", type=click.Choice(["AA", "AE", "AR", "CA", "CE", "CR"]), default="AA", show_default=True
)
@click.option("--error", default="", metavar="CODE", help="Error of table 0357 in the answer, such as 207.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write each message to."
)
@click.option("--count", type=click.IntRange(1), help="End after so many messages.")
@tls_options
@desk_options("config", "env", "json", "lang")
def listen(
    desk: Desk,
    address: tuple[str, int],
    code: str,
    error: str,
    out: Path | None,
    count: int | None,
    **tls: Any,
) -> int:
    """Listen on a port of this machine, answer every message with a code and print a line for each; Ctrl-C ends it.

    A line holds number, type, MSH-10, size and answer, nothing of what the message says of a person. Port 0 takes a
    free one. Messages are kept in no other place than `--out`.
    """
    import asyncio

    from engine.cli.hl7.listening import Listening
    from engine.clock import SystemClock
    from engine.codecs.hl7v2.acknowledging import CONDITIONS
    from engine.ids import IdSource

    if error and error not in CONDITIONS:
        raise click.UsageError(f"{error} is no code of table 0357: {', '.join(CONDITIONS)}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)

    def ready(host: str, port: int) -> None:
        desk.terminal.note(desk.say("listening on {address}", address=f"{host}:{port}"))
        if desk.as_json:
            desk.terminal.answer({"listening": f"{host}:{port}"})
            sys.stdout.flush()

    def heard(one: Heard) -> None:
        file = None if out is None else _kept(out, one)
        _tell(desk, one, file)
        sys.stdout.flush()

    clock = SystemClock()
    server = Listening(code, error, count or 0, clock, heard, IdSource(clock))
    context = server_tls(tls_files(desk, **tls))
    try:
        asyncio.run(server.serve(*address, context, ready))
    except KeyboardInterrupt:
        return Exit.OK
    except OSError as failure:
        from engine.errors import Transient

        raise Transient(f"{address[0]}:{address[1]}: {failure.strerror or failure}") from failure
    return Exit.OK


def _kept(out: Path, one: Heard) -> Path:
    """Write a message under the next number that is free."""
    number = one.number
    while True:
        path = out / f"{number:06}.hl7"
        try:
            with path.open("xb") as file:
                file.write(one.data)
        except FileExistsError:
            number += 1
        else:
            return path


def _tell(desk: Desk, one: Heard, file: Path | None) -> None:
    kind = "" if one.header is None else f"{one.header.type}^{one.header.event}".strip("^")
    control_id = "" if one.header is None else one.header.control_id
    if desk.as_json:
        view = {
            "number": one.number,
            "type": kind,
            "control_id": control_id,
            "bytes": len(one.data),
            "code": one.code,
        }
        desk.terminal.answer({**view, "file": None if file is None else str(file)})
        return
    parts = [str(one.number), kind or "?", control_id or "?", f"{len(one.data)} B", one.code]
    desk.terminal.line("  ".join(parts if file is None else [*parts, str(file)]))
