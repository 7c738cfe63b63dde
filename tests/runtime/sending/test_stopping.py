"""Stops, crashes and a store that fails: an outcome is never lost, and never sent again because the store was slow."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from engine.clock import Clock
from engine.errors import CommitUnknown, StoreFailed, StoreUnavailable, Transient
from engine.model import Attempt, Delivery, Reply, Result, State
from engine.store.protocol import DeliveryRow, Operation, Query, Settled, Settlement, Store, Verb
from engine.testing.virtual_clock import VirtualClock
from tests.runtime.sending.house import EMR, NINE, OK, QUEUE, House, house

ABSENT = Transient("absent", code="absent")


class Unruly:
    """A store that fails as it is told; everything else is the real one's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.settling: list[str] = []
        self.settled = 0
        self.reading: list[Exception] = []
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def deliveries(self, query: Query) -> Sequence[DeliveryRow]:
        if self.reading:
            raise self.reading.pop()
        return await self._store.deliveries(query)

    async def due(self, endpoint: str, now_ms: int, limit: int, after: int = 0) -> Sequence[Delivery]:
        self.reads += 1
        if self.reading:
            raise self.reading.pop()
        return await self._store.due(endpoint, now_ms, limit, after)

    async def settle(self, settlement: Settlement) -> Settled:
        self.settled += 1
        what = self.settling.pop(0) if self.settling else "well"
        if what == "unavailable":
            raise StoreUnavailable("rolled back")
        if what == "failed":
            raise StoreFailed("EIO")
        if what == "lost":
            raise CommitUnknown("nobody knows")
        if what == "bug":
            raise RuntimeError("what was that?")
        done = await self._store.settle(settlement)
        if what == "unknown":
            raise CommitUnknown("nobody knows")
        return done


def unruly(store: Store, clock: Clock) -> Store:
    wrapped: Any = Unruly(store)
    found: Store = wrapped
    return found


def told(home: House, *what: str) -> Unruly:
    wrapped: Any = home.store
    assert isinstance(wrapped, Unruly)
    wrapped.settling.extend(what)
    return wrapped


def now() -> VirtualClock:
    """A clock that starts where the machine's stands, for what another process left."""
    return VirtualClock(datetime.now(UTC))


# ----------------------------------------------------------------- drain


async def test_a_drain_waits_for_what_is_in_flight_and_starts_nothing_new(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        go_on = anyio.Event()

        async def wait(attempt: Attempt) -> Reply:
            await go_on.wait()
            return OK

        async with home.open() as group:
            home.rules.change_endpoint(EMR, concurrency=1)
            home.scripts[EMR] = [wait, OK]
            first, second = await home.accept(), await home.accept()
            await home.until_sent(1)
            group.start_soon(home.dispatcher.drain, 10.0)
            await anyio.lowlevel.checkpoint()
            third = await home.accept()
            go_on.set()
        assert await home.state(first) is State.DELIVERED
        assert await home.state(second) is State.PENDING
        assert await home.state(third) is State.PENDING
        assert len(home.sent) == 1


async def test_a_send_that_outlives_the_grace_is_broken_off_with_an_unknown_outcome(tmp_path: Path) -> None:
    async with house(tmp_path) as home:

        async def hang(attempt: Attempt) -> Reply:
            await anyio.sleep_forever()
            raise AssertionError

        async with home.open():
            home.scripts[EMR] = [hang]
            message = await home.accept()
            await home.until_sent(1)
            await home.dispatcher.drain(0.01)
        row = (await home.row(message)).delivery
        assert (row.state, row.unknown, row.reason) == (State.RETRYING, 1, "stopped")
        assert home.flight.in_send == ()


async def test_a_channel_that_overruns_its_timeout_is_broken_off(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():

        async def hang(attempt: Attempt) -> Reply:
            await anyio.sleep_forever()
            raise AssertionError

        home.rules.change_endpoint(EMR, timeout=10.0)
        home.scripts[EMR] = [hang, OK]
        message = await home.accept()
        await home.until_sent(1)
        await home.tick_until(lambda: len(home.sent) == 2, step_ms=1_000)
        await home.quiet()
        first, _ = await home.attempts(message)
        assert (first.result, first.code) == (Result.UNKNOWN, "timeout")
        assert first.took_ms >= 15_000


# ----------------------------------------------------------------- crash

CRASH = """
import asyncio, os, signal, sys
from pathlib import Path
import anyio
from engine.clock import SystemClock
from tests.runtime.sending.house import house, EMR, OK, QUEUE

async def main():
    async with house(Path(sys.argv[1]), clock=SystemClock()) as home:
        async def kill(attempt):
            os.kill(os.getpid(), signal.SIGKILL)
        async with home.open():
            home.scripts[EMR] = [OK, kill]
            await home.accept(lane="a", text="a 0")
            await home.quiet()
            await home.put(lane="b", text="b 0")
            await home.accept(lane="a", text="a 1")
            await anyio.sleep(30)

asyncio.run(main())
"""


def crash(folder: Path) -> None:
    """Run a dispatcher that is killed with SIGKILL in its second send."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", CRASH, str(folder)],
        check=False,
        timeout=60,
        cwd=root,
        env={"PYTHONPATH": str(root)},
    )
    assert done.returncode == -signal.SIGKILL


async def test_a_crash_in_a_send_is_an_unknown_outcome_and_is_sent_again(tmp_path: Path) -> None:
    crash(tmp_path)
    async with house(tmp_path, clock=now()) as home, home.open():
        await home.quiet()
        assert sorted((sent.body, sent.number) for sent in home.sent) == [(b"a 1", 2), (b"b 0", 1)]
        tally = await home.store.tally()
        assert (tally.states[State.DELIVERED], tally.conserved) == (3, True)
        (again,) = [sent for sent in home.sent if sent.body == b"a 1"]
        row = (await home.row(again.message_id)).delivery
        assert (row.unknown, row.attempts) == (1, 2)
        assert [attempt.code for attempt in await home.attempts(again.message_id)] == ["crash", "202"]


async def test_a_crash_is_counted_once_however_often_recovery_starts(tmp_path: Path) -> None:
    crash(tmp_path)
    flight = (tmp_path / "flight").read_bytes()
    async with house(tmp_path, clock=now()):
        pass
    (tmp_path / "flight").write_bytes(flight)  # as if the process had died before it cleared the marks
    async with house(tmp_path, clock=now()) as home, home.open():
        await home.quiet()
        (again,) = [sent for sent in home.sent if sent.body == b"a 1"]
        assert (await home.row(again.message_id)).delivery.unknown == 1


async def test_the_attempt_count_and_the_due_time_go_on_after_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [ABSENT, Transient("busy", code="503", retry_after=100.0)]
        message = await home.accept()
        await home.forward(10)
        due_ms = (await home.row(message)).delivery.due_ms
        clock = home.clock
    async with house(tmp_path, clock=clock) as home, home.open():
        await home.forward(200)
        (sent,) = home.sent
        assert (sent.number, sent.at_ms) == (3, due_ms)


# ----------------------------------------------------------------- a store that fails


@pytest.mark.parametrize("what", ["unavailable", "lost", "bug"])
async def test_a_settlement_that_failed_is_insisted_on_and_nothing_is_sent_again(
    tmp_path: Path, what: str
) -> None:
    async with house(tmp_path, wrap=unruly) as home, home.open():
        store = told(home, *[what] * 5)
        first = await home.accept(lane="a", text="a 0")
        second = await home.accept(lane="a", text="a 1")
        await home.until_sent(1)
        await home.tick_until(lambda: store.settled == 7, step_ms=100)
        await home.quiet()
        assert [sent.body for sent in home.sent] == [b"a 0", b"a 1"]
        assert [await home.state(each) for each in (first, second)] == [State.DELIVERED] * 2


async def test_a_commit_of_unknown_outcome_is_looked_up_and_its_lane_goes_on(tmp_path: Path) -> None:
    async with house(tmp_path, wrap=unruly) as home, home.open():
        store = told(home, "unknown")
        first = await home.accept(lane="a", text="a 0")
        second = await home.accept(lane="a", text="a 1")
        await home.quiet()
        assert [sent.body for sent in home.sent] == [b"a 0", b"a 1"]
        assert [await home.state(each) for each in (first, second)] == [State.DELIVERED] * 2
        assert store.settled == 2


async def test_an_outcome_that_cannot_be_settled_before_the_end_stays_in_the_flight_file(
    tmp_path: Path,
) -> None:
    from engine.runtime.flight import Flight

    async with house(tmp_path, wrap=unruly) as home:
        async with home.open():
            told(home, *["unavailable"] * 1000)
            message = await home.accept()
            await home.until_sent(1)
            await home.dispatcher.drain(0.01)
        sequence = (await home.row(message)).delivery.sequence
    flight = Flight.open(tmp_path / "flight")
    assert flight.in_send == ((sequence, 1),)
    flight.close()


async def test_a_disk_that_failed_ends_everything(tmp_path: Path) -> None:
    async with house(tmp_path, wrap=unruly) as home:
        told(home, "failed")
        with pytest.raises(BaseExceptionGroup) as caught:
            async with home.open() as group:
                await home.accept()
                with anyio.fail_after(30):
                    await anyio.sleep_forever()
                group.cancel_scope.cancel()
        assert caught.group_contains(StoreFailed)


async def test_an_operators_change_during_the_send_keeps_the_outcome(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        began, go_on = anyio.Event(), anyio.Event()

        async def wait(attempt: Attempt) -> Reply:
            began.set()
            await go_on.wait()
            return OK

        home.scripts[EMR] = [wait]
        message = await home.accept()
        await began.wait()
        sequence = (await home.row(message)).delivery.sequence
        await home.store.operate(Operation(Verb.HOLD, sequence, "alice", "stop", home.clock.now_ms()))
        home.dispatcher.kick(EMR)
        go_on.set()
        await home.quiet()
        row = (await home.row(message)).delivery
        assert (row.state, row.attempts, len(home.sent)) == (State.DELIVERED, 1, 1)


async def test_an_outcome_survives_a_change_by_an_operator_and_a_store_that_cannot_be_read(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, wrap=unruly) as home, home.open():
        store = told(home)
        began, go_on = anyio.Event(), anyio.Event()

        async def wait(attempt: Attempt) -> Reply:
            began.set()
            await go_on.wait()
            return OK

        home.scripts[EMR] = [wait]
        message = await home.accept()
        await began.wait()
        sequence = (await home.row(message)).delivery.sequence
        await home.store.operate(Operation(Verb.HOLD, sequence, "alice", "stop", home.clock.now_ms()))
        store.reading.extend([StoreUnavailable("locked"), RuntimeError("what?")])
        go_on.set()
        await home.tick_until(lambda: bool(home.settled), step_ms=100)
        await home.quiet()
        assert (await home.state(message), len(home.sent)) == (State.DELIVERED, 1)


async def test_heads_that_cannot_be_read_are_read_again_without_haste(tmp_path: Path) -> None:
    async with house(tmp_path, wrap=unruly) as home:
        message = (await home.put()).message_id
        async with home.open():
            store = told(home)
            store.reading.extend([StoreUnavailable("locked"), RuntimeError("what?")])
            await home.forward(5)
            assert await home.state(message) is State.DELIVERED
            assert store.reads <= 5


async def test_fallback_and_primary_are_never_in_flight_together(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        now: set[str] = set()
        most = 0

        async def answer(attempt: Attempt) -> Reply:
            nonlocal most
            now.add(attempt.endpoint)
            most = max(most, len(now))
            await home.clock.sleep(5.0)
            now.discard(attempt.endpoint)
            if attempt.endpoint == EMR:
                raise ABSENT
            return OK

        home.rules.change(fallback_after=12.0)
        home.scripts[EMR] = home.scripts[QUEUE] = [answer]
        message = await home.accept(chain=(EMR, QUEUE), after=12.0)
        await home.tick_until(
            lambda: bool(home.settled) and home.settled[-1].settlement.state.terminal, step_ms=500
        )
        assert await home.state(message) is State.DELIVERED_BY_FALLBACK
        assert most == 1


# ----------------------------------------------------------------- clocks


async def test_a_wall_clock_set_back_does_not_hold_up_a_retry(tmp_path: Path) -> None:
    class Adjustable(VirtualClock):
        step_ms = 0

        def now_ms(self) -> int:
            return super().now_ms() + self.step_ms

    clock = Adjustable(NINE)
    async with house(tmp_path, clock=clock) as home, home.open():
        home.scripts[EMR] = [Transient("busy", code="503", retry_after=60.0), OK]
        message = await home.accept()
        await home.quiet()
        clock.step_ms = -3 * 3_600_000
        began = clock.monotonic()
        with anyio.fail_after(30):
            while len(home.sent) < 2:
                clock.advance_to(VirtualClock.now_ms(clock) + 1_000)
                await anyio.lowlevel.checkpoint()
        assert clock.monotonic() - began <= 66.0
        await home.quiet()
        assert await home.state(message) is State.DELIVERED


# ----------------------------------------------------------------- routing stored messages


async def test_a_stored_message_is_routed_and_what_it_became_is_sent(tmp_path: Path) -> None:
    from engine.model import Hop
    from engine.store.protocol import LaneEffect, NewDelivery

    async with house(tmp_path) as home, home.open():

        async def route(delivery: Delivery) -> Settlement:
            spawned: Sequence[NewDelivery] = [
                NewDelivery("appointments", "v1", "emr", (Hop(EMR, "raw"),), "", home.clock.now_ms())
            ]
            return Settlement(
                delivery.sequence,
                delivery.revision,
                State.DELIVERED,
                attempts=1,
                lane=LaneEffect.FREE,
                spawn=spawned,
            )

        home.router = route
        home.dispatcher.offer(
            (await home.put(chain=("route:appointments",), destination="", lane="a", text="raw bytes")).ready
        )
        await home.quiet()
        assert [sent.body for sent in home.sent] == [b"raw bytes"]
        assert (await home.store.tally()).states[State.DELIVERED] == 2


async def test_routing_that_fails_is_insisted_on_in_its_lane(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        tries: list[int] = []

        async def route(delivery: Delivery) -> Settlement:
            tries.append(delivery.sequence)
            if len(tries) < 3:
                raise ZeroDivisionError
            return Settlement(delivery.sequence, delivery.revision, State.FILTERED)

        home.router = route
        accepted = await home.put(chain=("route:appointments",), destination="", lane="a")
        home.dispatcher.offer(accepted.ready)
        await home.forward(60)
        assert len(tries) == 3
        assert await home.state(accepted.message_id) is State.FILTERED
        assert home.counters.totals[("bugs", (("where", "route"),))] == 2
