"""Two Passerelles in a row: a content error that the second tells is final for the first, and a query passes both."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model import State
from engine.testing.peers_mllp import control_id, mllp_peer
from tests.channels.mllp.wire import message, wire
from tests.journeys.hospital import Hospital, hospital
from tests.peers.ports import free_port

FIRST = """
listen: {{sih: {{mllp: "127.0.0.1:0", partner: hsj, acks: original}}}}
partners:
  hsj: {{}}
  region: {{endpoints: {{hub: {{mllp: "{second}", phi: full}}}}}}
"""
FORWARD = "route: forward\nfrom: sih\nto: [region.hub]\n"

SECOND = """
listen: {{hub: {{mllp: "127.0.0.1:0", partner: region}}}}
partners:
  region: {{}}
  ris: {{endpoints: {{adt: {{mllp: "127.0.0.1:{ris}", phi: full}}}}}}
"""
STRICT = """
route: strict
from: hub
accept: {types: ["ADT^A01..A13"]}
order_by: msg.PID-3.1
steps:
  - require: {that: 'msg.PID-5.1 != ""', at: PID-5.1, message: names nobody}
to: [ris.adt]
on_reject: {reply: %s}
"""
NAMELESS = message("BAD1", body="PID|1||10006579^^^HSJ^MR\r")


def first_of(second: Hospital) -> str:
    """Return the configuration of the engine that sends to a second one."""
    return FIRST.format(second=second.engine.supervisor.addresses["hub"])


@pytest.mark.parametrize("reply", ["AE", "AR"])
async def test_content_that_the_second_refuses_is_sent_once(tmp_path: Path, reply: str) -> None:
    async with (
        mllp_peer() as ris,
        hospital(tmp_path / "2", SECOND.format(ris=ris.port), {"strict": STRICT % reply}) as second,
        hospital(tmp_path / "1", first_of(second), {"forward": FORWARD}) as first,
    ):
        answers = await first.sent("sih", NAMELESS, message("GOOD2"))
        bad, good = await first.ended(2)
        await second.ended(1, endpoint="ris.adt")

        assert answers == [("AA", "BAD1"), ("AA", "GOOD2")]
        assert (bad.delivery.state, bad.delivery.attempts) == (State.DEAD, 1)
        assert (good.delivery.state, good.delivery.attempts) == (State.DELIVERED, 1)
        (attempt,) = await first.attempts(bad)
        assert attempt.code.startswith(reply)
        assert [control_id(each) for each in ris.received] == ["GOOD2"]


@pytest.mark.parametrize(
    ("accept", "application", "codes"),
    [("AL", "AL", "AE"), ("AL", "NE", "CE"), ("NE", "AL", "AE"), ("ER", "ER", "AE"), ("NE", "ER", "AE")],
)
async def test_content_that_is_refused_in_the_enhanced_mode_is_sent_once(
    tmp_path: Path, accept: str, application: str, codes: str
) -> None:
    """Source: HL7 v2.5.1 2.9.3; what the application refuses may come after a commit acknowledgement."""
    nameless = message("BAD1", accept=accept, application=application, body="PID|1||10006579^^^HSJ^MR\r")
    async with (
        mllp_peer() as ris,
        hospital(tmp_path / "2", SECOND.format(ris=ris.port), {"strict": STRICT % "AE"}) as second,
        hospital(tmp_path / "1", first_of(second), {"forward": FORWARD}) as first,
    ):
        await first.sent("sih", nameless)
        (row,) = await first.ended(1)

        assert (row.delivery.state, row.delivery.attempts) == (State.DEAD, 1)
        assert row.delivery.reason.startswith(codes)
        assert ris.received == []


async def test_a_type_that_the_second_does_not_take_is_sent_once(tmp_path: Path) -> None:
    async with (
        mllp_peer() as ris,
        hospital(tmp_path / "2", SECOND.format(ris=ris.port), {"strict": STRICT % "AE"}) as second,
        hospital(tmp_path / "1", first_of(second), {"forward": FORWARD}) as first,
    ):
        await first.sent("sih", message("S12", kind="SIU^S12"))
        (row,) = await first.ended(1)

        assert (row.delivery.state, row.delivery.attempts, row.delivery.reason) == (State.DEAD, 1, "AR_200")


async def test_content_that_the_second_keeps_to_itself_is_delivered_for_the_first(tmp_path: Path) -> None:
    async with (
        mllp_peer() as ris,
        hospital(tmp_path / "2", SECOND.format(ris=ris.port), {"strict": STRICT % "AA"}) as second,
        hospital(tmp_path / "1", first_of(second), {"forward": FORWARD}) as first,
    ):
        await first.sent("sih", NAMELESS)
        (sent,) = await first.ended(1)
        (kept,) = await second.ended(1)

        assert (sent.delivery.state, sent.delivery.attempts) == (State.DELIVERED, 1)
        assert (kept.delivery.state, kept.delivery.route) == (State.DEAD, "strict")
        assert ris.received == []


async def test_a_second_that_is_away_is_insisted_on_and_gets_each_message_once(tmp_path: Path) -> None:
    async with mllp_peer() as ris:
        port = free_port()
        there = SECOND.format(ris=ris.port).replace("127.0.0.1:0", f"127.0.0.1:{port}")
        config = FIRST.format(second=f"127.0.0.1:{port}")
        async with hospital(tmp_path / "1", config, {"forward": FORWARD}) as first:
            await first.sent("sih", message("M1"), message("M2"))
            waiting = await first.in_state(State.RETRYING)
            async with hospital(tmp_path / "2", there, {"strict": STRICT % "AE"}) as second:
                delivered = await first.ended(2)
                await second.ended(2)

    assert waiting.delivery.sequence == delivered[0].delivery.sequence, "the first is tried, the second waits"
    assert [row.delivery.state for row in delivered] == [State.DELIVERED] * 2
    assert ris.received == [message("M1"), message("M2")]


QUERY = (
    b"MSH|^~\\&|SIH|HSJ|PASSERELLE|CIUSSS|20261102090000-0500||QBP^Q22^QBP_Q21|Q000006|P|2.5.1\r"
    b"QPD|Q22^Find Candidates^HL7|T1|@PID.3.1^0001234\rRCP|I\r"
)
ANSWER = (
    b"MSH|^~\\&|INDEX|HSJ|SIH|HSJ|20261102090001-0500||RSP^K22^RSP_K21|IDX000001|P|2.5.1\r"
    b"MSA|AA|Q000006\rQAK|T1|OK\rQPD|Q22^Find Candidates^HL7|T1|@PID.3.1^0001234\r"
    b"PID|1||0001234^^^HSJ^MR||Fictive^Zelie||19800101|F\r"
)
"""Source: HL7 v2.5.1 3.3.57 (QBP^Q22, RSP^K22), 5.4.1, 2.15.8 (MSA-2 is the query's MSH-10)."""

ASK = """
route: pdq
from: {door}
accept: {{types: QBP^Q22}}
acknowledge: {{delivered: {patience}, timeout: AE}}
to: [{{endpoint: {to}, retry: none, timeout: 3s}}]
"""


async def test_a_query_is_answered_through_both(tmp_path: Path) -> None:
    near = ASK.format(door="sih", to="region.hub", patience="4s")
    far = ASK.format(door="hub", to="ris.adt", patience="3s")
    async with (
        mllp_peer() as index,
        hospital(tmp_path / "2", SECOND.format(ris=index.port), {"pdq": far}) as second,
        hospital(tmp_path / "1", first_of(second), {"pdq": near}) as first,
        wire(first.engine.supervisor.addresses["sih"]) as asking,
    ):
        index.script = lambda received: [ANSWER]

        assert await asking.ask(QUERY) == ANSWER
        assert await asking.ask(QUERY) == ANSWER, "a copy is given the first one's answer"
        assert index.received == [QUERY]
