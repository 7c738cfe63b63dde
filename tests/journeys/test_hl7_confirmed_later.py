"""Enhanced mode: the partner takes a message at once, and its application says later what became of it.

Source: HL7 v2.5.1 2.9.3 (enhanced mode), 2.15.9.15 and 2.15.9.16 (MSH-15, MSH-16), table 0008.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from channels._hl7 import ER7
from engine.model import State
from engine.testing.peers_mllp import MllpPeer, answer, control_id, mllp_peer
from tests.channels.http.answering import answering
from tests.channels.http.wire import post
from tests.channels.http.wire import wire as http_wire
from tests.channels.mllp.wire import framed, message, wire
from tests.journeys.hospital import Hospital, hospital
from tests.journeys.house import until

CONFIG = """
listen:
  sih: {{mllp: "127.0.0.1:0", partner: hsj, acks: original}}
  ris-acks: {{mllp: "127.0.0.1:0", partner: ris}}
partners:
  hsj: {{}}
  ris: {{endpoints: {{adt: {{mllp: "127.0.0.1:{port}", phi: full{more}}}}}}}
"""
BY_HTTP = """
listen:
  sih: {{mllp: "127.0.0.1:0", partner: hsj, acks: original}}
  ris-acks: {{rest: "127.0.0.1:0", partner: ris, codec: hl7v2}}
partners:
  hsj: {{}}
  ris: {{endpoints: {{adt: {{webhook: "{url}", acknowledged: hl7, phi: full}}}}}}
"""
RESULTS = "route: results\nfrom: {ris-acks: POST /hl7}\naccept: {types: ORU^R01}\nto: [ris.adt]\n"
ROUTE = "route: adt\nfrom: sih\nto: [ris.adt]\n"
APPLICATION = b"MSH|^~\\&|RIS|IMAGERIE|SIH|HSJ|20260114093112||ACK^A01^ACK|R77|P|2.5.1\rMSA|%s|%s\r"
REFUSED = APPLICATION + b"ERR||PID^1^5|101^Required field missing^HL70357|E\r"


def asking(control_id: str) -> bytes:
    """Return a message that asks for both acknowledgements."""
    return message(control_id, accept="AL", application="AL")


@asynccontextmanager
async def partner(folder: Path, more: str = "") -> AsyncIterator[tuple[MllpPeer, str]]:
    """Give a partner that answers every message with a commit, and the configuration that sends to it."""
    async with mllp_peer() as ris:
        ris.script = lambda received: [answer(received, "CA")] if b"|ADT^" in received else []
        yield ris, CONFIG.format(port=ris.port, more=more)


async def awaiting(engine: Hospital, *names: str) -> None:
    """Send messages, and return when the partner has taken them all."""
    await engine.sent("sih", *(asking(name) for name in names))
    for _ in names:
        await engine.in_state(State.AWAITING)


async def test_the_application_answers_on_the_same_connection(tmp_path: Path) -> None:
    async with partner(tmp_path) as (ris, config), hospital(tmp_path, config, {"adt": ROUTE}) as engine:
        await awaiting(engine, "M1")
        ris.say(APPLICATION % (b"AA", b"M1"))
        (row,) = await engine.ended(1)
        assert (row.delivery.state, row.delivery.attempts) == (State.DELIVERED, 1)
        assert ris.opened() == 1


async def test_the_application_answers_on_a_connection_of_its_own(tmp_path: Path) -> None:
    async with partner(tmp_path) as (_, config), hospital(tmp_path, config, {"adt": ROUTE}) as engine:
        await awaiting(engine, "M1")
        async with wire(engine.engine.supervisor.addresses["ris-acks"]) as own:
            asking_commit = (APPLICATION % (b"AA", b"M1")).replace(b"|2.5.1\r", b"|2.5.1|||AL|NE\r")
            assert b"\rMSA|CA|R77\r" in await own.ask(asking_commit)
        (row,) = await engine.ended(1)
        assert (row.delivery.state, row.delivery.attempts) == (State.DELIVERED, 1)


async def test_the_application_answers_after_a_restart(tmp_path: Path) -> None:
    async with partner(tmp_path) as (ris, config):
        async with hospital(tmp_path, config, {"adt": ROUTE}) as engine:
            await awaiting(engine, "M1")
        async with (
            hospital(tmp_path, config) as engine,
            wire(engine.engine.supervisor.addresses["ris-acks"]) as own,
        ):
            await own.write(framed(APPLICATION % (b"AA", b"M1")))
            (row,) = await engine.ended(1)
        assert (row.delivery.state, row.delivery.attempts) == (State.DELIVERED, 1)
        assert [control_id(each) for each in ris.received] == ["M1"], "what was taken is not sent again"


async def test_the_application_answers_by_http(tmp_path: Path) -> None:
    commit = answer(asking("M1"), "CA")
    headed = f"HTTP/1.1 200 OK\r\nContent-Type: {ER7}\r\nContent-Length: {len(commit)}\r\n\r\n".encode()
    async with answering(headed + commit) as server:
        config = BY_HTTP.format(url=server.url)
        async with hospital(tmp_path, config, {"adt": ROUTE, "results": RESULTS}) as engine:
            await awaiting(engine, "M1")
            door = engine.engine.supervisor.addresses["ris-acks"]
            async with http_wire(door) as own:
                body = APPLICATION % (b"AA", b"M1")
                await own.write(post(body, path="/hl7", content_type=ER7))
                assert (await own.read()).status == 204
            (row,) = await engine.ended(1)
    assert (row.delivery.state, row.delivery.attempts) == (State.DELIVERED, 1)


async def test_a_late_refusal_is_the_refused_messages_and_not_the_next_ones(tmp_path: Path) -> None:
    async with partner(tmp_path) as (ris, config), hospital(tmp_path, config, {"adt": ROUTE}) as engine:
        await engine.sent("sih", asking("M1"))
        await engine.in_state(State.AWAITING)
        await engine.sent("sih", asking("M2"))

        async def both_taken() -> bool | None:
            found = [row.delivery.state for row in await engine.rows()]
            return True if found == [State.AWAITING] * 2 else None

        await until(both_taken)
        ris.say(REFUSED % (b"AR", b"M1"))
        dead = await engine.in_state(State.DEAD)
        still = await engine.in_state(State.AWAITING)
        ris.say(APPLICATION % (b"AA", b"M2"))
        first, second = await engine.ended(2)

        assert dead.delivery.sequence == first.delivery.sequence
        assert still.delivery.sequence == second.delivery.sequence
        assert (first.delivery.attempts, second.delivery.state) == (1, State.DELIVERED)


async def test_an_application_that_stays_silent_is_sent_the_same_message_again(tmp_path: Path) -> None:
    async with (
        partner(tmp_path, more=", confirm_within: 500ms") as (ris, config),
        hospital(tmp_path, config, {"adt": ROUTE}) as engine,
    ):
        ris.script = lambda received: (
            [answer(received, "CA")]
            if len(ris.received) == 1
            else [answer(received, "CA"), APPLICATION % (b"AA", b"M1")]
        )
        await engine.sent("sih", asking("M1"))
        (row,) = await engine.ended(1)
        assert (row.delivery.state, row.delivery.attempts) == (State.DELIVERED, 2)
        assert ris.received == [asking("M1")] * 2


async def test_an_answer_to_a_message_that_nobody_awaits_changes_nothing(tmp_path: Path) -> None:
    async with partner(tmp_path) as (_, config), hospital(tmp_path, config, {"adt": ROUTE}) as engine:
        await awaiting(engine, "M1")
        async with wire(engine.engine.supervisor.addresses["ris-acks"]) as own:
            assert b"\rMSA|AR|R77|" in await own.ask(APPLICATION % (b"AA", b"STRANGER"))
        assert [row.delivery.state for row in await engine.rows(endpoint="ris.adt")] == [State.AWAITING]
