"""Random merges beside a model of a few lines: the order of every key, heads, and that nothing waits for ever.

Lanes are sets of keys. In the model a delivery may go when no earlier one that still stands, and no earlier dead letter
that stops its lanes, shares a key with it. That order is the sequence's, so no two can wait for each other.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.model import Delivery, State
from engine.store.protocol import LaneEffect, Query, Settlement, Store, Verb
from engine.store.sqlite.store import open_sqlite
from engine.testing.virtual_clock import VirtualClock
from tests.store.making import EMR, NINE, NOW, acceptance, duty, operation

KEYS = ("a", "b", "c", "d")
FIRST = 1_000


@dataclass(slots=True)
class Duty:
    """What the model knows of a delivery."""

    sequence: int
    keys: frozenset[str]
    stands: bool = True
    parks: bool = False
    dead: bool = False
    overtaken: bool = False


class Walk(RuleBasedStateMachine):
    """Accept with one key or several, settle in any way, release, discard, resend, and open the store again."""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.outer = AsyncExitStack()
        self.folder = Path(self.outer.enter_context(tempfile.TemporaryDirectory(dir=_memory())))
        self.duties: list[Duty] = []
        self.store: Store = self.runner.run(self._open())

    async def _open(self) -> Store:
        self.stack = AsyncExitStack()
        opening = open_sqlite(self.folder / "store.db", clock=VirtualClock(NINE), ballast_bytes=0)
        return await self.stack.enter_async_context(opening)

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.stack.aclose())
            self.runner.run(self.outer.aclose())
            self.runner.close()

    # ------------------------------------------------------------- steps

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=3))
    def accept(self, keys: list[str]) -> None:
        new = duty(keys[0], also=tuple(keys[1:]))
        accepted = self.runner.run(self.store.accept(acceptance(new)))
        (row,) = self.runner.run(self.store.deliveries(Query(id=accepted.message_id)))
        made = Duty(row.delivery.sequence, frozenset(keys))
        self.duties.append(made)
        assert [each.sequence for each in accepted.ready] == ([made.sequence] if self._goes(made) else [])

    @rule(
        which=st.integers(0, FIRST),
        state=st.sampled_from((State.DELIVERED, State.DELIVERED, State.DEAD, State.RETRYING, State.AWAITING)),
        effect=st.sampled_from((LaneEffect.FREE, LaneEffect.PARK)),
    )
    @precondition(lambda self: any(self._goes(each) for each in self.duties))
    def settle(self, which: int, state: State, effect: LaneEffect) -> None:
        heads = [each for each in self.duties if self._goes(each)]
        chosen = heads[which % len(heads)]
        before = {each.sequence for each in heads}
        effect = LaneEffect.KEEP if state is State.RETRYING else effect
        if state is State.AWAITING:
            effect = LaneEffect.KEEP
        if state is not State.DEAD and effect is LaneEffect.PARK:
            effect = LaneEffect.FREE
        now = self._delivery(chosen.sequence)
        result = self.runner.run(
            self.store.settle(Settlement(now.sequence, now.revision, state, due_ms=NOW, lane=effect))
        )
        if not state.terminal:
            return
        chosen.stands = False
        chosen.dead = state is State.DEAD
        chosen.parks = chosen.dead and effect is LaneEffect.PARK
        if state is State.DELIVERED:
            for each in self.duties:
                each.overtaken |= (
                    each.dead and each.sequence < chosen.sequence and not each.keys.isdisjoint(chosen.keys)
                )
        told = {each.sequence for each in ((result.next,) if result.next else ())}
        told |= {each.sequence for each in result.heads}
        assert told == {each.sequence for each in self.duties if self._goes(each)} - before

    @rule(which=st.integers(0, FIRST), verb=st.sampled_from((Verb.RELEASE, Verb.DISCARD)))
    @precondition(lambda self: any(each.dead and not each.overtaken for each in self.duties))
    def mend(self, which: int, verb: Verb) -> None:
        letters = [each for each in self.duties if each.dead and not each.overtaken]
        chosen = letters[which % len(letters)]
        self.runner.run(self.store.operate(operation(verb, chosen.sequence)))
        chosen.dead = chosen.parks = False
        chosen.stands = verb is Verb.RELEASE

    @rule(which=st.integers(0, FIRST))
    @precondition(lambda self: any(not each.stands and not each.dead for each in self.duties))
    def resend(self, which: int) -> None:
        ended = [each for each in self.duties if not each.stands and not each.dead]
        chosen = ended[which % len(ended)]
        again = self.runner.run(self.store.operate(operation(Verb.RESEND, chosen.sequence)))
        self.duties.append(Duty(again.sequence, chosen.keys))

    @rule()
    def open_again(self) -> None:
        self.runner.run(self.stack.aclose())
        self.store = self.runner.run(self._open())

    # ------------------------------------------------------------- what always holds

    @invariant()
    def those_who_may_go_are_those_behind_nobody(self) -> None:
        rows = self.runner.run(self.store.deliveries(Query(limit=10_000)))
        blocked = {row.delivery.sequence: row.blocked for row in rows}
        for each in self.duties:
            if each.stands:
                assert blocked[each.sequence] is not self._goes(each), each
        awaits = {row.delivery.sequence for row in rows if row.delivery.state is State.AWAITING}
        due = {each.sequence for each in self.runner.run(self.store.due(EMR, NOW, 10_000))}
        assert due == {each.sequence for each in self.duties if self._goes(each)} - awaits

    @invariant()
    def nothing_waits_for_ever(self) -> None:
        waiting = [each for each in self.duties if each.stands]
        stopped = any(each.parks for each in self.duties)
        assert not waiting or stopped or any(self._goes(each) for each in waiting)

    # ------------------------------------------------------------- the model

    def _goes(self, duty_: Duty) -> bool:
        return duty_.stands and not any(
            each.sequence < duty_.sequence
            and (each.stands or each.parks)
            and not each.keys.isdisjoint(duty_.keys)
            for each in self.duties
        )

    def _delivery(self, sequence: int) -> Delivery:
        rows = self.runner.run(self.store.deliveries(Query(limit=10_000)))
        return next(row.delivery for row in rows if row.delivery.sequence == sequence)


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
