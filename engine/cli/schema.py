"""`passerelle schema`: JSON Schemas for editors and the reference pages, made from the models."""

from __future__ import annotations

import json
from pathlib import Path

import click

import engine
from engine.api.table import openapi
from engine.cli.desk import Desk, desk_options
from engine.cli.manual import manual
from engine.config.reference import reference
from engine.config.schema import configuration_schemas


@click.command()
@click.option(
    "--write", "folder", type=click.Path(file_okay=False, path_type=Path), help="Write all into a folder."
)
@desk_options("lang")
def schema(desk: Desk, folder: Path | None) -> None:
    """Print the JSON Schemas of configuration files, or write them with the reference pages into a folder."""
    if folder is None:
        desk.terminal.answer(dict(configuration_schemas()))
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in sorted(pages().items()):
        path = folder / name
        path.write_text(text, encoding="utf-8")
        desk.terminal.note(desk.say("wrote {file}", file=path))


def pages() -> dict[str, str]:
    """Return the schemas and pages of the reference by file name."""
    schemas = {f"{kind}.schema.json": _json(made) for kind, made in configuration_schemas().items()}
    described = {"openapi.json": _json(openapi(engine.__version__))}
    return {**schemas, **described, **reference(), "command-line.md": manual()}


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
