"""An alert can be read by people in both languages and by machines, and holds nothing personal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.notify.alerts import Alert, Notice, Rule
from engine.notify.wording import render

RULE = Rule("ops", "operations.alerts")


def notice(kind: str, change: str) -> Notice:
    alert = Alert(
        kind, "clinique-abc.emr", "ops", "3 (400)", opened_ms=1_793_000_000_000, seen_ms=0, told_ms=0
    )
    return Notice(alert, RULE, change, "c")


@pytest.mark.parametrize("change", ["opened", "reminder", "cleared"])
def test_every_change_is_said_in_french_and_in_english(change: str) -> None:
    told = json.loads(render(notice("dead_letter", change), "passerelle"))
    french, english, detail, when = told["text"].splitlines()
    assert "message en rebut" in french
    assert "dead letter" in english
    assert detail == "3 (400)"
    assert when == told["openedAt"] == "2026-10-26T07:33:20+00:00"
    assert told["change"] == change


def test_every_kind_that_the_engine_observes_has_its_words() -> None:
    sources = (Path(__file__).parents[2] / "engine" / "runtime").glob("*.py")
    kinds = {
        kind for source in sources for kind in re.findall(r'Condition\(\s*"(\w+)"', source.read_text())
    } | {"certificate", "plaintext"}
    assert {"dead_letter", "refused", "disk", "bug", "channel", "endpoint_disabled"} <= kinds
    for kind in kinds:
        assert render(notice(kind, "opened"), "passerelle")
