"""Who stands in a lane, as far as it is known: what is not known is said to be so, and never guessed."""

from __future__ import annotations

import random

import pytest

from engine.store.sqlite import queues
from engine.store.sqlite.queues import Queues

LANE, OTHER = b"lane", b"other"


def opened(*deliveries: int) -> Queues:
    made = Queues()
    made.opened(LANE)
    for delivery in deliveries:
        made.enter(LANE, delivery)
    return made


def test_a_lane_that_was_never_looked_at_is_not_known() -> None:
    assert Queues().stands(LANE) is None
    assert Queues().leave(LANE, 1) is None


def test_who_leaves_first_says_who_is_next() -> None:
    lanes = opened(1, 2, 3)
    assert lanes.stands(LANE)
    assert [lanes.leave(LANE, each) for each in (1, 2, 3)] == [2, 3, 0]
    assert lanes.stands(LANE) is False


def test_who_leaves_out_of_turn_makes_the_lane_unknown() -> None:
    lanes = opened(1, 2, 3)
    assert lanes.leave(LANE, 2) is None
    assert lanes.stands(LANE) is None


def test_beyond_its_places_only_the_number_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "PLACES", 2)
    lanes = opened(1, 2, 3, 4)
    assert [lanes.leave(LANE, each) for each in (1, 2, 3)] == [None] * 3, "who is next has to be read"
    assert lanes.stands(LANE)
    assert lanes.leave(LANE, 4) == 0
    assert lanes.stands(LANE) is False
    lanes.enter(LANE, 5)
    lanes.enter(LANE, 6)
    assert lanes.leave(LANE, 5) == 6, "an empty lane is in order again"


def test_too_many_lanes_are_all_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "LANES", 1)
    lanes = opened(1)
    lanes.trim()
    assert lanes.stands(LANE)
    lanes.opened(OTHER)
    lanes.trim()
    assert lanes.stands(LANE) is lanes.stands(OTHER) is None


def test_what_it_says_is_what_stands_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "PLACES", 12)
    draw = random.Random(7)
    lanes, truth, delivery = Queues(), {b"%d" % n: list[int]() for n in range(4)}, 0
    for _ in range(20_000):
        lane = draw.choice(list(truth))
        stands = lanes.stands(lane)
        assert stands is None or stands == bool(truth[lane])
        if stands is None and not truth[lane]:
            lanes.opened(lane)
        if draw.random() < 0.5:
            delivery += 1
            if lanes.stands(lane) is not None:
                lanes.enter(lane, delivery)
            truth[lane].append(delivery)
        elif truth[lane]:
            gone = truth[lane].pop(0 if draw.random() < 0.9 else -1)
            following = lanes.leave(lane, gone)
            assert following is None or following == (truth[lane] or [0])[0]
