"""A sender that waits gets its destination's answer, in time, once, and is told where there will be none."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.config.load import load_configuration
from engine.errors import ConfigurationError
from engine.model import Delivery, Disposition, Receipt, Reply, Result, State
from engine.runtime.sending.sender import Concluded
from engine.store.protocol import AttemptRow, LaneEffect, Settlement
from tests.runtime.receiving.house import House, JsonExchange, house, told
from tests.runtime.receiving.project import assembled, project

CONFIG = """
listen:
  public: {rest: 127.0.0.1:0}
  folder: {file: in, match: "*.json"}
partners:
  index:
    endpoints:
      ask: {inbox: ask, phi: full}
      other: {inbox: other, phi: full}
"""
ASK = """
route: ask
from: {public: POST /ask}
acknowledge: {delivered: 8s}
to: [index.ask]
"""


class Talking(JsonExchange):
    """A sender that can be given an answer."""

    def relay(self, answer: Reply) -> bytes:
        headers: Mapping[str, str] = answer.headers
        return json.dumps(
            {"code": answer.code, "body": answer.body.decode(), "kind": headers.get("content-type", "")}
        ).encode()


@asynccontextmanager
async def asking(folder: Path, route: str = ASK) -> AsyncIterator[House]:
    async with house(folder, assembled(folder, route, config=CONFIG)) as opened:
        yield opened


QUESTION = {"q": 1}


class Asked:
    """One question under way in a house."""

    def __init__(self, inside: House) -> None:
        self.inside = inside
        self.receipt: Receipt | None = None
        self.answered = anyio.Event()

    async def ask(self, question: Mapping[str, object] = QUESTION, **how: Any) -> None:
        """Hand the question in and keep what its sender was told."""
        message = self.inside.message(question, selector="POST /ask", **how)
        self.receipt = await self.inside.reception.intake("public")(message, Talking())
        self.answered.set()

    async def delivery(self, count: int = 1) -> Delivery:
        """Return the newest delivery once so many were offered."""
        with anyio.fail_after(30):
            while len(self.inside.dispatched.offered) < count:
                await self.inside.dispatched.came.wait()
        return self.inside.dispatched.offered[-1]

    async def settle(
        self,
        delivery: Delivery,
        state: State,
        code: str,
        said: bytes,
        *,
        remark: str = "",
        quiet: bool = False,
    ) -> None:
        """Make an attempt's end durable and tell the intake of it, unless `quiet`."""
        results = {State.DELIVERED: Result.DELIVERED, State.DEAD: Result.REJECTED}
        attempt = AttemptRow(
            "index.ask",
            delivery.attempts + 1,
            0,
            1,
            results.get(state, Result.TRANSIENT),
            code,
            remark,
            evidence=said,
        )
        settlement = Settlement(
            delivery.sequence,
            delivery.revision,
            state,
            code,
            attempts=1,
            lane=LaneEffect.FREE,
            attempt=attempt,
        )
        settled = await self.inside.store.settle(settlement)
        if not quiet:
            self.inside.reception.answers.heard(Concluded(delivery, settlement, settled))

    async def pass_time(self, seconds: int) -> None:
        """Let virtual time pass, second by second."""
        for _ in range(seconds):
            await anyio.wait_all_tasks_blocked()
            self.inside.clock.advance_to(self.inside.clock.now_ms() + 1_000)
        await anyio.wait_all_tasks_blocked()

    async def answer(self) -> Receipt:
        """Return what the sender was told."""
        with anyio.fail_after(30):
            await self.answered.wait()
        assert self.receipt is not None
        return self.receipt


@asynccontextmanager
async def asked(inside: House, **how: Any) -> AsyncIterator[Asked]:
    question = Asked(inside)
    async with anyio.create_task_group() as group:
        group.start_soon(partial(question.ask, **how))
        yield question
        group.cancel_scope.cancel()


async def test_the_sender_gets_what_the_destination_answered(tmp_path: Path) -> None:
    async with asking(tmp_path) as inside, asked(inside) as question:
        await question.settle(await question.delivery(), State.DELIVERED, "200", b'{"a": 1}')
        receipt = await question.answer()
        assert receipt.disposition is Disposition.ACCEPTED
        assert told(receipt) == {"code": "200", "body": '{"a": 1}', "kind": "application/json"}


async def test_nothing_is_said_before_the_destination_answered(tmp_path: Path) -> None:
    async with asking(tmp_path) as inside, asked(inside) as question:
        delivery = await question.delivery()
        await question.settle(delivery, State.RETRYING, "503", b"busy")
        await question.pass_time(5)
        assert question.receipt is None


async def test_an_answer_that_no_hint_told_of_is_found_in_the_store(tmp_path: Path) -> None:
    async with asking(tmp_path) as inside, asked(inside) as question:
        await question.settle(await question.delivery(), State.DELIVERED, "200", b"{}", quiet=True)
        await question.pass_time(3)
        assert told(await question.answer())["body"] == "{}"


async def test_after_its_time_the_sender_is_refused_and_the_delivery_goes_on(tmp_path: Path) -> None:
    async with asking(tmp_path) as inside, asked(inside) as question:
        delivery = await question.delivery()
        await question.pass_time(10)
        answer = told(await question.answer())
        assert (answer["disposition"], answer["code"]) == ("refused", "AE")
        assert [fault[2] for fault in answer["faults"]] == ["timeout"]
        assert (await inside.only()).state is delivery.state is State.PENDING


async def test_a_refusal_of_the_partner_is_the_answer(tmp_path: Path) -> None:
    async with asking(tmp_path) as inside, asked(inside) as question:
        await question.settle(await question.delivery(), State.DEAD, "422", b'{"no": 1}')
        assert told(await question.answer())["code"] == "422"


async def test_why_a_question_was_never_put_is_told_to_who_asked_it(tmp_path: Path) -> None:
    why = "match.PatientNam: it is no keyword of DICOM's dictionary"
    async with asking(tmp_path) as inside, asked(inside) as question:
        await question.settle(await question.delivery(), State.DEAD, "query", b"", remark=why)
        [fault] = told(await question.answer())["faults"]
        assert fault[1:] == [f"the destination does not take this: {why}", "undelivered"]


async def test_where_no_answer_will_come_the_sender_is_told_at_once(tmp_path: Path) -> None:
    async with asking(tmp_path) as inside, asked(inside) as question:
        await question.settle(await question.delivery(), State.DEAD, "budget", b"")
        assert [fault[2] for fault in told(await question.answer())["faults"]] == ["undelivered"]


async def test_a_copy_is_given_the_firsts_answer_and_nothing_is_sent_again(tmp_path: Path) -> None:
    async with asking(tmp_path) as inside:
        async with asked(inside, control_id="q-1") as question:
            await question.settle(await question.delivery(), State.DELIVERED, "200", b'{"a": 1}')
            await question.answer()
        async with asked(inside, control_id="q-1") as copy:
            receipt = await copy.answer()
        assert (receipt.disposition, told(receipt)["body"]) == (Disposition.DUPLICATE, '{"a": 1}')
        assert len(await inside.rows()) == 1


async def test_a_copy_of_what_had_no_answer_is_asked_anew(tmp_path: Path) -> None:
    async with asking(tmp_path) as inside:
        async with asked(inside, control_id="q-1") as question:
            await question.settle(await question.delivery(), State.DEAD, "budget", b"")
            await question.answer()
        async with asked(inside, control_id="q-1") as copy:
            await copy.settle(await copy.delivery(2), State.DELIVERED, "200", b'{"a": 2}')
            assert told(await copy.answer())["body"] == '{"a": 2}'


async def test_the_answer_is_changed_by_the_routes_steps(tmp_path: Path) -> None:
    route = ASK.replace(
        "{delivered: 8s}", "{delivered: 8s, steps: [{set: {asked: '{source.q}', a: '{msg.a}!'}}]}"
    )
    async with asking(tmp_path, route) as inside, asked(inside) as question:
        await question.settle(await question.delivery(), State.DELIVERED, "200", b'{"a": "x"}')
        assert json.loads(told(await question.answer())["body"]) == {"a": "x!", "asked": 1}


async def test_the_steps_of_the_answer_see_what_the_routes_steps_kept(tmp_path: Path) -> None:
    steps = "steps: [{extract: {as: doc, from: msg.doc, expect: text/plain}}]\nto:"
    answered = "{delivered: 8s, steps: [{set: {bytes: '{vars.doc.size}'}}]}"
    route = ASK.replace("{delivered: 8s}", answered).replace("to:", steps)
    sent = {"q": 1, "doc": "Ym9uam91cg=="}
    async with asking(tmp_path, route) as inside, asked(inside, question=sent) as question:
        await question.settle(await question.delivery(), State.DELIVERED, "200", b'{"a": "x"}')
        assert json.loads(told(await question.answer())["body"]) == {"a": "x", "bytes": 7}


async def test_an_answer_that_a_step_refuses_is_none(tmp_path: Path) -> None:
    step = "{require: {that: 'msg.a == 1', at: a, message: is not 1}}"
    route = ASK.replace("{delivered: 8s}", f"{{delivered: 8s, timeout: AR, steps: [{step}]}}")
    async with asking(tmp_path, route) as inside, asked(inside) as question:
        await question.settle(await question.delivery(), State.DELIVERED, "200", b'{"a": 2}')
        answer = told(await question.answer())
        assert (answer["code"], [fault[0] for fault in answer["faults"]]) == ("AR", ["a"])


async def test_an_answer_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    route = ASK.replace("{delivered: 8s}", "{delivered: 8s, steps: [{set: {a: b}}]}")
    async with asking(tmp_path, route) as inside, asked(inside) as question:
        await question.settle(await question.delivery(), State.DELIVERED, "200", b"<html>")
        assert [fault[2] for fault in told(await question.answer())["faults"]] == ["malformed"]


async def test_nobody_is_remembered_who_does_not_wait_any_more(tmp_path: Path) -> None:
    async with asking(tmp_path) as inside:
        async with asked(inside) as question:
            await question.delivery()
        assert inside.reception.answers._expected == {}


@pytest.mark.parametrize(
    ("route", "told_of"),
    [
        (ASK.replace("{public: POST /ask}", "folder"), '4:1: error: nobody waits for an answer at "folder"'),
        (ASK.replace("[index.ask]", "[index.ask, index.other]"), "5:1: error: the sender gets one answer"),
        (ASK + "order_by: msg.q\n", "6:1: error: whoever waits for an answer does not wait behind others"),
        (ASK + "steps: [{split: msg.list}]\n", "4:1: error: the sender gets one answer"),
        (ASK.replace("delivered: 8s", "delivered: soon"), '4:26: error: "soon"'),
        (ASK.replace("{delivered: 8s}", "deliverd"), '4:14: error: "deliverd" is none of'),
        (ASK.replace("8s}", "8s, steps: [{set: {a: '{msg.}'}}]}"), "4:5"),
    ],
)
def test_what_cannot_answer_is_refused_at_its_place(tmp_path: Path, route: str, told_of: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_configuration(project(tmp_path, route.lstrip(), config=CONFIG), environ={})
    line, _, text = told_of.partition(":")
    assert f"ask.yaml:{int(line) - 1}:{text}" in str(caught.value)
