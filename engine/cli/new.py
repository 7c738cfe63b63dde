"""`passerelle new`: begin a file of a project, so that nobody starts from an empty page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.exits import Exit
from engine.cli.hl7.files import PATH, stored_in
from engine.errors import Conflict

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FILES: Any = PATH


@click.group()
def new() -> None:
    """Begin a file of the project."""


@new.command()
@click.argument("name")
@click.option(
    "--from",
    "files",
    multiple=True,
    required=True,
    type=_FILES,
    metavar="FILE",
    help="Messages to read; repeatable.",
)
@click.option("--event", help="Type of the event that they mean; by default the mapper's name.")
@click.option("--charset", default="", help="Character set, where MSH-18 does not say it or lies.")
@desk_options("config", "lang")
def mapping(desk: Desk, name: str, files: tuple[Path, ...], event: str | None, charset: str) -> int:
    """Begin the two-way mapper NAME from HL7 messages: a rule for each leaf that they have.

    Fields that repeat and segments that come several times become lists, and each leaf has the name that the standard
    gives it. Nothing of what the messages say is written. The file goes to mappings/NAME.yaml beside the configuration.
    """
    from engine.cli.hl7.tree import branches
    from engine.cli.starting import Seen, mapper_text
    from engine.codecs.hl7v2.header import header
    from engine.codecs.hl7v2.reading import parse

    if not _NAME.fullmatch(name):
        raise click.UsageError(f"{name!r} is no name of a mapper: lower case, digits and hyphens")
    root = desk.where.config.parent
    path = root / "mappings" / f"{name}.yaml"
    if path.exists():
        raise Conflict(f"{path} exists: nothing is overwritten")
    seen = Seen()
    for stored in (each for file in files for each in stored_in(file)):
        head = header(stored.data, charset)
        message = parse(stored.data, charset)
        kind = "^".join(part for part in (head.type, head.event) if part)
        structure = message.find("MSH")[8].split(message.marks.component)[2:3]
        seen.add(kind, "".join(structure), head.version, branches(message, head.version or "2.5.1"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(mapper_text(name, event or name, seen), encoding="utf-8")
    desk.terminal.line(desk.say("wrote {file}", file=path))
    command = f"passerelle map run {name} {files[0]} --report"
    desk.terminal.note(desk.say("next: {command}", command=command))
    return Exit.OK
