"""Whatever the command line says, it says in French too."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator

import pytest

from engine.cli.terminal import STYLES
from engine.cli.words import FRENCH, STATES, Language, chosen_language
from engine.model import Disposition, Result, State
from engine.runtime.receiving.listening import ChannelState
from engine.runtime.sending.breaker import Phase
from tests.cli.invoking import ROOT

SOURCES = sorted((ROOT / "engine" / "cli").glob("*.py"))
LEADS = {"dev.py", "test.py", "happenings.py"}
"""Verbs of the test kit, which speak for themselves."""


def texts(node: ast.expr) -> Iterator[str]:
    """Give the texts that an expression may be: itself, or the ways of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)


def said() -> set[str]:
    """Return every text given to `say` and `told`, and every title and column given to `table`."""
    found: set[str] = set()
    for source in SOURCES:
        if source.name in LEADS:
            continue
        tree = ast.parse(source.read_text())
        named = {
            node.targets[0].id: list(texts(node.value))
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            function = (
                node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            )
            first = node.args[0]
            if function == "say":
                found.update(named.get(first.id, ()) if isinstance(first, ast.Name) else texts(first))
            elif function == "told":
                for each in node.args[4:]:
                    found.update(named.get(each.id, ()) if isinstance(each, ast.Name) else texts(each))
            elif function == "table" and len(node.args) == 3 and isinstance(node.args[1], ast.Tuple):
                found.update(text for each in (first, *node.args[1].elts) for text in texts(each))
    return found


def test_everything_said_has_its_french() -> None:
    found = said()
    assert {"Routes", "nothing matches", "paused: {name}", "of them by fallback", "{count} due now"} <= found
    assert sorted(found - FRENCH.keys()) == []


@pytest.mark.parametrize("english", FRENCH)
def test_both_languages_fill_the_same_names(english: str) -> None:
    def names(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    assert names(FRENCH[english]) == names(english)


@pytest.mark.parametrize(
    ("wanted", "environment", "french"),
    [
        ("fr", {}, True),
        ("en", {"LANG": "fr_CA.UTF-8"}, False),
        (None, {"LANG": "fr_CA.UTF-8"}, True),
        (None, {"LC_ALL": "C", "LANG": "fr_CA.UTF-8"}, False),
        (None, {}, False),
    ],
)
def test_the_language_is_that_asked_for_or_the_machine_s(
    wanted: str | None, environment: dict[str, str], french: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert chosen_language(wanted).french is french


def test_a_word_that_is_not_known_is_said_as_it_is() -> None:
    assert Language("fr")("clinic.emr") == "clinic.emr"


def test_every_state_has_its_french() -> None:
    words = [each.word for kind in (State, Disposition, Result) for each in kind]
    words += [each.value for kind in (Phase, ChannelState) for each in kind]
    assert sorted(set(words) - STATES.keys()) == []


def test_every_state_is_coloured_or_left_plain_on_purpose() -> None:
    assert STATES.keys() == STYLES.keys()


def test_a_state_is_no_heading() -> None:
    assert (Language("fr")("delivered"), Language("fr").word("delivered")) == ("livrées", "livrée")
    assert Language("en").word("delivered_by_fallback") == "delivered_by_fallback"
