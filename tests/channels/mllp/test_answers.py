"""What each acknowledgement of a partner means: the table of GUARANTEES, its overrides, and what follows a CA.

The partner's bytes are written here from the standard. Source: HL7 v2.5.1 2.9.2, 2.9.3, tables 0008 and 0357.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from channels.mllp.endpoint import AckTable, MllpTimeouts
from engine.errors import Deferred, PasserelleError, Permanent, Rejected, Transient
from engine.testing.peers_mllp import MllpPeer, mllp_peer
from tests.channels.mllp.sending import Confirmations, attempt, endpoint, events
from tests.channels.mllp.wire import message

HEAD = b"MSH|^~\\&|RIS|IMAGERIE|SIH|HSJ|20260114093012||ACK^A01^ACK|R1|P|2.5.1\r"
OLD_HEAD = b"MSH|^~\\&|RIS|IMAGERIE|SIH|HSJ|20260114093012||ACK|R1|P|2.3\r"


def says(peer: MllpPeer, *answers: bytes) -> None:
    """Let the partner answer every message with these."""
    peer.script = lambda received: answers


def ack(code: str, error: str = "", control_id: str = "MSG00001") -> bytes:
    return HEAD + f"MSA|{code}|{control_id}\r".encode() + (f"{error}\r".encode() if error else b"")


def err(number: str) -> str:
    return f"ERR||PID^1^3|{number}^told by the partner^HL70357|E"


@pytest.mark.parametrize("code", ["AA", "CA"])
async def test_a_positive_answer_is_delivered_and_kept(code: str) -> None:
    async with mllp_peer() as peer, endpoint(peer.port) as channel:
        says(peer, ack(code))
        reply = await channel.send(attempt(message()))
        assert (reply.code, reply.body, reply.awaiting) == (code, ack(code), False)
        assert peer.received == [message()], "the bytes go on untouched"


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (ack("AE"), Transient, "AE"),
        (ack("CE"), Transient, "CE"),
        (ack("AR"), Rejected, "AR"),
        (ack("CR"), Rejected, "CR"),
        (ack("AE", err("100")), Rejected, "AE_100"),
        (ack("AE", err("101")), Rejected, "AE_101"),
        (ack("AE", err("102")), Rejected, "AE_102"),
        (ack("CE", err("103")), Rejected, "CE_103"),
        (ack("AE", err("204")), Transient, "AE_204"),
        (ack("AE", err("206")), Transient, "AE_206"),
        (ack("AE", err("207")), Transient, "AE_207"),
        (ack("AR", err("207")), Transient, "AR_207"),
        (ack("CR", err("206")), Transient, "CR_206"),
        (ack("AR", err("200")), Rejected, "AR_200"),
        (ack("AR", err("202")), Rejected, "AR_202"),
        (OLD_HEAD + b"MSA|AE|MSG00001\rERR|PID^1^3^101&Required field missing&HL70357\r", Rejected, "AE_101"),
        (OLD_HEAD + b"MSA|AR|MSG00001\rERR|^^^207&Application internal error&HL70357\r", Transient, "AR_207"),
    ],
)
async def test_err_3_decides_before_msa_1(answer: bytes, error: type[PasserelleError], code: str) -> None:
    async with mllp_peer() as peer, endpoint(peer.port) as channel:
        says(peer, answer)
        with pytest.raises(PasserelleError) as caught:
            await channel.send(attempt(message()))
        assert type(caught.value) is error
        assert isinstance(caught.value, Transient | Rejected)
        assert caught.value.code == code
        assert caught.value.reply is not None
        assert caught.value.reply.body == answer
        assert getattr(caught.value, "sent", False) is False
        assert "told by the partner" not in str(caught.value), "a partner's words may hold anything"


async def test_the_place_that_the_partner_names_is_a_fault() -> None:
    async with mllp_peer() as peer, endpoint(peer.port) as channel:
        says(peer, ack("AE", err("101")))
        with pytest.raises(Rejected) as caught:
            await channel.send(attempt(message()))
        assert [(fault.path, fault.code) for fault in caught.value.faults] == [("PID-3", "101")]


@pytest.mark.parametrize(
    ("table", "answer", "error", "seconds"),
    [
        ({"AE": {"204": "hold 15m", "else": "dead"}}, ack("AE", err("204")), Deferred, 900),
        ({"AE": {"204": "hold", "else": "dead"}}, ack("AE", err("204")), Deferred, 900),
        ({"AE": {"204": "hold 30s"}}, ack("AE", err("204")), Deferred, 30),
        ({"AE": {"204": "hold 15m", "else": "dead"}}, ack("AE", err("101")), Rejected, None),
        ({"AE": {"204": "hold 15m", "else": "dead"}}, ack("AE"), Rejected, None),
        ({"AE": {"101": "retry"}}, ack("AE", err("101")), Transient, None),
        ({"AE": {"204": "dead"}}, ack("AE", err("205")), Transient, None),
        ({"AR": "retry"}, ack("AR"), Transient, None),
        ({"AR": "fallback"}, ack("AR"), Permanent, None),
        ({"CR": "retry"}, ack("CR"), Transient, None),
        ({"CE": "dead"}, ack("CE"), Rejected, None),
    ],
)
async def test_an_endpoint_may_say_what_an_answer_means(
    table: dict[str, object], answer: bytes, error: type[PasserelleError], seconds: float | None
) -> None:
    async with mllp_peer() as peer, endpoint(peer.port, ack=AckTable.model_validate(table)) as channel:
        says(peer, answer)
        with pytest.raises(PasserelleError) as caught:
            await channel.send(attempt(message()))
        assert type(caught.value) is error
        assert getattr(caught.value, "retry_after", None) == seconds


async def test_an_endpoint_may_take_a_refusal_as_delivered() -> None:
    table = AckTable.model_validate({"AR": {"205": "delivered"}})
    async with mllp_peer() as peer, endpoint(peer.port, ack=table) as channel:
        says(peer, ack("AR", err("205")))
        assert (await channel.send(attempt(message()))).code == "AR"


@pytest.mark.parametrize(
    ("accept", "application", "acks", "awaiting"),
    [
        ("AL", "AL", "auto", True),
        ("AL", "SU", "auto", True),
        ("AL", "NE", "auto", False),
        ("AL", "ER", "auto", False),
        ("AL", "", "auto", False),
        ("SU", "AL", "auto", True),
        ("AL", "AL", "original", False),
        ("AL", "", "enhanced", True),
        ("", "", "enhanced", True),
        ("AL", "NE", "enhanced", False),
        ("", "", "auto", False),
    ],
)
async def test_after_a_commit_the_application_is_awaited_where_msh_16_asks_for_it(
    accept: str, application: str, acks: str, awaiting: bool
) -> None:
    async with mllp_peer() as peer, endpoint(peer.port, acks=acks) as channel:
        says(peer, ack("CA"))
        reply = await channel.send(attempt(message(accept=accept, application=application)))
        assert (reply.code, reply.awaiting) == ("CA", awaiting)


async def test_the_applications_answer_alone_is_delivered() -> None:
    async with mllp_peer() as peer, endpoint(peer.port) as channel:
        says(peer, ack("AA"))
        reply = await channel.send(attempt(message(accept="NE", application="AL")))
        assert (reply.code, reply.awaiting) == ("AA", False)


async def test_a_message_that_asks_for_no_answer_is_not_waited_for() -> None:
    async with mllp_peer() as peer, endpoint(peer.port) as channel:
        says(peer)
        reply = await channel.send(attempt(message(accept="NE", application="NE")))
        assert reply.code == "sent"


async def test_a_message_that_asks_for_errors_only_is_delivered_by_silence() -> None:
    timeouts = MllpTimeouts(silence=timedelta(seconds=0.1))
    async with mllp_peer() as peer, endpoint(peer.port, timeouts=timeouts) as channel:
        says(peer)
        assert (await channel.send(attempt(message(accept="ER", application="NE")))).code == "silent"
        says(peer, ack("CR"))
        with pytest.raises(Rejected):
            await channel.send(attempt(message(accept="ER", application="NE")))


async def test_an_application_acknowledgement_right_behind_the_commit_is_handed_in() -> None:
    confirm = Confirmations("MSG00001")
    async with mllp_peer() as peer, endpoint(peer.port, confirm=confirm) as channel:
        says(peer, ack("CA"), ack("AA"))
        reply = await channel.send(attempt(message(accept="AL", application="AL")))
        assert reply.awaiting
        await until(confirm, 1)
        confirmation = confirm.received[0]
        assert (confirmation.reference, confirmation.endpoint) == ("MSG00001", "ris.adt")
        assert (confirmation.reply.code, confirmation.refusal) == ("AA", None)
        assert confirmation.reply.body == ack("AA")
        says(peer, ack("CA", control_id="MSG00002"))
        await channel.send(attempt(message("MSG00002", accept="AL", application="AL")))
        assert peer.opened() == 1, "a connection that confirmed is kept"


@pytest.mark.parametrize(
    ("answer", "error"),
    [(ack("AE", err("101")), Rejected), (ack("AR"), Rejected), (ack("AE", err("207")), Transient)],
)
async def test_a_late_refusal_means_what_it_would_have_meant_at_once(
    answer: bytes, error: type[PasserelleError]
) -> None:
    confirm = Confirmations("MSG00001")
    async with mllp_peer() as peer, endpoint(peer.port, confirm=confirm) as channel:
        says(peer, ack("CA"), answer)
        await channel.send(attempt(message(accept="AL", application="AL")))
        await until(confirm, 1)
        assert type(confirm.received[0].refusal) is error


async def test_a_late_acknowledgement_is_never_credited_to_the_next_message() -> None:
    confirm = Confirmations("MSG00001")
    async with mllp_peer() as peer, endpoint(peer.port, confirm=confirm) as channel:
        says(peer, ack("CA"))
        await channel.send(attempt(message(accept="AL", application="AL")))
        says(peer, ack("AR"), ack("CA", control_id="MSG00002"))
        reply = await channel.send(attempt(message("MSG00002", accept="AL", application="AL")))
        assert (reply.code, reply.awaiting) == ("CA", True)
        await until(confirm, 1)
        assert confirm.received[0].reference == "MSG00001"
        assert type(confirm.received[0].refusal) is Rejected


async def test_an_application_acknowledgement_is_acknowledged_where_it_asks_for_that() -> None:
    asking = HEAD.replace(b"|2.5.1\r", b"|2.5.1|||AL|NE\r") + b"MSA|AA|MSG00001\r"
    async with mllp_peer() as peer, endpoint(peer.port, confirm=Confirmations("MSG00001")) as channel:
        says(peer, ack("CA"), asking)
        await channel.send(attempt(message(accept="AL", application="AL")))
        async with asyncio.timeout(30):
            while len(peer.received) < 2:  # noqa: ASYNC110  the partner tells nobody what it received
                await asyncio.sleep(0.001)
        assert b"\rMSA|CA|R1\r" in peer.received[1]


async def test_an_acknowledgement_that_nothing_waits_for_ends_the_connection() -> None:
    confirm = Confirmations()
    async with mllp_peer() as peer, endpoint(peer.port, confirm=confirm) as channel:
        await channel.send(attempt(message()))
        peer.say(ack("AA", control_id="STRANGER"))
        async with asyncio.timeout(30):
            while peer.live():  # noqa: ASYNC110  the partner tells nobody that it was left
                await asyncio.sleep(0.001)
        assert [each.reference for each in confirm.received] == ["STRANGER"]
        assert events(channel, "unexpected_ack") == 1


async def until(confirm: Confirmations, count: int) -> None:
    """Return once so many confirmations were handed in."""
    async with asyncio.timeout(30):
        while len(confirm.received) < count:  # noqa: ASYNC110  the double tells nobody
            await asyncio.sleep(0.001)
