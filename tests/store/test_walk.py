"""Random walks over lanes beside a model of a few lines: order, heads, counts and places, after every step.

The model keeps each lane as a list of its deliveries in order. It says who may be sent (the head, unless something
before it stopped the lane) and what an operator may do; the store must agree after every commit.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.errors import Conflict
from engine.model import Delivery, State
from engine.store.protocol import DeliveryRow, LaneEffect, Query, Settlement, Store, Verb
from engine.store.sqlite.store import open_sqlite
from engine.testing.virtual_clock import VirtualClock
from tests.store.making import EMR, NINE, NOW, acceptance, duty, operation

LANES = ("a", "b", "c")
ENDS = (State.DELIVERED, State.EXPIRED, State.SUPERSEDED, State.RECALLED)


@dataclass(slots=True)
class Duty:
    """What the model knows of a delivery."""

    sequence: int
    state: State = State.PENDING
    holds: bool = True
    parks: bool = False
    open: bool = False
    overtaken: bool = False
    recalls: bool = False


@dataclass(slots=True)
class Lane:
    """A lane in order; those that hold it, and the dead letters that stop it, by place."""

    duties: list[Duty] = field(default_factory=list)

    def head(self) -> Duty | None:
        """Return the one that may go: the first that holds, unless a dead letter before it stopped the lane."""
        for each in self.duties:
            if each.parks:
                return None
            if each.holds:
                return each
        return None


class Walk(RuleBasedStateMachine):
    """Accept, settle, release, discard, recall, hold: in any order."""

    deliveries: Bundle[tuple[str, int]] = Bundle("deliveries")

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.store: Store = self.runner.run(self._open())
        self.lanes = {name: Lane() for name in LANES}

    async def _open(self) -> Store:
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(dir=_memory())))
        opening = open_sqlite(folder / "store.db", clock=VirtualClock(NINE), ballast_bytes=0)
        return await self.stack.enter_async_context(opening)

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.stack.aclose())
            self.runner.close()

    # ------------------------------------------------------------- steps

    @rule(target=deliveries, name=st.sampled_from(LANES), recalls=st.booleans())
    def accept(self, name: str, recalls: bool) -> tuple[str, int]:
        accepted = self.runner.run(self.store.accept(acceptance(duty(name, recalls=recalls))))
        row = self.runner.run(self.store.deliveries(Query(id=accepted.message_id)))[0]
        lane = self.lanes[name]
        new = Duty(row.delivery.sequence, recalls=recalls)
        if recalls:
            for each in lane.duties:
                each.parks = each.open = False
        lane.duties.append(new)
        assert [each.sequence for each in accepted.ready] == ([new.sequence] if lane.head() is new else [])
        return name, new.sequence

    @rule(
        which=deliveries,
        state=st.sampled_from((*ENDS, State.DEAD, State.RETRYING, State.AWAITING, State.PARKED)),
        effect=st.sampled_from(tuple(LaneEffect)),
    )
    def settle(self, which: tuple[str, int], state: State, effect: LaneEffect) -> None:
        lane, duty_ = self._find(which)
        if lane.head() is not duty_ and (duty_.holds or duty_.state.terminal):
            return
        if effect is LaneEffect.PARK and state is not State.DEAD:
            effect = LaneEffect.FREE
        if state in (State.RETRYING, State.PARKED):
            effect = LaneEffect.KEEP
        now = self._delivery(duty_.sequence)
        result = self.runner.run(
            self.store.settle(Settlement(now.sequence, now.revision, state, due_ms=NOW, lane=effect))
        )
        left = duty_.holds and (state.terminal or effect is not LaneEffect.KEEP)
        duty_.state = state
        if state.terminal or effect is not LaneEffect.KEEP:
            duty_.holds = False
        if state is State.DEAD:
            duty_.open, duty_.parks = True, effect is LaneEffect.PARK
        if state is State.DELIVERED:
            for each in lane.duties:
                each.overtaken |= each.open and each.sequence < duty_.sequence
        head = lane.head()
        assert (result.next.sequence if result.next else None) == (head.sequence if left and head else None)

    @rule(which=deliveries, out_of_order=st.booleans())
    def release(self, which: tuple[str, int], out_of_order: bool) -> None:
        lane, duty_ = self._find(which)
        dead = duty_.state is State.DEAD and duty_.open and (out_of_order or not duty_.overtaken)
        if self._operate(Verb.RELEASE, duty_, dead or duty_.state is State.PARKED, out_of_order):
            duty_.state, duty_.holds = State.PENDING, True
            duty_.parks = duty_.open = duty_.overtaken = False
        assert lane is self.lanes[which[0]]

    @rule(which=deliveries)
    def discard(self, which: tuple[str, int]) -> None:
        _, duty_ = self._find(which)
        if self._operate(Verb.DISCARD, duty_, duty_.state is State.DEAD and duty_.open):
            duty_.parks = duty_.open = False

    @rule(which=deliveries)
    def hold(self, which: tuple[str, int]) -> None:
        _, duty_ = self._find(which)
        if self._operate(Verb.HOLD, duty_, duty_.state in (State.PENDING, State.RETRYING)):
            duty_.state = State.HELD

    @rule(which=deliveries)
    def unhold(self, which: tuple[str, int]) -> None:
        _, duty_ = self._find(which)
        if self._operate(Verb.UNHOLD, duty_, duty_.state in (State.HELD, State.PARKED)):
            duty_.state = State.PENDING

    @rule(target=deliveries, which=deliveries)
    @precondition(lambda self: any(lane.duties for lane in self.lanes.values()))
    def resend(self, which: tuple[str, int]) -> tuple[str, int]:
        lane, duty_ = self._find(which)
        if duty_.state.terminal:
            again = self.runner.run(self.store.operate(operation(Verb.RESEND, duty_.sequence)))
            lane.duties.append(Duty(again.sequence))
            return which[0], again.sequence
        self._operate(Verb.RESEND, duty_, False)
        return which

    # ------------------------------------------------------------- what always holds

    @invariant()
    def heads_are_as_the_model_says(self) -> None:
        rows = {row.delivery.sequence: row for row in self._rows()}
        for lane in self.lanes.values():
            head = lane.head()
            for each in lane.duties:
                row = rows[each.sequence]
                assert row.delivery.state is each.state
                assert row.open == each.open
                if each.holds:
                    assert row.blocked == (each is not head)
        due = {each.sequence for each in self.runner.run(self.store.due(EMR, NOW, 1000))}
        heads = [lane.head() for lane in self.lanes.values()]
        beside = [each for lane in self.lanes.values() for each in lane.duties if not each.holds]
        assert due == {
            each.sequence
            for each in (*heads, *beside)
            if each is not None and each.state in (State.PENDING, State.RETRYING)
        }

    @invariant()
    def counts_are_conserved(self) -> None:
        tally = self.runner.run(self.store.tally())
        counted = Counter(row.delivery.state for row in self._rows())
        assert tally.conserved
        assert {state: n for state, n in tally.states.items() if n} == dict(counted)

    # ------------------------------------------------------------- reading

    def _operate(self, verb: Verb, duty_: Duty, allowed: bool, out_of_order: bool = False) -> bool:
        call = self.store.operate(operation(verb, duty_.sequence, out_of_order=out_of_order))
        if not allowed:
            with pytest.raises(Conflict):
                self.runner.run(call)
            return False
        self.runner.run(call)
        return True

    def _find(self, which: tuple[str, int]) -> tuple[Lane, Duty]:
        lane = self.lanes[which[0]]
        return lane, next(each for each in lane.duties if each.sequence == which[1])

    def _rows(self) -> list[DeliveryRow]:
        return list(self.runner.run(self.store.deliveries(Query(limit=10_000))))

    def _delivery(self, sequence: int) -> Delivery:
        return next(row.delivery for row in self._rows() if row.delivery.sequence == sequence)


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


TestWalk = Walk.TestCase
TestWalk.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
