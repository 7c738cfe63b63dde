"""`passerelle diff` and `rollback`: what changed between versions of a route, and back to an earlier one."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from engine.cli.desk import Desk, at_desk
from engine.cli.reload import told_changes
from engine.cli.terminal import View, local
from engine.errors import NotFound

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@click.argument("route")
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.option(
    "--file", "to_file", is_flag=True, help="What runs against the file as it is now: what a reload changes."
)
@click.option("--list", "listed", is_flag=True, help="List the versions of the route.")
@at_desk
def diff(desk: Desk, route: str, old: str | None, new: str | None, to_file: bool, listed: bool) -> None:
    """Show what changed between two versions of a route, by default what ran before and what runs.

    OLD and NEW are the beginnings of their hashes.
    """
    if listed:
        _list(desk, desk.ask("versions", route=route))
        return
    view = _to_file(desk, route) if to_file else desk.ask(f"versions/{route}/diff", old=old, new=new)
    if desk.as_json:
        desk.terminal.answer(view)
    elif view["diff"]:
        for line in view["diff"].splitlines():
            colour = _COLOURS.get(line[:1]) if desk.terminal.colourful else None
            click.secho(line, fg=colour)
    else:
        desk.terminal.note(desk.say("no difference"))


@click.command()
@click.argument("route")
@click.argument("version", required=False)
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def rollback(desk: Desk, route: str, version: str | None, reason: str | None) -> None:
    """Put an earlier text of a route back into its file and run it; by default the one before the current."""
    view = desk.order("rollback", route=route, version=version, reason=reason)
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        desk.terminal.line(desk.say("rolled back: {changes}", changes=told_changes(view)))


def _list(desk: Desk, view: View) -> None:
    if desk.as_json:
        desk.terminal.answer(view)
        return
    desk.table(
        "Versions",
        ("version", "running", "at", "author", "revision", "file"),
        [
            (
                row["version"][:12],
                row["running"],
                local(row["deployed"]),
                row["author"],
                (row["revision"] or "")[:12],
                row["file"],
            )
            for row in view["versions"]
        ],
    )


def _to_file(desk: Desk, route: str) -> View:
    """Compare the running text with the file that it came from, read here."""
    known = desk.ask("versions", route=route)["versions"]
    current = next((row for row in known if row["running"]), None)
    if current is None:
        raise NotFound(f"no version of the route {route!r} runs")
    path = desk.where.config.parent / current["file"]
    path = path if path.is_file() else Path(current["file"])
    if not path.is_file():
        raise NotFound(f"{current['file']} is not on this machine: run this in the project's folder")
    lines = difflib.unified_diff(
        current["text"].splitlines(),
        path.read_text(encoding="utf-8").splitlines(),
        f"{current['file']} {current['version'][:12]}",
        str(path),
        lineterm="",
    )
    return {"route": route, "old": current["version"], "new": None, "diff": "\n".join(lines)}
