"""The options that every verb has, and what it works with: whom to ask and how to print."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from engine.cli.calling import CONFIG, Caller, Where, caller, running_engine
from engine.cli.terminal import Terminal, View
from engine.cli.words import Language, chosen_language


@dataclass(frozen=True, slots=True)
class Desk:
    """What a verb has at hand."""

    where: Where
    terminal: Terminal

    @property
    def as_json(self) -> bool:
        return self.terminal.as_json

    @property
    def say(self) -> Language:
        return self.terminal.say

    def open(self) -> AbstractContextManager[Caller]:
        """Give the engine, or the stopped store."""
        return caller(self.where)

    def engine(self) -> AbstractContextManager[Caller]:
        """Give the running engine; NotRunning when there is none."""
        return running_engine(self.where)

    def ask(self, path: str, **query: Any) -> View:
        """Return the answer to one reading call."""
        with self.open() as found:
            return found.call("GET", path, query)

    def order(self, path: str, **body: Any) -> View:
        """Return the answer to one call that changes something on a running engine."""
        with self.engine() as found:
            return found.call("POST", path, body=body)

    def table(self, title: str, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
        """Print a table where it has rows."""
        if rows:
            self.terminal.table(title, columns, rows)


def desk_options(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a verb its desk, with those of the options that every verb has which it can use."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(
            *, config: Path = CONFIG, env: str | None = None, socket: Path | None = None,
            context: str | None = None, as_json: bool = False, lang: str | None = None, **rest: Any,
        ) -> Any:  # fmt: skip
            terminal = Terminal(as_json=as_json, language=chosen_language(lang))
            return function(Desk(Where(config, env, socket, context), terminal), **rest)

        decorated: Callable[..., Any] = run
        for name in reversed(names):
            decorated = OPTIONS[name](decorated)
        return decorated

    return decorate


OPTIONS = {
    "config": click.option(
        "--config", type=click.Path(path_type=Path), default=CONFIG, show_default=True,
        envvar="PASSERELLE_CONFIG", help="The project's config.yaml.",
    ),
    "env": click.option("--env", envvar="PASSERELLE_ENV", help="Overlay env/NAME.yaml."),
    "socket": click.option(
        "--socket", type=click.Path(path_type=Path), envvar="PASSERELLE_SOCKET",
        help="The engine's unix socket, where it is not the project's.",
    ),
    "context": click.option("--context", help="A remote engine, by its name in contexts.yaml."),
    "json": click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    "lang": click.option("--lang", type=click.Choice(["en", "fr"]), help="Language of tables and sentences."),
}  # fmt: skip

at_desk = desk_options(*OPTIONS)
"""For verbs that ask an engine or a stopped store."""
