"""A backup is restored paused, with a list of what it would send, and a chain that goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine.model import State
from tests.api.project import write_project
from tests.api.stored import stopped_store
from tests.cli.invoking import Shell, passerelle, supervised


def backed_up(folder: Path) -> str:
    """Write a project, back its store up and take it away; return the id of the message that still waits."""

    async def accept() -> str:
        async with stopped_store(folder / "var") as stopped:
            done, _ = await stopped.accept("done", endpoint="clinic.box")
            await stopped.settle(done, State.DELIVERED)
            waiting, _ = await stopped.accept("waiting", endpoint="clinic.box")
            await stopped.post("backup", folder=str(folder / "copy"))
            return waiting

    write_project(folder)
    waiting = asyncio.run(accept())
    (folder / "var").rename(folder / "lost")
    return waiting


def test_a_restore_lists_what_it_would_send(shell: Shell) -> None:
    waiting = backed_up(shell.folder)
    ended = shell("restore", "copy", "--json")
    assert ended.code == 0
    assert [row["message_id"] for row in ended.json["would_send"]] == [waiting]


def test_a_restored_engine_sends_nothing_until_it_is_resumed(shell: Shell) -> None:
    waiting = backed_up(shell.folder)
    shell("restore", "copy")
    with supervised(shell.folder):
        paused = passerelle(shell.folder, "show", waiting, "--json").json["deliveries"][0]
        closed = passerelle(shell.folder, "status", "--json").json["closed"]
        resumed = passerelle(shell.folder, "resume", "notes")
    assert (paused["state"], paused["attempts"]) == ("pending", 0)
    assert [(row["subject"], row["reason"]) for row in closed] == [("route:notes", "restored")]
    assert resumed.out == "resumed: notes\n"


def test_a_restored_journal_opens_a_new_epoch_and_its_chain_holds(shell: Shell) -> None:
    backed_up(shell.folder)
    ended = shell("restore", "copy", "--reconcile")
    actions = [line.split("  ")[1] for line in shell("tail", "--all").out.splitlines()]
    assert (ended.code, "conserved: 2 created" in ended.out) == (0, True)
    assert "restored: a new epoch of the chain" in actions
    assert shell("audit", "verify").code == 0


def test_a_restore_never_replaces_a_store(shell: Shell) -> None:
    backed_up(shell.folder)
    (shell.folder / "lost").rename(shell.folder / "var")
    ended = shell("restore", "copy")
    assert (ended.code, "move it away first" in ended.err) == (4, True)


def test_a_folder_without_a_backup_is_told(shell: Shell) -> None:
    write_project(shell.folder)
    ended = shell("restore", ".")
    assert (ended.code, "holds no backup" in ended.err) == (3, True)


def test_large_content_comes_back(shell: Shell) -> None:
    write_project(shell.folder)

    async def accept() -> str:
        async with stopped_store(shell.folder / "var") as stopped:
            identifier, _ = await stopped.accept("large", content=b"x" * 300_000)
            await stopped.post("backup", folder=str(shell.folder / "copy"))
            return identifier

    identifier = asyncio.run(accept())
    (shell.folder / "var").rename(shell.folder / "lost")
    shell("restore", "copy")
    shown = shell("show", identifier, "--content", "--purpose", "exercise", "--json").json
    assert len(shown["content"]["rendered"]) == 300_000


def test_a_stopped_store_is_backed_up(shell: Shell) -> None:
    backed_up(shell.folder)
    (shell.folder / "lost").rename(shell.folder / "var")
    ended = shell("backup", "second")
    assert (ended.code, (shell.folder / "second" / "passerelle.db").is_file()) == (0, True)
