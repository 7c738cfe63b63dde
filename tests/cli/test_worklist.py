"""`passerelle worklist` on a stopped store; beside a running engine in the journey of orders."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import yaml

from engine.clock import SystemClock
from engine.runtime.worklists.projection import StoredWorklists
from engine.store import open_store
from tests.api.project import write_project
from tests.cli.invoking import Shell
from tests.runtime.worklists.histories import deliver, history


def fill(folder: Path) -> None:
    """Write a project whose endpoint keeps a worklist, and let events reach it."""
    write_project(folder)
    file = folder / "config.yaml"
    written = yaml.safe_load(file.read_text())
    written["partners"]["ris"] = {
        "endpoints": {"worklist": {"worklist": "ris", "phi": "full", "keep": "3650d"}}
    }
    file.write_text(yaml.safe_dump(written))

    async def feed() -> None:
        clock = SystemClock()
        (folder / "var").mkdir(exist_ok=True)
        async with open_store(f"sqlite:{folder / 'var' / 'passerelle.db'}", clock=clock) as store:
            for event in history(2, length=10):
                await deliver(store, StoredWorklists(store, clock), event)

    asyncio.run(feed())


def test_steps_are_listed_without_a_word_about_patients(shell: Shell) -> None:
    fill(shell.folder)

    ended = shell("worklist", "list", "ris", "--all")

    assert ended.code == 0
    assert "RP" in ended.out or "SPS" in ended.out
    assert re.search(r"^\d{4}-\d\d-\d\d +\d\d:\d\d ", ended.out, re.MULTILINE)
    assert "Tremblay" not in ended.out and "PAT" not in ended.out


def test_a_worklist_without_steps_ends_with_3(shell: Shell) -> None:
    fill(shell.folder)

    ended = shell("worklist", "list", "nobody", "--lang", "fr")

    assert (ended.code, "rien n'est planifi\u00e9" in ended.out + ended.err) == (3, True)


def test_a_rebuild_gives_the_same_steps(shell: Shell) -> None:
    fill(shell.folder)
    before = shell("worklist", "list", "ris", "--all", "--json").json["steps"]

    ended = shell("worklist", "rebuild", "ris", "--reason", "an exercise", "--json")

    assert ended.json == {"worklist": "ris", "events": 10, "performed": 0, "retained": 0, "unreadable": 0}
    assert shell("worklist", "list", "ris", "--all", "--json").json["steps"] == before
    assert "an exercise" in shell("audit", "export").out


def test_a_worklist_that_nothing_feeds_is_told(shell: Shell) -> None:
    fill(shell.folder)

    ended = shell("worklist", "rebuild", "nobody")

    assert ended.code != 0
    assert "no endpoint feeds" in ended.err + ended.out
