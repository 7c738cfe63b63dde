"""What the way in promises when something fails: nothing lost, nothing hidden, nothing answered from memory."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BudgetExceeded, CommitUnknown, Rejected, StoreUnavailable, Transient, Unmatched
from engine.model import Certificate, Disposition, State
from engine.runtime.routing.program import Program
from engine.store.protocol import Acceptance, Accepted, Operation, Query, Store, Verb
from tests.runtime.receiving.house import DOOR, House, JsonExchange, house, paths, sample, told, with_store
from tests.runtime.receiving.project import CONFIG, SAMPLE, assembled

ANY = "POST /v1/any"
PLAIN = """
route: plain
from: {public: POST /v1/any}
order_by: msg.key
to: [clinique-abc.emr]
"""


@asynccontextmanager
async def routing(folder: Path, *routes: str, config: str = CONFIG) -> AsyncIterator[House]:
    async with house(folder, assembled(folder, *routes, config=config)) as opened:
        yield opened


async def posted(inside: House, content: object = None, **how: Any) -> Any:
    return await inside.post({"key": "k"} if content is None else content, selector=ANY, **how)


class Broken:
    """A step that fails as nobody foresaw, until it is mended."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error: Exception | None = error or ZeroDivisionError("Tremblay 01234")
        self.calls = 0

    def break_in(self, inside: House, route: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the route fail in its steps."""
        original = Program.route

        def failing(program: Program, *given: Any) -> Any:
            if program.name == route:
                self.calls += 1
                if self.error is not None:
                    raise self.error
            return original(program, *given)

        monkeypatch.setattr(Program, "route", failing)


# --------------------------------------------------------------------------- our own bugs


async def test_a_message_that_meets_a_bug_is_kept_and_routed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        bug = Broken()
        bug.break_in(inside, "plain", monkeypatch)
        receipt = await posted(inside)
        waiting = await inside.only()
        assert receipt.disposition is Disposition.ACCEPTED
        assert (waiting.kind, waiting.destination, waiting.reason) == ("route", "", "bug")
        assert waiting.chain[0].endpoint == "route:plain"
        assert waiting.due_ms > inside.clock.now_ms()
        bug.error = None
        await inside.route(waiting)
        routed, delivery = [row.delivery for row in await inside.rows()]
        assert (routed.state, routed.reason) == (State.DELIVERED, "routed")
        assert delivery.chain[0].endpoint == "clinique-abc.emr"
        assert delivery.message_id == receipt.message_id


async def test_a_bug_is_counted_and_told_without_what_the_message_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        Broken().break_in(inside, "plain", monkeypatch)
        with caplog.at_level(logging.ERROR):
            await posted(inside)
        (record,) = [record for record in caplog.records if record.name.startswith("engine.runtime")]
        assert record.exc_info is not None
        assert "Tremblay" not in record.getMessage()
        assert inside.counted.totals["bugs", (("where", "routing"),)] == 1


async def test_other_routes_go_on_when_one_meets_a_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = PLAIN.replace("plain", "other").replace("abc.emr", "abc.queue")
    async with routing(tmp_path, PLAIN, other) as inside:
        Broken().break_in(inside, "plain", monkeypatch)
        await posted(inside)
        assert [(row.delivery.route, row.delivery.kind) for row in await inside.rows()] == [
            ("other", ""),
            ("plain", "route"),
        ]


async def test_a_codec_that_fails_keeps_the_bytes_for_every_route(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with routing(tmp_path, PLAIN) as inside:

        def failing(codec: object, message: object) -> None:
            raise RecursionError("too deep")

        monkeypatch.setattr("engine.codecs.json.codec.JsonCodec.decode", failing)
        receipt = await posted(inside)
        assert receipt.disposition is Disposition.ACCEPTED
        assert (await inside.only()).kind == "route"


async def test_a_bug_that_stays_is_raised_to_the_dispatcher_which_insists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        Broken().break_in(inside, "plain", monkeypatch)
        await posted(inside)
        waiting = await inside.only()
        with pytest.raises(ZeroDivisionError):
            await inside.router(waiting)


# --------------------------------------------------------------------------- order behind a detour


async def test_later_messages_queue_behind_one_that_waits_to_be_routed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        bug = Broken()
        bug.break_in(inside, "plain", monkeypatch)
        await posted(inside, {"key": "k", "n": 1})
        bug.error = None
        await posted(inside, {"key": "k", "n": 2})
        await posted(inside, {"key": "other", "n": 3})
        first, second, third = await inside.rows()
        assert [row.delivery.kind for row in (first, second, third)] == ["route"] * 3
        assert [row.blocked for row in (first, second, third)] == [False, True, False]


async def test_messages_go_the_short_way_again_when_nothing_waits_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        bug = Broken()
        bug.break_in(inside, "plain", monkeypatch)
        await posted(inside, {"key": "k", "n": 1})
        bug.error = None
        await inside.route(await inside.only())
        inside.clock.advance_to(inside.clock.now_ms() + 2000)
        await posted(inside, {"key": "k", "n": 2})
        kinds = [row.delivery.kind for row in await inside.rows()]
        bodies = [await inside.body(row.delivery) for row in (await inside.rows())[1:]]
        assert kinds == ["route", "", ""]
        assert [body["n"] for body in bodies] == [1, 2]


async def test_after_a_restart_the_ordered_route_is_still_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        bug = Broken()
        bug.break_in(inside, "plain", monkeypatch)
        await posted(inside, {"key": "k", "n": 1})
        bug.error = None
    async with routing(tmp_path, PLAIN) as restarted:
        await restarted.reception.detours.begin(["plain"])
        await posted(restarted, {"key": "k", "n": 2})
        assert [row.blocked for row in await restarted.rows()] == [False, True]


async def test_a_fault_is_refused_at_the_door_also_behind_a_detour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    route = PLAIN.replace(
        "to:", "steps: [{require: {that: msg.n > 0, at: n, message: is not positive}}]\nto:"
    )
    async with routing(tmp_path, route) as inside:
        bug = Broken()
        bug.break_in(inside, "plain", monkeypatch)
        await posted(inside, {"key": "k", "n": 1})
        bug.error = None
        assert paths(await posted(inside, {"key": "k", "n": 0})) == ["n"]


# --------------------------------------------------------------------------- stored first


STORED = PLAIN.replace("order_by", "acknowledge: stored\nkeys: {name: msg.name}\norder_by")


async def test_a_stored_message_is_answered_first_and_routed_from_the_store(tmp_path: Path) -> None:
    async with routing(tmp_path, STORED) as inside:
        receipt = await posted(inside, {"key": "k", "name": "x"}, headers={"traceparent": "00-1"})
        waiting = await inside.only()
        assert receipt.disposition is Disposition.ACCEPTED
        assert (waiting.kind, waiting.state) == ("route", State.PENDING)
        assert [delivery.sequence for delivery in inside.dispatched.offered] == [waiting.sequence]
        settled = await inside.route(waiting)
        (ready,) = settled.ready
        assert (ready.chain[0].endpoint, ready.message_id) == ("clinique-abc.emr", receipt.message_id)
        assert (await inside.store.tally()).conserved


async def test_a_stored_message_is_routed_with_all_that_came_beside_it(tmp_path: Path) -> None:
    route = STORED.replace(
        "to:",
        'steps: [{set: {file: "{meta.file}", door: "{meta.selector}", by: "{sender.name}", peer: "{meta.peer}", '
        'trace: "{meta.headers.traceparent}"}}]\nto:',
    )
    async with routing(tmp_path, route) as inside:
        await posted(inside, headers={"traceparent": "00-1"}, meta={"file": "a.json"}, partner="platform")
        await inside.route(await inside.only())
        found = await inside.body((await inside.rows())[1].delivery)
        expected = {"file": "a.json", "door": ANY, "by": "platform", "peer": "127.0.0.1:5", "trace": "00-1"}
        assert {name: found[name] for name in expected} == expected


async def test_stored_messages_of_one_key_are_routed_in_order(tmp_path: Path) -> None:
    async with routing(tmp_path, STORED) as inside:
        await posted(inside, {"key": "k", "n": 1})
        await posted(inside, {"key": "k", "n": 2})
        await posted(inside, {"key": "j", "n": 3})
        assert [row.blocked for row in await inside.rows()] == [False, True, False]


async def test_a_stored_message_whose_content_is_at_fault_tells_somebody_and_is_dead(tmp_path: Path) -> None:
    route = STORED.replace(
        "to:",
        "steps: [{require: {that: msg.n > 0, at: n, message: is not positive}}]\non_reject: {alert: ops}\nto:",
    )
    async with routing(tmp_path, route) as inside:
        await posted(inside, {"key": "k", "n": 0})
        with pytest.raises(Rejected):
            await inside.router(await inside.only())
        assert [(blame.path, blame.alert) for blame in inside.blames] == [("n", "ops")]


async def test_the_strictest_acknowledgement_wins(tmp_path: Path) -> None:
    strict = PLAIN.replace("plain", "strict").replace(
        "to:", "steps: [{require: {that: msg.n > 0, at: n, message: is not positive}}]\nto:"
    )
    async with routing(tmp_path, STORED, strict) as inside:
        await posted(inside, {"key": "k", "n": 0})
        states = {row.delivery.route: row.delivery.state for row in await inside.rows()}
        assert states == {"plain": State.PENDING, "strict": State.DEAD}


async def test_a_stored_message_that_the_route_no_longer_takes_is_filtered(tmp_path: Path) -> None:
    route = SAMPLE.replace("order_by:", "acknowledge: stored\norder_by:")
    async with routing(tmp_path, route) as inside:
        await inside.post(sample())
        narrower = assembled(tmp_path, route.replace("appointment-booked, ", ""))
        inside.reception.current.board = narrower.board
        await inside.route(await inside.only())
        delivery = await inside.only()
        assert (delivery.state, delivery.reason) == (State.FILTERED, "accept")


# --------------------------------------------------------------------------- a fault that is ours to solve


async def test_a_positive_reply_to_a_fault_holds_the_key_and_tells_somebody(tmp_path: Path) -> None:
    route = PLAIN.replace(
        "to:",
        "steps: [{require: {that: msg.n > 0, at: n, message: is not positive}}]\n"
        "on_reject: {reply: AA, alert: ops}\nto:",
    )
    async with routing(tmp_path, route) as inside:
        receipt = await posted(inside, {"key": "k", "n": 0})
        await posted(inside, {"key": "k", "n": 1})
        await posted(inside, {"key": "other", "n": 1})
        dead, later, other = await inside.rows()
        assert told(receipt)["disposition"] == "accepted"
        assert (dead.delivery.state, dead.delivery.reason, dead.open) == (State.DEAD, "incoherent", True)
        assert (later.blocked, other.blocked) == (True, False)
        assert [(blame.path, blame.alert) for blame in inside.blames] == [("n", "ops")]


async def test_a_mended_message_is_released_through_its_route(tmp_path: Path) -> None:
    route = PLAIN.replace(
        "to:",
        "steps: [{require: {that: msg.n > 0, at: n, message: is not positive}}]\non_reject: {reply: AA}\nto:",
    )
    async with routing(tmp_path, route) as inside:
        await posted(inside, {"key": "k", "n": 0})
        dead = await inside.only()
        inside.reception.current.board = assembled(tmp_path, route.replace("msg.n > 0", "msg.n > -1")).board
        at_ms = inside.clock.now_ms()
        released = await inside.store.operate(
            Operation(Verb.RELEASE, dead.sequence, actor="test", reason="mended", at_ms=at_ms)
        )
        settled = await inside.route(released)
        assert [delivery.chain[0].endpoint for delivery in settled.ready] == ["clinique-abc.emr"]


# --------------------------------------------------------------------------- poison


async def test_a_body_that_killed_the_process_twice_is_kept_and_answered(tmp_path: Path) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        content = {"key": "k", "n": 1}
        sha256 = inside.message(content).body.sha256
        for _ in range(2):
            inside.flight._count(sha256)
        receipt = await posted(inside, content)
        delivery = await inside.only()
        assert receipt.disposition is Disposition.ACCEPTED
        assert (delivery.state, delivery.reason, delivery.kind) == (State.DEAD, "poison", "route")
        assert not inside.flight.poisonous(sha256)


async def test_a_stored_body_that_killed_the_process_twice_is_not_routed_again(tmp_path: Path) -> None:
    async with routing(tmp_path, STORED) as inside:
        await posted(inside)
        waiting = await inside.only()
        sha256 = inside.message({"key": "k"}).body.sha256
        for _ in range(2):
            inside.flight._count(sha256)
        with pytest.raises(Rejected) as dead:
            await inside.router(waiting)
        assert dead.value.code == "poison"


async def test_the_flight_file_holds_a_body_only_while_it_is_routed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        seen: list[int] = []
        original = Program.route

        def watching(program: Program, *given: Any) -> Any:
            seen.append(len(inside.flight._idle))
            return original(program, *given)

        monkeypatch.setattr(Program, "route", watching)
        idle = len(inside.flight._idle)
        await posted(inside)
        assert seen == [idle - 1]
        assert len(inside.flight._idle) == idle


# --------------------------------------------------------------------------- the store in trouble


class Failing:
    """The store with one method that fails first; the rest is the real one."""

    def __init__(self, store: Store, error: Exception, *, durable: bool, lost: str = "") -> None:
        self._store = store
        self._error = error
        self._durable = durable
        self._lost = lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def accept(self, acceptance: Acceptance) -> Accepted:
        if self._durable:
            await self._store.accept(acceptance)
        raise self._error

    async def message(self, identifier: str) -> Any:
        if self._lost:
            raise StoreUnavailable(self._lost)
        return await self._store.message(identifier)


def failing(inside: House, error: Exception, *, durable: bool = False, lost: str = "") -> House:
    store: Any = Failing(inside.store, error, durable=durable, lost=lost)
    return with_store(inside, store)


async def test_a_store_that_rolled_back_makes_the_sender_come_again(tmp_path: Path) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        with pytest.raises(Transient):
            await posted(failing(inside, StoreUnavailable("the disk is full")))
        assert inside.dispatched.offered == []
        assert "messages" not in {name for name, _ in inside.counted.totals}


async def test_an_unknown_commit_that_happened_is_answered_with_the_stored_reply(tmp_path: Path) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        receipt = await posted(failing(inside, CommitUnknown("who knows"), durable=True))
        (row,) = await inside.store.messages(Query())
        stored = await inside.store.body(row.sequence, "reply")
        assert stored is not None
        assert (receipt.message_id, receipt.reply) == (row.id, stored.read())
        assert inside.dispatched.kicks == 1


async def test_an_unknown_commit_that_did_not_happen_makes_the_sender_come_again(tmp_path: Path) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        with pytest.raises(StoreUnavailable):
            await posted(failing(inside, CommitUnknown("who knows")))


async def test_an_unknown_commit_that_nobody_can_look_up_is_not_answered(tmp_path: Path) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        with pytest.raises(CommitUnknown):
            await posted(failing(inside, CommitUnknown("who knows"), durable=True, lost="no answer"))


async def test_a_detour_ends_also_when_its_commit_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        bug = Broken()
        bug.break_in(inside, "plain", monkeypatch)
        with pytest.raises(Transient):
            await posted(failing(inside, StoreUnavailable("the disk is full")))
        bug.error = None
        inside.clock.advance_to(inside.clock.now_ms() + 2000)
        await posted(inside)
        assert (await inside.only()).kind == ""


# --------------------------------------------------------------------------- the door


async def test_no_more_is_taken_than_the_budget_holds(tmp_path: Path) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        intake = inside.reception.intake("public")
        limit = inside.reception.budget.max_bytes
        with intake.admit(None, limit, ANY), pytest.raises(BudgetExceeded):
            intake.admit(None, 1, ANY)


async def test_a_drained_engine_takes_nothing_new(tmp_path: Path) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        inside.reception.budget.shut("draining", "the engine is stopping")
        with pytest.raises(BudgetExceeded, match="stopping"):
            inside.reception.intake("public").admit(None, 1, ANY)


async def test_a_selector_that_no_route_has_is_turned_away_before_the_body(tmp_path: Path) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        with pytest.raises(Unmatched):
            inside.reception.intake("public").admit(None, 1, "POST /v1/nowhere")


async def test_a_listener_that_is_gone_asks_to_come_back(tmp_path: Path) -> None:
    async with routing(tmp_path, PLAIN) as inside:
        with pytest.raises(Transient):
            await inside.reception.intake("gone")(inside.message({}, listener="gone"), JsonExchange())
        with pytest.raises(BudgetExceeded):
            inside.reception.intake("gone").admit(None, 1)


async def test_a_certificate_says_who_the_sender_is(tmp_path: Path) -> None:
    config = CONFIG.replace("platform: {}", f"platform: {{certificates: [{{sha256: {'ab' * 32}}}]}}")
    async with routing(tmp_path, PLAIN, config=config) as inside:
        await posted(inside, certificate=Certificate("CN=any", ("dns:x",), "ab" * 32))
        (row,) = await inside.store.messages(Query())
        assert row.partner == "platform"


async def test_the_listeners_partner_stands_in_for_a_peer_that_proves_nothing(tmp_path: Path) -> None:
    async with routing(tmp_path, PLAIN.replace("{public: POST /v1/any}", "counted")) as inside:
        await inside.post({"key": "k"}, listener="counted", selector="")
        (row,) = await inside.store.messages(Query())
        assert row.partner == "platform"


async def test_a_file_with_a_known_id_and_other_content_is_taken_and_flagged(tmp_path: Path) -> None:
    async with routing(tmp_path, PLAIN.replace("{public: POST /v1/any}", "folder")) as inside:
        await inside.post({"n": 1}, listener="folder", selector="", control_id="same")
        receipt = await inside.post({"n": 2}, listener="folder", selector="", control_id="same")
        assert receipt.disposition is Disposition.COLLISION
        assert told(receipt)["disposition"] == "accepted"
        assert len(await inside.rows()) == 2


async def test_what_came_in_is_counted_by_listener_and_disposition(tmp_path: Path) -> None:
    async with routing(tmp_path, SAMPLE) as inside:
        await inside.post(sample(), selector=DOOR)
        await inside.post(sample("unknown-clinic"), selector=DOOR)
        for disposition in ("accepted", "refused"):
            key = ("messages", (("disposition", disposition), ("listener", "public")))
            assert inside.counted.totals[key] == 1
