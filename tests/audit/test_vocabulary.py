"""Every action that the product writes into its journal is explained, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.audit.vocabulary import MEANINGS, Action, meaning
from engine.model import Disposition, State
from engine.runtime.sending.gates import Closure
from engine.store.protocol import Verb
from tests.api.stored import stopped_store

ENGINE = Path(__file__).parents[2] / "engine"
WRITTEN = re.compile(r'(?:\baction=|\bjournal\.append\()\s*"([a-z-]+)"')
IN_A_LOG = re.compile(r'extra=\{[^}]*\}|"action": "[a-z-]+"')


def named_actions() -> set[str]:
    """Return the actions that alerts, versions and the like name in their sources."""
    rooms = [ENGINE / "notify", ENGINE / "runtime", ENGINE / "api", ENGINE / "store"]
    sources = [path.read_text() for room in rooms for path in room.rglob("*.py")]
    return {match[1] for text in sources for match in WRITTEN.finditer(IN_A_LOG.sub("", text))}


def test_every_action_that_the_sources_name_is_known() -> None:
    found = named_actions()
    assert {"alert-opened", "alert-cleared", "route-deployed"} <= found
    assert found <= {action.value for action in Action}


async def test_every_action_that_a_store_writes_is_known(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        await stopped.store.roster.enrol("route", {"notes": []})
        for control_id in ("one", "one", "two"):
            await stopped.accept_again(control_id, b"first")
        await stopped.accept_again("one", b"second")
        settled, _ = await stopped.accept("settled")
        await stopped.settle(settled, State.DELIVERED)
        await stopped.refuse("id")
        dead = [(await stopped.accept(f"dead-{number}", reason="x"))[1] for number in range(2)]
        await stopped.post(f"dead/{dead[0]}/release", reason="exercise")
        await stopped.post(f"dead/{dead[1]}/discard", reason="exercise")
        for action in ("retry", "hold", "unhold"):
            await stopped.post(f"deliveries/{dead[0]}/{action}", reason="exercise")
        await stopped.post("resend", id=settled)
        await stopped.post("purge", before="2999-01-01")
        written = {row["action"] for row in (await stopped.get("journal", limit="1000"))["rows"]}
    assert {"enrol", "accept", "duplicate", "collision", "settle", "refuse", "purge", "resend"} <= written
    assert written <= {action.value for action in Action}


@pytest.mark.parametrize("word", [*Verb, *Closure, Disposition.DUPLICATE.word, Disposition.COLLISION.word])
def test_what_is_written_by_a_word_of_another_room_is_known(word: str) -> None:
    assert word in {action.value for action in Action}


@pytest.mark.parametrize("action", Action)
def test_every_action_has_both_languages(action: Action) -> None:
    assert MEANINGS[action].french
    assert MEANINGS[action].english


def test_an_action_of_a_later_version_is_shown_as_it_is() -> None:
    assert meaning("teleport") == "teleport"


def test_french_is_said_on_request() -> None:
    assert meaning("refuse", french=True) == "message refusé à l'entrée"
