"""A sender that repeats itself is answered with the stored bytes; a control id that is used again loses nothing."""

from __future__ import annotations

from pathlib import Path

from engine.model import Disposition, State
from engine.store.protocol import Query
from engine.testing.peers_mllp import mllp_peer
from tests.channels.mllp.wire import framed, message, wire
from tests.journeys.hospital import hospital

CONFIG = """
listen: {{sih: {{mllp: "127.0.0.1:0", partner: hsj}}}}
partners:
  hsj: {{}}
  ris: {{endpoints: {{adt: {{mllp: "127.0.0.1:{port}", phi: full}}}}}}
"""
ROUTE = "route: adt\nfrom: sih\nto: [ris.adt]\n"


async def test_a_repeated_message_is_answered_with_the_stored_bytes_and_sent_once(tmp_path: Path) -> None:
    async with mllp_peer() as ris:
        async with hospital(tmp_path, CONFIG.format(port=ris.port), {"adt": ROUTE}) as engine:
            async with wire(engine.engine.supervisor.addresses["sih"]) as first:
                answers = [await first.ask(message()), await first.ask(message())]
            async with wire(engine.engine.supervisor.addresses["sih"]) as second:
                answers.append(await second.ask(message()))
            await engine.ended(1)
        async with (
            hospital(tmp_path, CONFIG.format(port=ris.port)) as engine,
            wire(engine.engine.supervisor.addresses["sih"]) as after_a_restart,
        ):
            answers.append(await after_a_restart.ask(message()))
            rows = await engine.ended(1)

    assert answers == [answers[0]] * 4
    assert b"\rMSA|AA|MSG00001\r" in answers[0]
    assert len(rows) == 1
    assert ris.received == [message()]


async def test_copies_in_one_write_are_one_message(tmp_path: Path) -> None:
    async with (
        mllp_peer() as ris,
        hospital(tmp_path, CONFIG.format(port=ris.port), {"adt": ROUTE}) as engine,
        wire(engine.engine.supervisor.addresses["sih"]) as sender,
    ):
        await sender.write(framed(message(), message(), message()))
        answers = [await sender.read() for _ in range(3)]
        await engine.ended(1)

    assert answers == [answers[0]] * 3
    assert ris.received == [message()]


async def test_a_control_id_that_is_used_again_is_a_new_message_and_flagged(tmp_path: Path) -> None:
    """Real senders reuse control ids: dropping the second would lose a patient's admission."""
    other = message(body="PID|1||10006580^^^HSJ^MR||Fictif^Zenon\r")
    async with (
        mllp_peer() as ris,
        hospital(tmp_path, CONFIG.format(port=ris.port), {"adt": ROUTE}) as engine,
    ):
        answers = await engine.sent("sih", message(), other)
        assert answers == [("AA", "MSG00001")] * 2
        rows = await engine.ended(2)
        found = await engine.engine.store.messages(Query(listener="sih"))

    assert [row.delivery.state for row in rows] == [State.DELIVERED] * 2
    assert ris.received == [message(), other]
    assert {each.disposition for each in found} == {Disposition.ACCEPTED, Disposition.COLLISION}
