"""`passerelle init DIR`: write a small project that runs, with its test."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import click

from engine.cli.desk import Desk, desk_options
from engine.errors import Conflict

PROJECT: Mapping[str, str] = {
    "config.yaml": "config.yaml",
    "routes/appointments.yaml": "route.yaml",
    "routes/appointments.test.yaml": "route.test.yaml",
    "routes/samples/booked.json": "sample.json",
    "certs/README.md": "certs.md",
    ".gitignore": "gitignore",
}
"""File of the project -> its template in this package."""


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@desk_options("json", "lang")
def init(desk: Desk, folder: Path) -> None:
    """Write a small project into FOLDER: a configuration, a route, its test and a sample; nothing is overwritten."""
    taken = [name for name in PROJECT if (folder / name).exists()]
    if taken:
        raise Conflict(f"{folder} has {', '.join(taken)} already: choose another folder")
    templates = files("engine.cli") / "templates"
    for name, template in PROJECT.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((templates / template).read_text(encoding="utf-8"), encoding="utf-8")
    if desk.as_json:
        desk.terminal.answer({"folder": str(folder), "files": list(PROJECT)})
        return
    for name in PROJECT:
        desk.terminal.line(desk.say("wrote {file}", file=folder / name))
    command = f"cd {folder} && passerelle certs dev && passerelle test && passerelle run"
    desk.terminal.note(desk.say("next: {command}", command=command))
