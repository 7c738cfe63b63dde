"""`passerelle new`: begin a file of a project, so that nobody starts from an empty page."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.exits import Exit
from engine.cli.hl7.files import PATH, stored_in
from engine.errors import ConfigurationError, Conflict, NotFound

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


@new.command()
@click.argument("name")
@click.option(
    "--from", "door", required=True, help="Listener, with its door where it has some: `public POST /v1/x`."
)
@click.option(
    "--to", "endpoints", multiple=True, required=True, metavar="PARTNER.ENDPOINT", help="Repeatable."
)
@click.option(
    "--accept", "kinds", multiple=True, metavar="TYPE", help="Message type (ADT^A01) or event; repeatable."
)
@desk_options("config", "env", "lang")
def route(desk: Desk, name: str, door: str, endpoints: tuple[str, ...], kinds: tuple[str, ...]) -> int:
    """Begin the route NAME; it is loaded before it stays, and nothing is overwritten."""
    listener, _, selector = door.partition(" ")
    came = f"{{{listener}: {selector}}}" if selector else listener
    what = "types" if any("^" in kind or kind.isupper() for kind in kinds) else "events"
    accept = f"accept: {{{what}: [{', '.join(kinds)}]}}\n" if kinds else ""
    to = "".join(f'  - "{each}"\n' if "{" in each else f"  - {each}\n" for each in endpoints)
    return _begun(desk, f"routes/{name}.yaml", name, f"route: {name}\nfrom: {came}\n{accept}to:\n{to}")


@new.command()
@click.argument("name")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    required=True,
    metavar="NAME=TYPE:ADDRESS",
    help="`emr=webhook:https://clinic.example/hooks`; repeatable.",
)
@click.option("--phi", type=click.Choice(["none", "minimal", "full"]), default="none", show_default=True)
@desk_options("config", "env", "lang")
def partner(desk: Desk, name: str, endpoints: tuple[str, ...], phi: str) -> int:
    """Begin the partner NAME in partners/NAME.yaml, which config.yaml has to include; nothing is overwritten."""
    lines = ["partners:", f"  {name}:", "    endpoints:"]
    for each in endpoints:
        short, found, way = each.partition("=")
        kind, colon, address = way.partition(":")
        if not (found and colon):
            raise click.UsageError(f"{each!r} is no endpoint: write NAME=TYPE:ADDRESS")
        lines.append(f'      {short}: {{{kind}: "{address}", phi: {phi}}}')
    return _begun(desk, f"partners/{name}.yaml", name, "\n".join(lines) + "\n")


def _begun(desk: Desk, file: str, name: str, text: str) -> int:
    """Write a file that the configuration takes in; it is taken away again where it does not load.

    Raises:
        ConfigurationError: what is wrong with it.
    """
    from engine.config.load import load_configuration

    if not _NAME.fullmatch(name):
        raise click.UsageError(f"{name!r} is no name: lower case, digits and hyphens")
    path = desk.where.config.parent / file
    if path.exists():
        raise Conflict(f"{path} exists: nothing is overwritten")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    try:
        loaded = load_configuration(desk.where.config, env=desk.where.env, environ=os.environ)
    except ConfigurationError:
        path.unlink()
        raise
    if path.resolve() not in {each.resolve() for each in loaded.watch_list}:
        path.unlink()
        raise NotFound(f"{desk.where.config} does not take in {file}: add it to `include:` or `routes:`")
    desk.terminal.line(desk.say("wrote {file}", file=path))
    desk.terminal.note(desk.say("next: {command}", command="passerelle check"))
    return Exit.OK
