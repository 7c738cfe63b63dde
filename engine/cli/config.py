"""`passerelle config show`: the configuration as understood, and where each value was written."""

from __future__ import annotations

import os
from typing import Any

import click
import yaml

from engine.cli.desk import Desk, desk_options
from engine.config.load import load_configuration
from engine.config.nodes import ListNode, MapNode, Node


@click.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@click.option("--origins", is_flag=True, help="Print file:line of each value instead.")
@desk_options("config", "env", "json")
def show(desk: Desk, origins: bool) -> None:
    """Print the configuration with includes and overlay put together; secrets stay references."""
    loaded = load_configuration(desk.where.config, env=desk.where.env, environ=os.environ)
    if origins:
        found = loaded.origins
        if desk.as_json:
            desk.terminal.answer(
                {
                    path: {"value": each.value, "file": each.file, "line": each.line}
                    for path, each in found.items()
                }
            )
            return
        for path, each in found.items():
            desk.terminal.line(f"{each}: {path} = {each.value}")
        return
    view = {"config": _plain(loaded.tree), "routes": {each.name: _plain(each.tree) for each in loaded.routes}}
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        documents = [view["config"], *view["routes"].values()]
        click.echo(yaml.safe_dump_all(documents, allow_unicode=True, sort_keys=False), nl=False)


def _plain(node: Node) -> Any:
    """Return a tree without its places; of an insertion only what is no secret is filled in."""
    if isinstance(node, MapNode):
        return {str(key): _plain(child) for key, child in node.items()}
    if isinstance(node, ListNode):
        return [_plain(child) for child in node]
    return node.filling.public if node.filling else str(node)
