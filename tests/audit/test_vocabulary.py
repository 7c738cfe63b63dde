"""Every action that the product writes into its journal is explained, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.audit.vocabulary import MEANINGS, Action, meaning
from engine.model import Disposition
from engine.runtime.gates import Closure
from engine.store.protocol import Verb

ENGINE = Path(__file__).parents[2] / "engine"
WRITTEN = re.compile(r'(?:\b(?:note|log)\(|\baction=|\bjournal\.append\()\s*"([a-z-]+)"')
NOT_JOURNALLED = re.compile(r'extra=\{[^}]*\}|"action": "[a-z-]+"')


def written_actions() -> set[str]:
    """Return the actions that the store, the alerts and the versions name in their sources."""
    rooms = [ENGINE / "store", ENGINE / "notify", ENGINE / "runtime", ENGINE / "api"]
    sources = [path.read_text() for room in rooms for path in room.rglob("*.py")]
    return {match[1] for text in sources for match in WRITTEN.finditer(NOT_JOURNALLED.sub("", text))}


def test_every_action_written_is_known() -> None:
    found = written_actions()
    assert {"settle", "refuse", "alert-opened", "route-deployed"} <= found
    assert found <= {action.value for action in Action}


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
