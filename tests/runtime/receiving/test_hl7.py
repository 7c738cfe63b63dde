"""HL7 v2 through the receiving half: types, codes of refusals, dead letters, ordering keys, parts with an id of their
own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigurationError, Rejected
from engine.model import Disposition, Fault, Receipt, State
from engine.store.protocol import Operation, Query, Verb
from tests.runtime.receiving.house import House, house, told
from tests.runtime.receiving.project import assembled

CONFIG = """
listen:
  adt: {file: in, match: "*.hl7", partner: hsj}
  counted: {file: counted, match: "*.hl7", unmatched: filtered}
  public: {rest: 127.0.0.1:0, codec: json}
  http: {rest: 127.0.0.1:0, codec: hl7v2, partner: hsj}
alerts:
  ops: {to: operations.alerts}
partners:
  hsj: {}
  operations: {endpoints: {alerts: {inbox: operations}}}
  labo: {endpoints: {adt: {inbox: labo-adt, phi: full}, oru: {inbox: labo-oru, phi: full}}}
  imagerie: {endpoints: {adt: {inbox: imagerie-adt, phi: full}}}
"""
TYPE = "x-application/hl7-v2+er7"
ADT = (
    b"MSH|^~\\&|ADT1|HSJ|PASSERELLE|LABO|20261102090000-0500||ADT^A01^ADT_A01|MSG00001|P|2.5.1\r"
    b"EVN|A01|20261102090000-0500\r"
    b"PID|1||000123^^^HSJ^MR||Tremblay^Zo\xe9||19800101|F\r"
    b"PV1|1|I|4EST^401^1\r"
)
"""An admission in windows-1252, of somebody who does not exist."""
ORU = (
    b"MSH|^~\\&|LAB|HSJ|PASSERELLE|CLIN|20261102091500-0500||ORU^R01^ORU_R01|LAB00007|P|2.5.1\r"
    b"PID|1||000123^^^HSJ^MR||Tremblay^Zoe\r"
    b"OBR|1|ORD1|ACC1|GLU^Glucose^L\rOBX|1|NM|GLU^Glucose^L||5.1|mmol/L\r"
    b"OBR|2|ORD1|ACC2|NA^Sodium^L\rOBX|2|NM|NA^Sodium^L||140|mmol/L\r"
)
ROUTE = "route: adt\nfrom: adt\naccept: {{types: [{types}]}}\nto: [labo.adt]\n"
ALL = "route: all\nfrom: adt\nto: [labo.adt]\n"
PICKY = """
route: picky
from: adt
steps: [{require: {that: 'msg.PV1-2 == "O"', at: PV1-2, message: is no outpatient}}]
to: [labo.oru]
"""


@asynccontextmanager
async def routing(folder: Path, *routes: str) -> AsyncIterator[House]:
    async with house(folder, assembled(folder, *routes, config=CONFIG)) as opened:
        yield opened


async def received(inside: House, content: bytes = ADT, **how: Any) -> Receipt:
    """Hand a message in as a listener of windows-1252 does."""
    said = {
        "listener": "adt",
        "selector": "",
        "codec": "hl7v2",
        "content_type": f"{TYPE}; charset=windows-1252",
        "meta": {"application": "ADT1", "facility": "HSJ"},
        "control_id": "MSG00001",
        "partner": "hsj",
    }
    return await inside.post(content, **{**said, **how})


def typed(written: str) -> bytes:
    """Return the admission as another type of message; MSH-9 is `written`."""
    return ADT.replace(b"ADT^A01^ADT_A01", written.encode())


# --------------------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("types", "written"),
    [
        ("ADT^A01", "ADT^A01^ADT_A01"),
        ("ADT^A01", "ADT^A01"),
        ('"ADT^A01..A13"', "ADT^A13^ADT_A01"),
        ('"ADT^*"', "ADT^A60"),
        ("ADT", "ADT^A31^ADT_A05"),
        ("ADT", "ADT"),
        ("ADT^A01^ADT_A01", "ADT^A01^ADT_A01"),
        ("ADT^A01", "ADT"),
        ("ORU, ADT^Z01", "ADT^Z01"),
    ],
)
async def test_a_type_takes_what_it_names(tmp_path: Path, types: str, written: str) -> None:
    async with routing(tmp_path, ROUTE.format(types=types)) as inside:
        assert (await received(inside, typed(written))).disposition is Disposition.ACCEPTED


@pytest.mark.parametrize(
    ("types", "written", "path"),
    [
        ("ADT^A01", "ADT^A02", "MSH-9.2"),
        ('"ADT^A01..A13"', "ADT^A14", "MSH-9.2"),
        ("ADT^A01", "ORU^R01", "MSH-9.1"),
        ("ADT^A01^ADT_A01", "ADT^A01^ADT_A05", "MSH-9.2"),
        ("ADT^A01^ADT_A01", "ADT^A01", "MSH-9.2"),
        ("ORU", "", "MSH-9.1"),
    ],
)
async def test_what_no_type_names_is_refused_where_it_says_its_own(
    tmp_path: Path, types: str, written: str, path: str
) -> None:
    async with routing(tmp_path, ROUTE.format(types=types)) as inside:
        receipt = await received(inside, typed(written).replace(b"EVN|A01", b"EVN|"))
        assert [(fault[0], fault[2]) for fault in told(receipt)["faults"]] == [(path, "unmatched")]
        assert await inside.rows() == []


async def test_before_2_3_the_event_stands_in_evn(tmp_path: Path) -> None:
    async with routing(tmp_path, ROUTE.format(types="ADT^A01")) as inside:
        await received(inside, typed("ADT"))
        assert (await inside.only()).kind == "ADT^A01"


async def test_what_is_no_type_is_never_kept_as_one(tmp_path: Path) -> None:
    async with routing(tmp_path, ALL) as inside:
        await received(inside, typed("TREMBLAY ZOE 000123^A01"))
        assert (await inside.only()).kind == ""


async def test_the_other_delimiters_of_a_sender_are_those_of_its_type(tmp_path: Path) -> None:
    async with routing(tmp_path, ROUTE.format(types="ADT^A01")) as inside:
        receipt = await received(inside, ADT.replace(b"^", b"*"))
        assert receipt.disposition is Disposition.ACCEPTED
        assert (await inside.only()).kind == "ADT^A01"


async def test_a_listener_that_filters_counts_what_nobody_takes(tmp_path: Path) -> None:
    route = ROUTE.format(types="ORU").replace("from: adt", "from: counted")
    async with routing(tmp_path, route) as inside:
        receipt = await received(inside, listener="counted")
        assert receipt.disposition is Disposition.FILTERED


@pytest.mark.parametrize(
    ("types", "place", "help"),
    [
        ("adt^a01", "3:18", 'did you mean "ADT^A01"?'),
        ("ADT_A01", "3:18", 'did you mean "ADT^A01"?'),
        ("ADT^A01, ADT-A02", "3:27", 'did you mean "ADT^A02"?'),
        ("appointment-booked", "3:18", "write ADT^A01, ADT^A01..A13"),
        ('"ADT^A13..A01"', "3:23", "write A01..A13"),
    ],
)
def test_what_is_no_type_is_told_at_its_place(tmp_path: Path, types: str, place: str, help: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        assembled(tmp_path, ROUTE.format(types=types), config=CONFIG)
    assert f"routes/adt.yaml:{place}: error" in str(caught.value)
    assert help in str(caught.value)


# --------------------------------------------------------------------------- several routes


async def test_routes_of_one_listener_run_in_one_commit_with_one_reply(tmp_path: Path) -> None:
    second = ROUTE.format(types="ORU, ADT^A01").replace("route: adt", "route: second")
    third = ROUTE.format(types="ORU").replace("route: adt", "route: third")
    async with routing(tmp_path, ROUTE.format(types="ADT^A01"), second, third) as inside:
        receipt = await received(inside)
        assert receipt.disposition is Disposition.ACCEPTED
        assert [row.delivery.route for row in await inside.rows()] == ["adt", "second"]
        accepts = [row for row in await inside.store.journal.rows() if row.action == "accept"]
        assert len(accepts) == 1


async def test_what_is_forwarded_is_what_came_byte_for_byte(tmp_path: Path) -> None:
    async with routing(tmp_path, ALL) as inside:
        await received(inside)
        assert await inside.sent(await inside.only()) == ADT


# --------------------------------------------------------------------------- content at fault


async def test_content_at_fault_is_answered_well_and_kept_as_our_dead_letter(tmp_path: Path) -> None:
    async with routing(tmp_path, PICKY) as inside:
        receipt = await received(inside)
        (row,) = await inside.rows(open_dead=True)
        assert (told(receipt)["disposition"], told(receipt)["code"]) == ("accepted", "")
        assert [fault[0] for fault in told(receipt)["faults"]] == ["PV1-2"]
        assert (row.delivery.state, row.delivery.kind, row.delivery.reason) == (
            State.DEAD,
            "route",
            "incoherent",
        )
        assert [(blame.route, blame.path) for blame in inside.blames] == [("picky", "PV1-2")]


@pytest.mark.parametrize("code", ["AE", "AR"])
async def test_a_route_may_refuse_with_a_code_of_its_own(tmp_path: Path, code: str) -> None:
    async with routing(tmp_path, PICKY + f"on_reject: {{reply: {code}}}\n") as inside:
        answer = told(await received(inside))
        assert (answer["disposition"], answer["code"]) == ("refused", code)
        assert await inside.rows() == []


async def test_of_routes_that_all_refuse_the_strictest_code_is_answered(tmp_path: Path) -> None:
    first = PICKY + "on_reject: {reply: AR}\n"
    second = PICKY.replace("picky", "other") + "on_reject: {reply: AE}\n"
    async with routing(tmp_path, first, second) as inside:
        assert told(await received(inside))["code"] == "AR"


async def test_a_refusing_route_beside_one_that_takes_it_has_a_dead_letter(tmp_path: Path) -> None:
    async with routing(tmp_path, ALL, PICKY + "on_reject: {reply: AE}\n") as inside:
        answer = told(await received(inside))
        states = {row.delivery.route: row.delivery.state for row in await inside.rows()}
        assert (answer["disposition"], answer["code"]) == ("accepted", "")
        assert states == {"all": State.PENDING, "picky": State.DEAD}


async def test_a_fault_does_not_stop_the_feed_of_a_door_without_an_ordering_key(tmp_path: Path) -> None:
    async with routing(tmp_path, PICKY) as inside:
        await received(inside)
        await received(inside, ADT.replace(b"PV1|1|I", b"PV1|1|O"), control_id="MSG00002")
        good = [row for row in await inside.rows() if row.delivery.state is State.PENDING]
        assert [(row.delivery.destination, row.blocked) for row in good] == [("labo.oru", False)]


async def test_a_fault_holds_its_own_ordering_key_where_the_route_has_one(tmp_path: Path) -> None:
    async with routing(tmp_path, PICKY + "order_by: msg.PID-3.1\n") as inside:
        await received(inside)
        mended = ADT.replace(b"PV1|1|I", b"PV1|1|O")
        await received(inside, mended, control_id="MSG00002")
        await received(inside, mended.replace(b"000123", b"000999"), control_id="MSG00003")
        waiting = [row.blocked for row in await inside.rows() if row.delivery.state is State.PENDING]
        assert waiting == [True, False]


# --------------------------------------------------------------------------- unreadable


async def test_what_cannot_be_read_is_refused_and_its_bytes_are_a_dead_letter(tmp_path: Path) -> None:
    async with routing(tmp_path, ALL) as inside:
        receipt = await received(inside, b"PID|1||000123\r", control_id="")
        (row,) = await inside.rows(open_dead=True)
        (message,) = await inside.store.messages(Query(listener="adt"))
        assert [fault[2] for fault in told(receipt)["faults"]] == ["malformed"]
        assert (message.disposition, row.delivery.reason) == (Disposition.REFUSED, "unreadable")
        assert await inside.sent(row.delivery) == b"PID|1||000123\r"
        assert (await inside.store.tally()).conserved


@pytest.mark.parametrize(("code", "dead"), [("100", True), ("207", False)])
async def test_what_the_channel_holds_against_a_message_is_refused_and_its_bytes_are_kept(
    tmp_path: Path, code: str, dead: bool
) -> None:
    async with routing(tmp_path, ALL) as inside:
        receipt = await received(inside, faults=(Fault("MSH-3", "nobody we know", code),))
        (message,) = await inside.store.messages(Query(listener="adt"))
        assert message.disposition is receipt.disposition is Disposition.REFUSED
        assert await inside.store.body(message.sequence, "raw") is not None
        assert bool(await inside.rows(open_dead=True)) is dead
        assert [fault[2] for fault in told(receipt)["faults"]] == [code]


async def test_an_id_that_comes_again_over_http_is_a_new_message_too(tmp_path: Path) -> None:
    """A sender that was told AA never sends it again: an admission must not hang on the transport."""
    async with routing(tmp_path, ALL.replace("from: adt", "from: http")) as inside:
        first = await received(inside, listener="http")
        second = await received(inside, ADT.replace(b"000123", b"000124"), listener="http")
        assert told(first)["disposition"] == told(second)["disposition"] == "accepted"
        assert second.disposition is Disposition.COLLISION
        assert len(await inside.rows()) == 2


async def test_a_refusal_is_never_replayed(tmp_path: Path) -> None:
    async with routing(tmp_path, ALL) as inside:
        first = await received(inside, b"nothing of the kind")
        second = await received(inside, b"nothing of the kind")
        assert first.disposition is second.disposition is Disposition.REFUSED
        assert first.message_id != second.message_id


async def test_an_unreadable_message_holds_no_route(tmp_path: Path) -> None:
    async with routing(tmp_path, ALL + "order_by: msg.PID-3.1\n") as inside:
        await received(inside, b"nothing of the kind")
        await received(inside)
        assert [row.delivery.kind for row in await inside.rows(states=(State.PENDING,))] == ["ADT^A01"]


async def test_what_still_cannot_be_read_is_a_dead_letter_again_after_its_release(tmp_path: Path) -> None:
    async with routing(tmp_path, ALL) as inside:
        await received(inside, b"nothing of the kind")
        (row,) = await inside.rows(open_dead=True)
        release = Operation(Verb.RELEASE, row.delivery.sequence, "ops", "mended", inside.clock.now_ms())
        released = await inside.store.operate(release)
        assert released.state is State.PENDING
        with pytest.raises(Rejected, match="does not begin with MSH"):
            await inside.router(released)


async def test_json_that_cannot_be_read_is_a_refusal_and_nothing_else(tmp_path: Path) -> None:
    route = "route: json\nfrom: {public: POST /v1/any}\nto: [labo.adt]\n"
    async with routing(tmp_path, route) as inside:
        receipt = await inside.post(b"{", selector="POST /v1/any")
        assert receipt.disposition is Disposition.REFUSED
        assert await inside.rows() == []


# --------------------------------------------------------------------------- order


async def test_one_sender_keeps_its_order_and_another_does_not_wait_for_it(tmp_path: Path) -> None:
    async with routing(tmp_path, ALL) as inside:
        await received(inside, control_id="1")
        await received(inside, control_id="2")
        await received(inside, control_id="3", meta={"application": "ADT2", "facility": "HSJ"})
        await received(inside, control_id="4", meta={"application": "ADT1", "facility": "HND"})
        await received(inside, control_id="5", partner="labo")
        assert [row.blocked for row in await inside.rows()] == [False, True, False, False, False]


# --------------------------------------------------------------------------- parts


SPLIT = """
route: split
from: adt
steps: [{split: {group: OBR}}]
to: [labo.oru]
"""


async def test_a_part_bears_the_id_that_it_travels_under(tmp_path: Path) -> None:
    async with routing(tmp_path, SPLIT) as inside:
        await received(inside, ORU)
        rows = [row.delivery for row in await inside.rows()]
        bodies = [await inside.sent(delivery) for delivery in rows]
        assert [len(delivery.message_id) for delivery in rows] == [20, 20]
        assert [body.split(b"|")[9].decode() for body in bodies] == [row.message_id for row in rows]
        assert [b"LAB00007" in body for body in bodies] == [False, False]


async def test_a_route_beside_a_split_forwards_the_senders_own_id(tmp_path: Path) -> None:
    async with routing(tmp_path, SPLIT, ALL) as inside:
        await received(inside, ORU)
        whole = await inside.only(route="all")
        assert await inside.sent(whole) == ORU


async def test_a_destinations_own_changes_leave_id_and_all_else_alone(tmp_path: Path) -> None:
    route = """
route: adt
from: adt
to:
  - labo.adt
  - endpoint: imagerie.adt
    when: msg.PV1-2 in ["I", "E"]
    steps:
      - set: {MSH-5: RIS, PV1-3.1: "{msg.PV1-3.1}-{msg.PV1-3.2}"}
      - remove: [EVN]
"""
    async with routing(tmp_path, route) as inside:
        await received(inside)
        first, second = [row.delivery for row in await inside.rows()]
        changed = ADT.replace(b"|PASSERELLE|", b"|RIS|").replace(b"4EST^401", b"4EST-401^401")
        changed = changed.replace(b"EVN|A01|20261102090000-0500\r", b"")
        assert (await inside.sent(first), await inside.sent(second)) == (ADT, changed)


async def test_a_changed_msh_18_is_believed_instead_of_the_listeners_set(tmp_path: Path) -> None:
    route = ALL.replace("to:", "steps: [{set: {MSH-18: UNICODE UTF-8}}]\nto:")
    async with routing(tmp_path, route) as inside:
        await received(inside)
        delivery = await inside.only()
        body = await inside.store.body(delivery.message, delivery.chain[0].rendering)
        assert body is not None and body.content_type == TYPE
        assert "Tremblay^Zoé".encode() in body.read()
