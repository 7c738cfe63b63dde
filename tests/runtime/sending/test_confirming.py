"""Confirmations that come later: on time, early, late, after a restart, from elsewhere, refusing, or of nobody's."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from engine.errors import Deferred, Permanent, Rejected, Transient
from engine.model import Attempt, Confirmation, Reply, Result, State
from engine.runtime.sending.policy import Retry
from engine.store.protocol import Verb
from tests.runtime.sending.house import EMR, OK, QUEUE, House, house
from tests.store.making import operation

TAKEN = Reply("CA", b"MSA|CA|1", awaiting=True)
YES = Reply("AA", b"MSA|AA|1")
NO = Reply("AE", b"MSA|AE|1")


def said(reference: str, reply: Reply = YES, *, endpoint: str = EMR, **more: object) -> Confirmation:
    return Confirmation(reference, reply, endpoint=endpoint, **more)  # type: ignore[arg-type]  # its other fields


async def taken(home: House, **more: object) -> str:
    """Let a message be taken that is confirmed later."""
    home.scripts[EMR] = [TAKEN]
    message = await home.accept(**more)
    await home.quiet()
    assert await home.state(message) is State.AWAITING
    return message


async def test_a_confirmation_delivers_and_is_kept_as_the_attempts_answer(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        message = await taken(home)
        home.clock.advance_to(home.clock.now_ms() + 3_000)

        assert await home.dispatcher.confirm(said(message))

        assert await home.state(message) is State.DELIVERED
        (attempt,) = await home.attempts(message)
        assert (attempt.number, attempt.code, attempt.evidence) == (1, "AA", b"MSA|AA|1")
        assert (attempt.took_ms, attempt.remark) == (3_000, "taken with CA")
        assert len(home.sent) == 1
        assert home.settled[-1].settlement.state is State.DELIVERED


async def test_a_forwarded_message_is_confirmed_by_its_senders_own_id(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        message = await taken(home, control="MSG00001")
        assert await home.dispatcher.confirm(said("MSG00001"))
        assert await home.state(message) is State.DELIVERED


async def test_a_part_is_confirmed_by_its_own_id_and_by_no_other(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        message = await taken(home, control="MSG00001", message_id="01PART")
        assert not await home.dispatcher.confirm(said("MSG00001"))
        assert not await home.dispatcher.confirm(said(message))
        assert await home.dispatcher.confirm(said("01PART"))


async def test_a_confirmation_on_a_connection_of_its_own_is_known_by_its_partner(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        message = await taken(home)
        assert not await home.dispatcher.confirm(said(message, endpoint="", partner="laboratory"))
        assert not await home.dispatcher.confirm(said(message, endpoint="", partner=None))
        assert not await home.dispatcher.confirm(said(message, endpoint=QUEUE))
        assert await home.dispatcher.confirm(said(message, endpoint="", partner="clinic"))


async def test_what_nobody_waits_for_is_said_so(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        message = await home.accept()
        await home.quiet()
        assert not await home.dispatcher.confirm(said(message))
        assert not await home.dispatcher.confirm(said("nobody's"))


async def test_the_second_confirmation_finds_nothing_left(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        message = await taken(home)
        assert await home.dispatcher.confirm(said(message))
        assert not await home.dispatcher.confirm(said(message))


async def test_two_confirmations_at_once_settle_once(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        message = await taken(home)
        told: list[bool] = []

        async def confirm() -> None:
            told.append(await home.dispatcher.confirm(said(message)))

        async with anyio.create_task_group() as group:
            group.start_soon(confirm)
            group.start_soon(confirm)

        assert sorted(told) == [False, True]
        assert [each.settlement.state for each in home.settled] == [State.AWAITING, State.DELIVERED]


async def test_a_refusal_of_the_content_is_a_dead_letter_with_its_evidence(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(parks=True)
        message = await taken(home, lane="k", chain=(EMR, QUEUE))
        refusal = Rejected("refused", code="AE_101", reply=NO)

        assert await home.dispatcher.confirm(said(message, NO, refusal=refusal))

        row = await home.row(message)
        assert (row.delivery.state, row.delivery.reason, row.open) == (State.DEAD, "AE_101", True)
        (attempt,) = await home.attempts(message)
        assert (attempt.result, attempt.code, attempt.evidence) == (Result.REJECTED, "AE_101", b"MSA|AE|1")
        follower = await home.accept(lane="k")
        await home.quiet()
        assert await home.state(follower) is State.PENDING


async def test_a_refusal_that_may_pass_is_tried_again_under_the_same_id(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        message = await taken(home)
        home.scripts[EMR] = [OK]

        assert await home.dispatcher.confirm(said(message, NO, refusal=Transient("later", code="AE_207")))
        row = (await home.row(message)).delivery
        assert (row.state, row.reason, row.attempts) == (State.RETRYING, "AE_207", 1)
        await home.forward(60)

        assert await home.state(message) is State.DELIVERED
        assert [(sent.message_id, sent.number) for sent in home.sent] == [(message, 1), (message, 2)]


async def test_a_refusal_of_the_endpoint_goes_to_the_fallback(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        message = await taken(home, chain=(EMR, QUEUE))
        assert await home.dispatcher.confirm(said(message, NO, refusal=Permanent("not here", code="AR_201")))
        await home.quiet()
        assert await home.state(message) is State.DELIVERED_BY_FALLBACK


async def test_a_partner_that_is_not_ready_is_asked_again_when_it_said(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        message = await taken(home)
        home.scripts[EMR] = [OK]
        refusal = Deferred("not yet", retry_after=900.0, code="AE_204")
        assert await home.dispatcher.confirm(said(message, NO, refusal=refusal))
        await home.forward(899)
        assert len(home.sent) == 1
        await home.forward(2)
        assert await home.state(message) is State.DELIVERED


async def test_a_late_confirmation_spares_the_next_attempt(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(retry=Retry(first=200.0, ceiling=200.0))
        home.rules.change_endpoint(EMR, confirm_within=60.0)
        message = await taken(home)
        await home.forward(60.001)
        row = (await home.row(message)).delivery
        assert (row.state, row.reason, row.unknown) == (State.RETRYING, "unconfirmed", 1)

        assert await home.dispatcher.confirm(said(message))
        await home.forward(600)

        assert await home.state(message) is State.DELIVERED
        assert len(home.sent) == 1


async def test_a_late_refusal_that_may_pass_changes_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(retry=Retry(first=200.0, ceiling=200.0))
        home.rules.change_endpoint(EMR, confirm_within=60.0)
        message = await taken(home)
        await home.forward(60.001)
        before = (await home.row(message)).delivery
        assert await home.dispatcher.confirm(said(message, NO, refusal=Transient("later")))
        assert (await home.row(message)).delivery == before


async def test_the_first_choice_may_confirm_after_the_fallback_took_over(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(retry=Retry(attempts=1))
        home.rules.change_endpoint(EMR, confirm_within=60.0)
        home.scripts[QUEUE] = [Transient("absent")]
        message = await taken(home, chain=(EMR, QUEUE))
        await home.forward(61)
        assert (await home.row(message)).delivery.hop == 1

        assert await home.dispatcher.confirm(said(message))

        row = (await home.row(message)).delivery
        assert (row.state, row.hop) == (State.DELIVERED, 0)


async def test_a_confirmation_is_taken_after_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        async with home.open():
            message = await taken(home)
        clock = home.clock
    async with house(tmp_path, clock=clock) as home, home.open():
        assert await home.dispatcher.confirm(said(message))
        assert await home.state(message) is State.DELIVERED


async def test_a_confirmation_that_overtakes_the_settlement_of_its_own_answer_waits_for_it(
    tmp_path: Path,
) -> None:
    told: list[bool] = []
    async with house(tmp_path) as home, home.open() as group:

        async def confirm(reference: str) -> None:
            told.append(await home.dispatcher.confirm(said(reference)))

        async def answer(attempt: Attempt) -> Reply:
            group.start_soon(confirm, "MSG00001")
            await anyio.lowlevel.checkpoint()
            return TAKEN

        home.scripts[EMR] = [answer]
        message = await home.accept(control="MSG00001")
        await home.quiet()
        while not told:
            await anyio.lowlevel.checkpoint()
        assert told == [True]
        assert await home.state(message) is State.DELIVERED


async def test_an_early_confirmation_of_nobodys_is_let_go_when_the_send_has_ended(tmp_path: Path) -> None:
    told: list[bool] = []
    async with house(tmp_path) as home, home.open() as group:

        async def confirm() -> None:
            told.append(await home.dispatcher.confirm(said("nobody's")))

        async def answer(attempt: Attempt) -> Reply:
            group.start_soon(confirm)
            await anyio.lowlevel.checkpoint()
            return OK

        home.scripts[EMR] = [answer]
        await home.accept()
        await home.quiet()
        while not told:
            await anyio.lowlevel.checkpoint()
        assert told == [False]


async def test_a_reference_that_two_messages_bear_is_credited_to_neither(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        one = await taken(home, control="1")
        other = await taken(home, control="1")
        assert not await home.dispatcher.confirm(said("1"))
        assert {await home.state(one), await home.state(other)} == {State.AWAITING}
        assert await home.dispatcher.confirm(said(one))
        assert await home.dispatcher.confirm(said("1"))


@pytest.mark.parametrize("confirmed", [True, False])
async def test_an_endpoint_may_keep_its_lane_until_the_confirmation(tmp_path: Path, confirmed: bool) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change_endpoint(EMR, confirmed_in_order=confirmed)
        first = await taken(home, lane="k")
        second = await home.accept(lane="k")
        await home.quiet()
        assert len(home.sent) == (1 if confirmed else 2)
        assert await home.dispatcher.confirm(said(first))
        await home.quiet()
        assert [sent.message_id for sent in home.sent] == [first, second]


async def test_a_refused_head_keeps_its_place_where_the_lane_waits_for_confirmations(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change_endpoint(EMR, confirmed_in_order=True)
        first = await taken(home, lane="k")
        second = await home.accept(lane="k")
        home.scripts[EMR] = [OK]
        assert await home.dispatcher.confirm(said(first, NO, refusal=Transient("later", code="AE")))
        await home.forward(60)
        assert [sent.message_id for sent in home.sent] == [first, first, second]


async def test_a_confirmation_beside_an_operators_hold_is_taken(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(retry=Retry(first=10_000.0, ceiling=10_000.0))
        home.rules.change_endpoint(EMR, confirm_within=60.0)
        message = await taken(home)
        await home.forward(61)
        await home.store.operate(operation(Verb.HOLD, (await home.row(message)).delivery.sequence))
        assert await home.state(message) is State.HELD
        assert await home.dispatcher.confirm(said(message))
        assert await home.state(message) is State.DELIVERED


async def test_a_confirmation_that_meets_the_next_attempt_waits_for_its_end(tmp_path: Path) -> None:
    told: list[bool] = []
    async with house(tmp_path) as home, home.open() as group:
        home.rules.change_endpoint(EMR, confirm_within=60.0)
        message = await taken(home)

        async def confirm() -> None:
            told.append(await home.dispatcher.confirm(said(message)))

        async def answer(attempt: Attempt) -> Reply:
            group.start_soon(confirm)
            await anyio.lowlevel.checkpoint()
            assert told == []
            return TAKEN

        home.scripts[EMR] = [answer]
        await home.forward(120)
        while not told:
            await anyio.lowlevel.checkpoint()
        assert told == [True]
        assert await home.state(message) is State.DELIVERED
