"""The command `passerelle`: one module per verb, imported only when it is used, so that `--help` is quick."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Mapping
from typing import Any

import click

import engine
from engine.cli.verbs import VERBS

_YOUNG_OBJECTS = 50_000
"""New objects after which the collector looks for cycles; a command makes more only when it does real work."""


class LazyGroup(click.Group):
    """A group whose commands live in modules named in a table; help needs only the table."""

    def __init__(self, *args: Any, verbs: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = self._verbs.get(cmd_name)
        if found is None:
            return None
        module, _, attribute = found[0].partition(":")
        command = getattr(importlib.import_module(f"engine.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in self._verbs.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            close = difflib.get_close_matches(args[0], self._verbs, 1)
            hint = f' Did you mean "{close[0]}"?' if close else ""
            raise click.UsageError(f"{error.format_message()}{hint}", ctx) from None


@click.group(cls=LazyGroup, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(engine.__version__, prog_name="passerelle")
def cli() -> None:
    """Receive, store, route and insist: an integration engine for healthcare."""


def main() -> None:
    """Run the command line and exit with its code (0 ok, 1 failed, 2 usage or configuration, 3 nothing matched, 4
    unreachable or refused, 74 disk, 75 store in use, 130 interrupted)."""
    from engine.cli.exits import guarded

    # Loading a verb and a configuration makes much that stays and no garbage: looking for it took a fifth of a start.
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
    sys.exit(guarded(cli))
