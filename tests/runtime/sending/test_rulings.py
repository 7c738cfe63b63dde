"""What a route says about answers: held, dead, tried again, remembered, and left alone when they cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.codecs import codec
from engine.errors import Transient
from engine.expressions import compile_expression
from engine.model import Confirmation, Reply, Result, State
from engine.runtime.sending.outcome import Outcome
from engine.runtime.sending.rulings import NAMES, Rule, Rulings
from tests.runtime.sending.house import EMR, OK, QUEUE, house

ACK = b"MSH|^~\\&|HIS|HSJ|PSR|PSR|20261102||ACK|1|P|2.5.1\rMSA|AA|9|4711\r"
NAK = b"MSH|^~\\&|HIS|HSJ|PSR|PSR|20261102||ACK|1|P|2.5.1\rMSA|AE|9\rERR||PID^1^3|204^Unknown key|E\r"


def rulings(
    *rules: tuple[str, Any, float], remember: dict[str, str] | None = None, codec_name: str = "hl7v2"
) -> Rulings:
    reader = codec(codec_name)
    return Rulings(
        codec_name,
        tuple(Rule(compile_expression(when, reader, names=NAMES), then, s) for when, then, s in rules),
        tuple(
            (name, compile_expression(text, reader, names=NAMES)) for name, text in (remember or {}).items()
        ),
    )


UNKNOWN = ('reply.ERR-3.1 == "204"', "hold", 900.0)


def test_an_answer_that_a_rule_holds_is_deferred() -> None:
    found = rulings(UNKNOWN).read(Outcome(Result.TRANSIENT, "AE_204", evidence=NAK), 0)
    assert (found.result, found.deferred, found.retry_after) == (Result.TRANSIENT, True, 900.0)


@pytest.mark.parametrize(("then", "result"), [("dead", Result.REJECTED), ("retry", Result.TRANSIENT)])
def test_a_rule_decides_over_the_code_of_an_answer(then: str, result: Result) -> None:
    rule = ('reply.status == "busy"', then, 0.0)
    given = Outcome(Result.DELIVERED, "200", awaiting=True, evidence=b'{"status":"busy"}')
    found = rulings(rule, codec_name="json").read(given, 0)
    assert (found.result, found.awaiting, found.deferred) == (result, False, False)


def test_the_first_rule_that_holds_decides() -> None:
    found = rulings(('reply.MSA-1 == "AE"', "dead", 0.0), UNKNOWN).read(
        Outcome(Result.TRANSIENT, "AE", evidence=NAK), 0
    )
    assert found.result is Result.REJECTED


def test_a_good_answer_teaches_what_it_holds() -> None:
    said = rulings(remember={"his_id": "reply.MSA-3", "absent": "reply.MSA-6", "source": "reply.MSH-3"})
    assert said.read(Outcome(Result.DELIVERED, "AA", evidence=ACK), 0).learnt == (
        ("his_id", "4711"),
        ("source", "HIS"),
    )


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(Result.TRANSIENT, "AE", evidence=ACK),
        Outcome(Result.DELIVERED, "CA", awaiting=True, evidence=ACK),
        Outcome(Result.DELIVERED, "202"),
        Outcome(Result.DELIVERED, "202", evidence=b"thank you"),
    ],
)
def test_other_answers_teach_nothing_and_change_nothing(outcome: Outcome) -> None:
    assert rulings(UNKNOWN, remember={"his_id": "reply.MSA-3"}).read(outcome, 0) == outcome


def test_a_value_without_end_is_no_identifier() -> None:
    long = b'{"id":"' + b"9" * 2000 + b'"}'
    said = rulings(remember={"his_id": "reply.id"}, codec_name="json")
    assert said.read(Outcome(Result.DELIVERED, "200", evidence=long), 0).learnt == ()


async def test_a_held_message_comes_again_when_the_partner_knows_its_patient(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(rulings=rulings(UNKNOWN, remember={"his_id": "reply.MSA-3"}))
        home.scripts[EMR] = [Transient("AE", code="AE_204", reply=Reply("AE", NAK)), Reply("AA", ACK)]
        message = await home.accept(lane="k", remembers=True)
        await home.forward(899)
        assert (await home.row(message)).delivery.reason == "AE_204"
        await home.forward(2)
        assert await home.state(message) is State.DELIVERED
        assert len(home.sent) == 2
        assert dict(await home.store.remembered("k")) == {"his_id": "4711"}


async def test_a_confirmation_is_read_as_an_answer_is(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(rulings=rulings(UNKNOWN, remember={"his_id": "reply.MSA-3"}))
        home.scripts[EMR] = [Reply("CA", b"", awaiting=True)]
        held = await home.accept(lane="a", remembers=True)
        good = await home.accept(lane="b", remembers=True)
        await home.quiet()
        refusal = Transient("AE", code="AE_204", reply=Reply("AE", NAK))
        await home.dispatcher.confirm(Confirmation(held, Reply("AE", NAK), endpoint=EMR, refusal=refusal))
        await home.dispatcher.confirm(Confirmation(good, Reply("AA", ACK), endpoint=EMR))
        row = (await home.row(held)).delivery
        assert (row.state, row.due_ms) == (State.RETRYING, home.clock.now_ms() + 900_000)
        assert dict(await home.store.remembered("b")) == {"his_id": "4711"}


async def test_the_answers_of_a_fallback_are_its_own(tmp_path: Path) -> None:
    async with house(tmp_path) as home, home.open():
        home.rules.change(rulings=rulings(('reply.MSA-1 == "AA"', "dead", 0.0)))
        home.scripts[QUEUE] = [Reply("AA", ACK)]
        message = await home.accept(chain=(QUEUE,), fallback=True)
        home.scripts[EMR] = [OK]
        await home.quiet()
        assert await home.state(message) is State.DELIVERED_BY_FALLBACK
