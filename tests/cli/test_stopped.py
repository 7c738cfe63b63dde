"""Verbs on a stopped store: reading works under its lock, what needs an engine says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.model import State
from tests.api.project import write_project
from tests.api.stored import stopped_store
from tests.cli.invoking import Shell


def fill(folder: Path) -> tuple[str, int]:
    """Write a project whose store holds a delivered message and a dead letter; return the latter's ids."""

    async def accept() -> tuple[str, int]:
        async with stopped_store(folder / "var") as stopped:
            done, _ = await stopped.accept("done", endpoint="clinic.box")
            await stopped.settle(done, State.DELIVERED)
            return await stopped.accept("dead", reason="rejected")

    write_project(folder)
    return asyncio.run(accept())


def test_status_says_that_it_is_stopped(shell: Shell) -> None:
    fill(shell.folder)
    ended = shell("status")
    assert ended.code == 0
    assert ended.out.startswith("stopped;")


@pytest.mark.parametrize(
    ("verb", "text"),
    [
        ("messages", "platform"),
        ("dead list", "rejected"),
        ("reconcile", "conserved: 2 created"),
        ("audit verify", "chain intact"),
        ("tail --all", "message accepted"),
        ("audit export", '"format":"passerelle-journal"'),
    ],
)
def test_reading_verbs_work(shell: Shell, verb: str, text: str) -> None:
    fill(shell.folder)
    ended = shell(*verb.split())
    assert ended.code == 0
    assert text in ended.out


def test_a_message_is_shown_and_traced(shell: Shell) -> None:
    message, delivery = fill(shell.folder)
    shown, traced = shell("show", message), shell("trace", message)
    assert f"{delivery}" in shown.out
    assert "message accepted" in traced.out


def test_a_dead_letter_is_discarded_without_an_engine(shell: Shell) -> None:
    _, delivery = fill(shell.folder)
    assert shell("dead", "discard", str(delivery), "--reason", "exercise").code == 0
    assert shell("dead", "list").code == 3


def test_content_is_purged_without_an_engine(shell: Shell) -> None:
    fill(shell.folder)
    ended = shell("purge", "--before", "2999-01-01", "--reason", "exercise")
    assert (ended.code, ended.err) == (0, "1 messages lost their content\n")


def test_json_has_the_same_shape_as_on_a_running_engine(shell: Shell) -> None:
    fill(shell.folder)
    view = shell("status", "--json").json
    assert (view["running"], view["routes"][0]["dead"]) == (False, 1)


@pytest.mark.parametrize(
    "verb",
    [
        "pause notes",
        "resume notes",
        "hold clinic",
        "enable clinic.emr",
        "reload",
        "probe",
        "rollback notes",
        "inbox",
    ],
)
def test_what_needs_an_engine_ends_with_4(shell: Shell, verb: str) -> None:
    fill(shell.folder)
    ended = shell(*verb.split())
    assert ended.code == 4
    assert "passerelle run" in ended.err


def test_a_folder_without_a_project_says_where_to_go(shell: Shell) -> None:
    ended = shell("status")
    assert ended.code == 3
    assert "--config" in ended.err


def test_a_project_that_never_ran_has_no_store_and_gets_none(shell: Shell) -> None:
    write_project(shell.folder)
    ended = shell("status")
    assert (ended.code, "there is no store" in ended.err) == (3, True)
    assert not (shell.folder / "var").exists()


def test_a_wrong_parameter_ends_with_2(shell: Shell) -> None:
    fill(shell.folder)
    ended = shell("messages", "--state", "asleep")
    assert (ended.code, ended.err.startswith("no state 'asleep'")) == (2, True)
