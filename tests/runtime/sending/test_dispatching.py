"""The ordinary way and the schedule: sent at once, tried again when due, handed over, given up."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from engine.errors import Deferred, Permanent, Rejected, Transient
from engine.model import Attempt, Body, Reply, Result, State
from engine.runtime.sending.policy import Retry
from engine.store.protocol import Rendering
from tests.runtime.sending.house import EMR, MAIL, OK, QUEUE, house

ABSENT = Transient("absent", code="absent")
SILENT = Transient("no answer", code="timeout", sent=True)


async def test_an_accepted_message_is_sent_at_once_and_delivered(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        message = await home.accept(text="hello")
        await home.quiet()
        assert [(sent.endpoint, sent.body, sent.number) for sent in home.sent] == [(EMR, b"hello", 1)]
        assert await home.state(message) is State.DELIVERED
        assert home.counters.totals[("settled", (("endpoint", EMR), ("state", "delivered")))] == 1


async def test_the_trace_travels_on_whether_the_delivery_is_at_hand_or_in_the_store(tmp_path: Path) -> None:
    headers = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "x-secret": "not theirs"}
    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [ABSENT, OK]
        await home.accept(lane="k", headers=headers)
        await home.accept(lane="k", headers=headers)
        await home.put(headers=headers)
        home.dispatcher.kick()
        await home.forward(60)
    assert len(home.sent) == 4
    assert [dict(sent.headers) for sent in home.sent] == [{"traceparent": headers["traceparent"]}] * 4


async def test_the_observed_delays_are_the_drawn_ones(tmp_path: Path) -> None:
    async with house(tmp_path, seed=42) as home, home.open():
        home.rules.change(retry=Retry(first=2.0, ceiling=300.0, budget=86_400.0))
        home.rules.change_endpoint(EMR, breaker_failures=0)
        home.scripts[EMR] = [*[ABSENT] * 9, OK]
        message = await home.accept()
        await home.forward(7200)
        rng = random.Random(42)
        expected = [rng.uniform(0.0, min(300.0, 2.0 * 2 ** (n - 1))) for n in range(1, 10)]
        gaps = [(b.at_ms - a.at_ms) / 1000 for a, b in zip(home.sent, home.sent[1:], strict=False)]
        assert gaps == pytest.approx(expected, abs=0.002)
        assert await home.state(message) is State.DELIVERED
        assert {sent.message_id for sent in home.sent} == {message}
        assert [sent.number for sent in home.sent] == list(range(1, 11))


async def test_retry_after_is_waited_for(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [Transient("busy", code="503", retry_after=100.0), OK]
        await home.accept()
        await home.forward(99.9)
        assert len(home.sent) == 1
        await home.forward(0.2)
        assert len(home.sent) == 2


async def test_a_spent_budget_hands_the_same_message_to_each_fallback_and_ends_dead(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(
            retry=Retry(budget=60.0),
            fallback_retry={QUEUE: Retry(budget=30.0), MAIL: Retry(attempts=1)},
        )
        for name in (EMR, QUEUE, MAIL):
            home.scripts[name] = [ABSENT]
            home.rules.change_endpoint(name, breaker_failures=0)
        message = await home.accept(chain=(EMR, QUEUE, MAIL))
        await home.forward(600)
        row = (await home.row(message)).delivery
        assert (row.state, row.reason, row.hop) == (State.DEAD, "budget", 2)
        at = {
            name: [sent.at_ms for sent in home.sent if sent.endpoint == name] for name in (EMR, QUEUE, MAIL)
        }
        assert at[EMR][-1] - at[EMR][0] == 60_000, "the last attempt is at the end of the budget"
        assert at[QUEUE][0] == at[EMR][-1] and at[QUEUE][-1] - at[QUEUE][0] == 30_000
        assert len(at[MAIL]) == 1
        assert {sent.message_id for sent in home.sent} == {message}


async def test_a_fallback_gets_its_own_rendering(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        from engine.model import Hop

        home.scripts[EMR] = [Permanent("moved", code="301")]
        rendered = (
            Rendering("rendered", Body.of(b"content"), "application/json"),
            Rendering("rendered:mail", Body.of(b"a notice"), "text/plain"),
        )
        message = await home.accept(renderings=rendered, hops=(Hop(EMR), Hop(MAIL, "rendered:mail")))
        await home.quiet()
        assert [(sent.endpoint, sent.body) for sent in home.sent] == [(EMR, b"content"), (MAIL, b"a notice")]
        assert await home.state(message) is State.DELIVERED_BY_FALLBACK


async def test_a_rejected_message_is_dead_and_its_evidence_kept(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [Rejected("refused", code="422", reply=Reply("422", b"no such field"))]
        message = await home.accept(chain=(EMR, QUEUE))
        await home.quiet()
        row = (await home.row(message)).delivery
        assert (row.state, row.reason, len(home.sent)) == (State.DEAD, "422", 1)
        (attempt,) = await home.attempts(message)
        assert (attempt.result, attempt.code) == (Result.REJECTED, "422")
        evidence = await home.store.body(row.message, f"evidence:{row.sequence}:1")
        assert evidence is not None and evidence.read() == b"no such field"


async def test_an_exception_that_nobody_named_is_insisted_on_and_counted_apart(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [ZeroDivisionError("Tremblay"), OK]
        message = await home.accept()
        await home.forward(10)
        assert await home.state(message) is State.DELIVERED
        first, _ = await home.attempts(message)
        assert (first.result, first.code, first.remark) == (Result.BUG, "bug", "ZeroDivisionError")
        assert home.counters.totals[("bugs", (("where", "send"),))] == 1


async def test_a_cancellation_that_leaks_out_of_a_channel_ends_no_worker(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        import asyncio

        async def leak(attempt: Attempt) -> Reply:
            gone: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            gone.cancel()
            return await gone

        home.scripts[EMR] = [leak, OK]
        message = await home.accept()
        await home.forward(10)
        assert await home.state(message) is State.DELIVERED
        assert (await home.attempts(message))[0].result is Result.BUG


async def test_an_unknown_outcome_is_counted_and_sent_again_under_the_same_id(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [SILENT, SILENT, OK]
        message = await home.accept()
        await home.forward(60)
        row = (await home.row(message)).delivery
        assert (row.state, row.unknown, row.attempts) == (State.DELIVERED, 2, 3)
        assert {sent.message_id for sent in home.sent} == {message}


async def test_a_gone_endpoint_is_disabled_until_somebody_enables_it(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [Permanent("gone", code="410", disable=True), OK]
        first = await home.accept(chain=(EMR, QUEUE))
        await home.quiet()
        second = await home.accept(chain=(EMR, QUEUE))
        alone = await home.accept(chain=(EMR,))
        await home.quiet()
        assert [sent.endpoint for sent in home.sent] == [EMR, QUEUE, QUEUE]
        assert await home.state(first) is State.DELIVERED_BY_FALLBACK
        assert await home.state(second) is State.DELIVERED_BY_FALLBACK
        assert await home.state(alone) is State.PENDING, "without a fallback it waits, and spends nothing"
        await home.gates.enable(EMR, actor="alice")
        await home.quiet()
        assert await home.state(alone) is State.DELIVERED


async def test_a_message_that_expires_while_it_waits_is_not_sent(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [Transient("busy", code="503", retry_after=600.0), OK]
        message = await home.accept(expire_ms=home.clock.now_ms() + 60_000)
        await home.forward(3600)
        assert await home.state(message) is State.EXPIRED
        assert len(home.sent) == 1


async def test_a_confirmation_that_does_not_come_in_time_is_asked_for_again(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change_endpoint(EMR, confirm_within=60.0)
        home.scripts[EMR] = [Reply("202", awaiting=True), OK]
        first = await home.accept(lane="a")
        second = await home.accept(lane="a")
        await home.quiet()
        assert await home.state(first) is State.AWAITING
        assert await home.state(second) is State.DELIVERED, "awaiting frees the lane"
        await home.forward(70)
        row = (await home.row(first)).delivery
        assert (row.state, row.unknown) == (State.DELIVERED, 1)


async def test_a_corrupt_body_is_quarantined_and_never_sent(tmp_path: Path) -> None:
    import apsw

    async with house(tmp_path) as home:
        accepted = await home.put(text="Tremblay")
        writer = apsw.Connection(str(tmp_path / "store.db"))
        writer.execute("UPDATE bodies SET bytes = x'00' WHERE bytes IS NOT NULL")
        writer.close()
        async with home.open():
            await home.quiet()
            row = (await home.row(accepted.message_id)).delivery
            assert (row.state, row.reason, home.sent) == (State.DEAD, "corrupt", [])


async def test_what_the_partner_is_not_ready_for_waits_without_spending_anything(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(retry=Retry(first=1.0, ceiling=1.0, budget=60.0, attempts=2))
        home.rules.change_endpoint(EMR, breaker_failures=1)
        unready = Deferred("unknown patient", retry_after=900.0, code="AE_204", reply=Reply("AE", b"204"))
        home.scripts[EMR] = [*[unready] * 5, OK]
        message = await home.accept(lane="k")
        follower = await home.accept(lane="k")
        await home.forward(899)
        row = (await home.row(message)).delivery
        assert (row.state, row.reason, row.hop_attempts) == (State.RETRYING, "AE_204", 0)
        assert len(home.sent) == 1

        await home.forward(4_000)

        assert [sent.number for sent in home.sent if sent.message_id == message] == [1, 2, 3, 4, 5, 6]
        assert await home.state(message) is State.DELIVERED
        assert await home.state(follower) is State.DELIVERED
        assert home.breaker == []
        first, *_ = await home.attempts(message)
        assert (first.code, first.evidence) == ("AE_204", b"204")


async def test_a_deferral_starts_the_budget_of_earlier_failures_anew(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(retry=Retry(first=1.0, ceiling=1.0, budget=60.0))
        unready = Deferred("unknown patient", retry_after=900.0, code="AE_204")
        home.scripts[EMR] = [ABSENT, unready, ABSENT, OK]
        message = await home.accept()
        await home.forward(1_000)
        assert await home.state(message) is State.DELIVERED


async def test_what_is_deferred_still_expires(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.scripts[EMR] = [Deferred("unknown patient", retry_after=900.0, code="AE_204")]
        message = await home.accept(expire_ms=home.clock.now_ms() + 60_000)
        await home.forward(61)
        assert await home.state(message) is State.EXPIRED
