"""Breaker, gates, rates and maintenance: nothing is spent while they keep a delivery back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import anyio
import pytest

from engine.errors import Transient
from engine.model import Attempt, Reply, State
from engine.runtime.sending import window as windows
from engine.runtime.sending.breaker import Phase
from engine.runtime.sending.gates import Subject
from engine.runtime.sending.policy import Maintenance, Retry
from engine.testing.virtual_clock import VirtualClock
from tests.runtime.sending.house import EMR, OK, QUEUE, house

ABSENT = Transient("absent", code="absent")
MINUTE = 60_000


# ----------------------------------------------------------------- breaker


async def test_an_open_breaker_spends_no_attempts_and_one_probe_opens_the_way(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change_endpoint(EMR, breaker_failures=3, breaker_open=100.0)
        home.rules.change(retry=Retry(first=0.1, ceiling=0.1))
        home.scripts[EMR] = [*[ABSENT] * 3, OK]
        ids = [await home.accept() for _ in range(3)]
        await home.quiet()
        assert home.dispatcher.breaker_phase(EMR) is Phase.OPEN
        await home.forward(99)
        assert len(home.sent) == 3
        await home.forward(2)
        assert [await home.state(each) for each in ids] == [State.DELIVERED] * 3
        assert [phase for _, phase in home.breaker] == [Phase.OPEN, Phase.HALF_OPEN, Phase.CLOSED]


async def test_heads_behind_an_open_breaker_go_to_their_fallback_in_time(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(fallback_after=900.0)
        home.rules.change_endpoint(EMR, breaker_failures=1, breaker_open=10_000.0)
        home.scripts[EMR] = [ABSENT]
        began = home.clock.now_ms()
        ids = [await home.accept(chain=(EMR, QUEUE), after=900.0) for _ in range(3)]
        ids.append(await home.accept(lane="x", chain=(EMR, QUEUE), after=900.0))
        await home.forward(899)
        assert QUEUE not in {sent.endpoint for sent in home.sent}
        await home.forward(2)
        assert [await home.state(each) for each in ids] == [State.DELIVERED_BY_FALLBACK] * 4
        assert {sent.at_ms - began for sent in home.sent if sent.endpoint == QUEUE} == {900_000}


async def test_a_message_that_always_fails_does_not_close_the_endpoint_to_others(tmp_path: Path) -> None:
    async def answer(attempt: Attempt) -> Reply:
        if attempt.body.read() == b"poison":
            raise Transient("500", code="500")
        return OK

    async with house(tmp_path) as home, home.open():
        home.rules.change_endpoint(EMR, breaker_failures=2, breaker_open=1000.0)
        home.rules.change(retry=Retry(first=0.1, ceiling=0.1))
        home.scripts[EMR] = [answer]
        await home.accept(lane="a", text="poison")
        await home.forward(5)
        assert home.dispatcher.breaker_phase(EMR) is Phase.OPEN
        healthy = await home.accept(lane="b", text="fine")
        await home.quiet()
        assert await home.state(healthy) is State.DELIVERED


# ----------------------------------------------------------------- gates


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        (Subject.ROUTE, "appointments"),
        (Subject.DESTINATION, "appointments/emr"),
        (Subject.ENDPOINT, EMR),
    ],
)
async def test_a_pause_spends_nothing_and_resume_sends_at_once(
    tmp_path: Path, subject: Subject, name: str
) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(retry=Retry(first=2.0, ceiling=2.0, budget=60.0))
        home.scripts[EMR] = [ABSENT, ABSENT, OK]
        message = await home.accept()
        await home.quiet()
        await home.gates.pause(subject, name, actor="alice")
        await home.forward(86_400)
        assert len(home.sent) == 1
        await home.gates.resume(subject, name, actor="alice")
        await home.forward(10)
        row = (await home.row(message)).delivery
        assert (row.state, row.attempts) == (State.DELIVERED, 3), (
            "a day of pause must not spend a minute's budget"
        )


async def test_a_pause_outlives_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        await home.gates.pause(Subject.ROUTE, "appointments", actor="alice")
        message = await home.accept()
        await home.quiet()
        clock = home.clock
    async with house(tmp_path, clock=clock) as home, home.open():
        await home.forward(60)
        assert home.sent == []
        await home.gates.resume(Subject.ROUTE, "appointments", actor="alice")
        await home.quiet()
        assert await home.state(message) is State.DELIVERED


async def test_a_paused_route_does_not_stop_another_route_to_the_same_endpoint(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        await home.put_many(windows.LIMIT + 50, route="paused", destination="x")
        other = (await home.put(route="appointments")).message_id
        await home.gates.pause(Subject.ROUTE, "paused", actor="alice")
        async with home.open():
            await home.quiet()
            assert await home.state(other) is State.DELIVERED
            assert len(home.sent) == 1
            fresh = await home.accept(route="appointments")
            await home.accept(route="paused")
            await home.quiet()
            assert await home.state(fresh) is State.DELIVERED
            await home.gates.resume(Subject.ROUTE, "paused", actor="alice")
            await home.quiet()
            assert (await home.store.tally()).states[State.DELIVERED] == windows.LIMIT + 53


async def test_a_hold_ends_by_itself(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        await home.gates.hold("clinic", home.clock.now_ms() + 30 * MINUTE, actor="alice")
        message = await home.accept()
        await home.forward(29 * 60)
        assert home.sent == []
        await home.forward(61)
        assert await home.state(message) is State.DELIVERED


async def test_expiry_goes_on_behind_a_gate_and_fallback_does_not(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(fallback_after=900.0)
        await home.gates.pause(Subject.ENDPOINT, EMR, actor="alice")
        waits = await home.accept(chain=(EMR, QUEUE), after=900.0)
        ends = await home.accept(chain=(EMR, QUEUE), after=900.0, expire_ms=home.clock.now_ms() + 30 * MINUTE)
        await home.forward(7200)
        assert await home.state(waits) is State.PENDING
        assert await home.state(ends) is State.EXPIRED
        assert home.sent == []


async def test_after_a_pause_the_fallback_waits_as_long_as_it_would_have(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(fallback_after=900.0)
        home.rules.change_endpoint(EMR, breaker_failures=1, breaker_open=100_000.0)
        home.scripts[EMR] = [ABSENT]
        await home.accept(lane="x", chain=(EMR,))
        await home.accept(lane="y", chain=(EMR,))
        await home.quiet()
        assert home.dispatcher.breaker_phase(EMR) is Phase.OPEN
        message = await home.accept(chain=(EMR, QUEUE), after=900.0)
        await home.forward(300)
        await home.gates.pause(Subject.ENDPOINT, EMR, actor="alice")
        await home.forward(3600)
        await home.gates.resume(Subject.ENDPOINT, EMR, actor="alice")
        await home.forward(595)
        assert await home.state(message) is State.PENDING
        await home.forward(10)
        assert await home.state(message) is State.DELIVERED_BY_FALLBACK


async def test_an_operators_hold_of_one_delivery_ends_with_unhold(tmp_path: Path) -> None:
    from engine.store.protocol import Operation, Verb

    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [Transient("busy", code="503", retry_after=60.0), OK]
        message = await home.accept()
        await home.quiet()
        sequence = (await home.row(message)).delivery.sequence

        async def operate(verb: Verb) -> None:
            now_ms = home.clock.now_ms()
            changed = await home.store.operate(Operation(verb, sequence, "alice", "why", now_ms))
            home.dispatcher.kick(changed.endpoint)

        await operate(Verb.HOLD)
        await home.forward(600)
        assert (await home.state(message), len(home.sent)) == (State.HELD, 1)
        await operate(Verb.UNHOLD)
        await home.quiet()
        assert await home.state(message) is State.DELIVERED


# ----------------------------------------------------------------- rate and maintenance


async def test_a_rate_is_kept_and_the_rest_waits_its_turn(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change_endpoint(EMR, rate=5.0)
        for _ in range(21):
            await home.accept()
        await home.forward(2.0)
        assert 10 <= len(home.sent) <= 11
        await home.forward(10.0)
        assert len(home.sent) == 21
        gaps = [b.at_ms - a.at_ms for a, b in zip(home.sent, home.sent[1:], strict=False)]
        assert min(gaps) >= 199


async def test_a_maintenance_window_costs_nothing_and_is_caught_up_at_its_rate(tmp_path: Path) -> None:
    zone = ZoneInfo("America/Toronto")
    clock = VirtualClock(datetime(2026, 11, 3, 21, 0, tzinfo=zone))
    async with house(tmp_path, clock=clock) as home, home.open():
        home.rules.change_endpoint(
            EMR,
            maintenance=(Maintenance(frozenset({1}), 22 * 60, 2 * 60, "America/Toronto", catch_up=2.0),),
        )
        before = await home.accept()
        await home.quiet()
        assert await home.state(before) is State.DELIVERED
        await home.forward(3600)
        for _ in range(20):
            await home.accept()
        await home.forward(4 * 3600 - 1)
        assert (len(home.sent), home.breaker) == (1, [])
        await home.forward(1 + 5.0)
        assert 10 <= len(home.sent) - 1 <= 12, "afterwards two a second"
        await home.forward(60)
        assert len(home.sent) == 21
        for _ in range(10):
            await home.accept()
        await home.quiet()
        assert len(home.sent) == 31, "once caught up, as fast as ever"


async def test_status_says_what_waits_why_and_until_when(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change_endpoint(EMR, rate=4.0)
        until = home.clock.now_ms() + 30 * MINUTE
        await home.gates.hold("clinic", until, actor="alice")
        for _ in range(8):
            await home.accept()
        (status,) = home.dispatcher.endpoint_status()
        assert (status.name, status.waiting, status.more, status.active) == (EMR, 8, False, 0)
        assert status.gate is not None and status.gate.kind == "hold"
        assert (status.opens_ms, status.rate, status.breaker) == (until, 4.0, Phase.CLOSED)
        assert status.empty_ms(8, home.clock.now_ms()) == until + 2_000


async def test_attempts_under_way_can_be_seen(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        go_on = anyio.Event()

        async def wait(attempt: Attempt) -> Reply:
            await go_on.wait()
            return OK

        home.scripts[EMR] = [wait]
        message = await home.accept()
        await home.until_sent(1)
        (flying,) = home.dispatcher.in_flight()
        assert (flying.message_id, flying.endpoint, flying.number) == (message, EMR, 1)
        assert not home.dispatcher.idle()
        go_on.set()
        await home.quiet()
        assert home.dispatcher.in_flight() == []


# ----------------------------------------------------------------- configuration that changes


async def test_a_removed_destination_is_parked_and_comes_back_with_it(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [Transient("busy", code="503", retry_after=60.0), OK]
        first = await home.accept(lane="a")
        second = await home.accept(lane="a")
        await home.quiet()
        rules = home.rules.of_destination
        home.rules.of_destination = None
        home.dispatcher.policies_changed()
        await home.forward(120)
        assert [await home.state(each) for each in (first, second)] == [State.PARKED, State.PENDING]
        home.rules.of_destination = rules
        home.dispatcher.policies_changed()
        await home.quiet()
        assert [await home.state(each) for each in (first, second)] == [State.DELIVERED, State.DELIVERED]


async def test_an_endpoint_that_is_gone_hands_over_where_there_is_a_fallback(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        del home.rules.endpoints[EMR]
        handed = await home.accept(chain=(EMR, QUEUE))
        parked = await home.accept(chain=(EMR,))
        await home.quiet()
        assert await home.state(handed) is State.DELIVERED_BY_FALLBACK
        assert await home.state(parked) is State.PARKED
        assert {sent.endpoint for sent in home.sent} == {QUEUE}


async def test_one_whose_route_and_endpoint_are_both_gone_is_parked(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        await home.gates.disable(EMR, reason="410")
        home.rules.of_destination = None
        message = await home.accept(chain=(EMR, QUEUE))
        await home.quiet()
        assert await home.state(message) is State.PARKED


async def test_a_budget_ends_behind_an_open_breaker_and_a_message_that_was_never_tried_waits(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(retry=Retry(budget=600.0))
        home.rules.change_endpoint(EMR, breaker_failures=2, breaker_open=100_000.0)
        home.scripts[EMR] = [ABSENT]
        tried = [await home.accept(lane="a"), await home.accept(lane="b")]
        await home.quiet()
        never = await home.accept(lane="c")
        handed = await home.accept(lane="d", chain=(EMR, QUEUE))
        await home.forward(601)
        assert [(await home.row(each)).delivery.reason for each in tried] == ["budget", "budget"]
        assert await home.state(never) is State.PENDING
        assert await home.state(handed) is State.DELIVERED_BY_FALLBACK


async def test_a_shorter_backoff_helps_what_waits_from_its_next_attempt(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change_endpoint(EMR, breaker_failures=0)
        home.rules.change(retry=Retry(first=1000.0, ceiling=1000.0))
        home.scripts[EMR] = [ABSENT]
        await home.accept()
        await home.quiet()
        home.rules.change(retry=Retry(first=1.0, ceiling=1.0))
        home.clock.advance_to(home.clock.now_ms() + 1_000_000)
        await home.forward(30)
        assert len(home.sent) > 20
