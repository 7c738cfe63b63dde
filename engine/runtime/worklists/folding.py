"""Lays what was said of one order one over the other, and follows its patient through merges.

Everything is laid in the order in which it counts, whatever the order in which it came, so that the result never
depends on resends, retries or replays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.store.scheduling import Story, Turn

Facts = dict[str, Any]


@dataclass(slots=True)
class Order:
    """An order as it stands; `steps` is None where nobody said when, [] where nothing is scheduled any more."""

    state: str = "placed"
    order: Facts = field(default_factory=dict)
    patient: Facts = field(default_factory=dict)
    visit: Facts = field(default_factory=dict)
    steps: list[Facts] | None = None
    house: Facts = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    first_ms: int = 0


def folded(story: Story) -> Order:
    """Return the order that a story tells."""
    order, told = Order(first_ms=story.orders[0].at_ms if story.orders else 0), (0, 0)
    for turn in story.orders:
        facts = json.loads(turn.content)
        order.state = facts.get("state", order.state)
        _lay(order.order, facts.get("order"))
        _lay(order.visit, facts.get("visit"))
        order.house = facts.get("house", order.house)
        order.known.update(facts.get("known", ()))
        if "steps" in facts:
            order.steps = facts["steps"]
        if facts.get("patient"):
            if _others(order.patient, facts["patient"]):
                order.patient = {}
            _lay(order.patient, facts["patient"])
            told = (turn.at_ms, turn.sequence)
    _follow(order.patient, story.patients, told)
    return order


def _lay(under: Facts, over: Facts | None) -> None:
    for name, value in (over or {}).items():
        if value is None:
            under.pop(name, None)
        else:
            under[name] = value


def _others(one: Facts, other: Facts) -> bool:
    """Say whether two patients have no id in common, so that nothing of the one is true of the other."""
    return bool(one.get("ids") and other.get("ids")) and not same(one["ids"], other["ids"])


def _follow(patient: Facts, turns: Sequence[Turn], told: tuple[int, int]) -> None:
    """Let a patient become what merges made of it, and take what was said of it after the order spoke of it.

    Ids that were merged away are no more, however late an order still speaks of them.
    """
    for turn in turns:
        said = json.loads(turn.content)
        merges = not same(
            said["former"], said["patient"]["ids"]
        )  # else it only tells more of the same patient
        if not same(patient.get("ids", ()), said["former"]):
            continue
        if merges or (turn.at_ms, turn.sequence) > told:
            _lay(patient, said["patient"])


def same(ones: Sequence[Sequence[str]], others: Sequence[Sequence[str]]) -> bool:
    """Say whether two lists of ids have one in common; an authority counts where both say one."""
    return any(
        one[0] == other[0] and (not one[1] or not other[1] or one[1] == other[1])
        for one in ones
        for other in others
    )
