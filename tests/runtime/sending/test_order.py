"""Order within a lane, and that nobody else suffers from what a lane or an endpoint does (G5, G7)."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import Rejected, Transient
from engine.model import Attempt, Reply, State
from engine.runtime.sending import window as windows
from engine.runtime.sending.policy import Retry
from engine.store.protocol import Operation, Verb
from tests.runtime.sending.house import EMR, OK, House, house

ABSENT = Transient("absent", code="absent")


def bodies(home: House) -> dict[str, list[int]]:
    """Return what was sent by lane: bodies are `lane number`."""
    found: dict[str, list[int]] = defaultdict(list)
    for sent in home.sent:
        lane, number = sent.body.decode().split()
        found[lane].append(int(number))
    return found


async def test_200_keys_with_3_failing_keep_their_order_and_the_others_never_wait(tmp_path: Path) -> None:
    failing = {"k7", "k70", "k170"}
    failures: dict[str, int] = defaultdict(int)

    async def answer(attempt: Attempt) -> Reply:
        lane = attempt.body.read().decode().split()[0]
        if lane in failing and failures[lane] < 6:
            failures[lane] += 1
            raise Transient("not now", code="503")
        return OK

    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [answer]
        home.rules.change(retry=Retry(first=2.0, ceiling=60.0))
        home.rules.change_endpoint(EMR, concurrency=32)
        for number in range(50):
            async with anyio.create_task_group() as group:
                for key in range(200):
                    text = f"k{key} {number}"

                    async def put(text: str = text) -> None:
                        await home.accept(lane=text.partition(" ")[0], text=text)

                    group.start_soon(put)
        await home.quiet()
        neighbours = [lane for lane in (f"k{key}" for key in range(200)) if lane not in failing]
        at_once = bodies(home)
        assert all(at_once[lane] == list(range(50)) for lane in neighbours), (
            "a failing key held up its neighbours"
        )
        await home.forward(3600)
        for lane in failing:
            sent = bodies(home)[lane]
            assert sent == [0] * 6 + list(range(50)), f"{lane} was sent out of order: {sent[:12]}"
        tally = await home.store.tally()
        assert (tally.states[State.DELIVERED], tally.created, tally.conserved) == (10_000, 10_000, True)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    keys=st.lists(st.integers(0, 5), min_size=1, max_size=40),
    fails=st.sets(st.integers(0, 39)),
    concurrency=st.integers(1, 4),
)
def test_any_mix_of_keys_and_failures_is_delivered_in_order(
    tmp_path_factory: pytest.TempPathFactory, keys: list[int], fails: set[int], concurrency: int
) -> None:
    async def run() -> None:
        seen: set[str] = set()

        async def answer(attempt: Attempt) -> Reply:
            text = attempt.body.read().decode()
            if int(text.split()[1]) in fails and text not in seen:
                seen.add(text)
                raise Transient("not now", code="503")
            await anyio.lowlevel.checkpoint()
            return OK

        async with house(tmp_path_factory.mktemp("order")) as home, home.open():
            home.scripts[EMR] = [answer]
            home.rules.change_endpoint(EMR, concurrency=concurrency)
            for number, key in enumerate(keys):
                await home.accept(lane=f"k{key}", text=f"k{key} {number}")
            await home.forward(600)
            delivered = bodies(home)
            for lane, numbers in delivered.items():
                expected = [number for number, key in enumerate(keys) if f"k{key}" == lane]
                assert list(dict.fromkeys(numbers)) == expected
                assert sorted(numbers) == numbers, "a later one passed an earlier one"
            assert (await home.store.tally()).states[State.DELIVERED] == len(keys)

    anyio.run(run)


async def test_order_is_kept_over_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [ABSENT]
        for number in range(5):
            await home.accept(lane="a", text=f"a {number}")
        await home.quiet()
        clock = home.clock
    async with house(tmp_path, clock=clock) as home, home.open():
        await home.forward(3600)
        assert bodies(home)["a"] == [0, 1, 2, 3, 4]


async def test_more_heads_than_a_window_holds_are_all_delivered(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        ids = [(await home.put(text=f"x {number}")).message_id for number in range(windows.LIMIT * 2 + 5)]
        async with home.open():
            await home.accept(text=f"x {len(ids)}")
            await home.quiet()
            assert sorted(bodies(home)["x"]) == list(range(len(ids) + 1)), (
                "the one at the limit must come too"
            )
            assert (await home.store.tally()).states[State.DELIVERED] == len(ids) + 1


async def test_a_head_that_no_hint_told_of_is_found(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        lost = (await home.put()).message_id
        await home.quiet()
        assert home.sent == []
        home.clock.advance_to(home.clock.now_ms() + 5_001)
        await home.until_sent(1)
        await home.quiet()
        assert await home.state(lost) is State.DELIVERED


async def test_a_dead_endpoint_and_a_hanging_one_stop_nobody_else(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        release = anyio.Event()

        async def hang(attempt: Attempt) -> Reply:
            await release.wait()
            return OK

        home.rules.change_endpoint("dead.emr", partner="dead")
        home.rules.change_endpoint("slow.emr", partner="slow", concurrency=2)
        home.scripts["dead.emr"] = [ABSENT]
        home.scripts["slow.emr"] = [hang]
        for _ in range(20):
            await home.accept(chain=("dead.emr",))
            await home.accept(chain=("slow.emr",))
        healthy = [await home.accept() for _ in range(20)]
        await home.until_sent(20, EMR)
        assert sum(sent.endpoint == "slow.emr" for sent in home.sent) == 2
        release.set()
        await home.quiet()
        assert [await home.state(message) for message in healthy] == [State.DELIVERED] * 20


async def test_a_dead_head_parks_its_lane_until_it_is_released(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(parks=True)
        home.scripts[EMR] = [Rejected("refused", code="422"), OK]
        first = await home.accept(lane="a", text="a 0")
        second = await home.accept(lane="a", text="a 1")
        await home.accept(lane="b", text="b 0")
        await home.quiet()
        assert await home.state(second) is State.PENDING
        assert bodies(home) == {"a": [0], "b": [0]}
        sequence = (await home.row(first)).delivery.sequence
        released = await home.store.operate(
            Operation(Verb.RELEASE, sequence, "alice", "fixed", home.clock.now_ms())
        )
        home.dispatcher.kick(released.endpoint)
        await home.quiet()
        assert bodies(home)["a"] == [0, 0, 1]


async def test_a_dead_head_lets_its_lane_go_on_where_the_route_skips(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [Rejected("refused", code="422"), OK]
        await home.accept(lane="a", text="a 0")
        await home.accept(lane="a", text="a 1")
        await home.quiet()
        assert bodies(home)["a"] == [0, 1]


async def test_one_lane_is_never_in_two_sends_even_when_two_rows_of_it_may_go(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        together = 0
        most = 0

        async def answer(attempt: Attempt) -> Reply:
            nonlocal together, most
            together += 1
            most = max(most, together)
            await anyio.sleep(0.01)
            together -= 1
            return OK

        home.rules.change_endpoint(EMR, confirm_within=10.0)
        home.scripts[EMR] = [Reply("202", awaiting=True), answer]
        first = await home.accept(lane="a", text="a 0")
        await home.quiet()
        home.clock.advance_to(home.clock.now_ms() + 30_000)
        await home.accept(lane="a", text="a 1")
        await home.forward(60)
        assert await home.state(first) is State.DELIVERED
        assert most == 1


async def test_a_message_of_two_keys_goes_between_those_of_each(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        for name, lane, also in (
            ("a 1", "a", ()),
            ("b 1", "b", ()),
            ("merge", "a", ("b",)),
            ("b 2", "b", ()),
            ("a 2", "a", ()),
        ):
            await home.accept(lane=lane, also=also, text=name)
        await home.quiet()
        order = [sent.body.decode() for sent in home.sent]
        assert set(order[:2]) == {"a 1", "b 1"}
        assert order[2] == "merge"
        assert set(order[3:]) == {"a 2", "b 2"}
