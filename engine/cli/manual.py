"""The reference page of the command line, made from the verbs themselves."""

from __future__ import annotations

from collections.abc import Iterator

import click

from engine.cli import cli
from engine.cli.desk import Desk, at_desk
from engine.cli.exits import Exit

_EXITS = {
    Exit.OK: "done",
    Exit.FAILED: "what was checked failed, or something went wrong",
    Exit.USAGE: "wrong use or wrong configuration",
    Exit.NOTHING: "nothing matched",
    Exit.UNREACHABLE: "unreachable or refused",
    Exit.DISK: "the disk failed",
    Exit.LOCKED: "another process holds the store",
    Exit.INTERRUPTED: "interrupted",
}


def manual() -> str:
    """Return the page as Markdown."""
    context = click.Context(cli, info_name="passerelle")
    lines = ["<!-- Made from the verbs; do not edit. -->", "# Command line", ""]
    lines += ["| exit code | meaning |", "|---|---|"]
    lines += [f"| {int(code)} | {text} |" for code, text in _EXITS.items()]
    lines += ["", "## Options that many verbs have", "", *_options(_shared())]
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if command is not None:
            lines += _described(command, f"passerelle {name}")
    return "\n".join(lines) + "\n"


def _described(command: click.Command, path: str) -> Iterator[str]:
    arguments = " ".join(command.collect_usage_pieces(click.Context(command, info_name=path)))
    yield from ("", f"## {path}", "", f"`{path} {arguments}`", "", _text(command))
    shared = set(_options(_shared()))
    options = [line for line in _options(command) if line not in shared]
    if options:
        yield ""
        yield from options
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.commands[name]
            yield from _described(below, f"{path} {name}")


def _options(command: click.Command) -> Iterator[str]:
    context = click.Context(command)
    for option in command.params:
        record = option.get_help_record(context) if isinstance(option, click.Option) else None
        if record:
            yield f"- `{record[0]}`: {record[1]}"


def _text(command: click.Command) -> str:
    paragraphs = (command.help or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _shared() -> click.Command:
    """Return a verb that has the shared options only."""

    @click.command(add_help_option=False)
    @at_desk
    def shared(desk: Desk) -> None:
        raise NotImplementedError("this verb exists to be described")

    return shared
