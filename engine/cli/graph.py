"""`passerelle graph`: a picture of doors, routes and endpoints, as text."""

from __future__ import annotations

import os

import click

from engine.api.drawing import draw
from engine.cli.desk import Desk, desk_options
from engine.config.load import load_configuration


@click.command()
@click.option("--form", type=click.Choice(["mermaid", "dot"]), default="mermaid", show_default=True)
@desk_options("config", "env", "context", "json")
def graph(desk: Desk, form: str) -> None:
    """Print the configuration as a picture for Mermaid or Graphviz; with --context that of the engine there."""
    if desk.where.context is not None:
        view = desk.ask("graph", form=form)
    else:
        loaded = load_configuration(desk.where.config, env=desk.where.env, environ=os.environ)
        view = {"form": form, "text": draw(loaded, form)}
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        click.echo(view["text"], nl=False)
