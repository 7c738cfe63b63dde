"""`passerelle audit`: prove that nobody changed the journal, and take it out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import click

from engine.audit.export import canonical
from engine.cli.desk import Desk, at_desk
from engine.cli.exits import Exit
from engine.cli.terminal import View
from engine.cli.wire import Unreachable


@click.group()
def audit() -> None:
    """Verify or export the journal."""


@audit.command()
@at_desk
def verify(desk: Desk) -> int:
    """Walk the journal's chain from its beginning; ends with 1 where it is broken."""
    with desk.open() as caller:
        view = caller.call("GET", "journal/verify", patience=600.0)
    if desk.as_json:
        desk.terminal.answer(view)
    elif view["intact"]:
        text = "chain intact: {commits} commits, {rows} rows, root {root}"
        desk.terminal.line(desk.say(text, commits=view["commits"], rows=view["rows"], root=view["root"][:16]))
    else:
        desk.terminal.line(desk.say("CHAIN BROKEN at commit {commit}", commit=view["broken_at"]))
    return Exit.OK if view["intact"] else Exit.FAILED


@audit.command()
@click.option("--after", type=int, help="From this sequence of the journal on.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="A new file; else standard output."
)
@at_desk
def export(desk: Desk, after: int | None, out: Path | None) -> int:
    """Write the journal as lines of RFC 8785 JSON, with a last line that proves them.

    Ends with 1 where the chain is broken; the export itself is journalled.
    """
    with desk.open() as caller:
        lines = caller.stream("journal/export", {"after": after})
        if out is None:
            last = _write(lines, lambda line: sys.stdout.buffer.write(line))
            sys.stdout.buffer.flush()
        else:
            with _new(out) as file:
                last = _write(lines, file.write)
    desk.terminal.note(desk.say("{count} rows exported", count=last["rows"]))
    return Exit.OK if last["broken_at"] is None else Exit.FAILED


def _new(path: Path) -> BinaryIO:
    try:
        return path.open("xb")
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from error


def _write(lines: Iterable[View], write: Callable[[bytes], object]) -> View:
    """Write each line and return the last; an export without its last line is none."""
    last: View = {}
    for last in lines:
        write(canonical(last))
    if "sha256" not in last:
        raise Unreachable("the export broke off")
    return last
