"""Both ends the other way round: a listener that connects out, an endpoint that its partner connects to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from ipaddress import ip_network
from pathlib import Path

import anyio
import pytest

from channels.mllp.endpoint import MllpTimeouts
from channels.mllp.outbound import MllpOutbound
from channels.mllp.pool import AnsweredPool
from engine.config.models import HostPort, PlaintextException
from engine.errors import Transient, Unmatched
from engine.model import Certificate, Confirmation
from engine.security.tls import client_context, server_context
from engine.testing.channels import RecordingIntake
from tests.channels.mllp.sending import attempt, endpoint, events
from tests.channels.mllp.serving import listening
from tests.channels.mllp.wire import Wire, framed, message, wire
from tests.security.handshakes import files_of

AA = b"MSH|^~\\&|RIS|IMAGERIE|SIH|HSJ|20260114093012||ACK|R1|P|2.5.1\rMSA|AA|MSG00001\r"


class Sender:
    """A sender's server: listeners in the client's role connect to it, and it sends to them."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[Wire] = asyncio.Queue()
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.arrived.put_nowait(Wire(reader, writer))

    async def next(self) -> Wire:
        async with asyncio.timeout(30):
            return await self.arrived.get()

    def leave(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def sender() -> AsyncIterator[Sender]:
    """Listen on a free port."""
    hospital = Sender()
    server = await asyncio.start_server(hospital.accept, "127.0.0.1", 0)
    async with server:
        hospital.port = server.sockets[0].getsockname()[1]
        yield hospital
        hospital.leave()


async def test_a_listener_may_connect_out_to_the_senders_server() -> None:
    async with (
        sender() as hospital,
        listening(role="client", mllp=HostPort("127.0.0.1", hospital.port)) as door,
    ):
        connection = await hospital.next()
        assert b"MSA|AA|MSG00001\r" in await connection.ask(message())
        assert door.address == f"127.0.0.1:{hospital.port}"
        assert door.intake.control_ids == ["MSG00001"]


async def test_it_connects_again_when_the_sender_closes() -> None:
    async with (
        sender() as hospital,
        listening(role="client", mllp=HostPort("127.0.0.1", hospital.port)) as door,
    ):
        first = await hospital.next()
        await first.ask(message("A"))
        first.writer.close()
        second = await hospital.next()
        await second.ask(message("B"))
        assert door.intake.control_ids == ["A", "B"]


async def test_an_absent_sender_is_tried_again() -> None:
    async with sender() as gone:
        port = gone.port
    async with listening(role="client", mllp=HostPort("127.0.0.1", port)) as door:
        await door.until("connect_failed")
        hospital = Sender()
        async with await asyncio.start_server(hospital.accept, "127.0.0.1", port):
            connection = await hospital.next()
            assert b"MSA|AA|" in await connection.ask(message())
            hospital.leave()


async def test_stopping_finishes_the_message_under_way_and_connects_no_more() -> None:
    intake = RecordingIntake()
    intake.close_gate()
    async with (
        sender() as hospital,
        listening(intake, role="client", mllp=HostPort("127.0.0.1", hospital.port)) as door,
    ):
        connection = await hospital.next()
        await connection.write(framed(message()))
        await intake.until(1)
        async with anyio.create_task_group() as group:
            group.start_soon(door.channel.stop)
            intake.open_gate()
            assert b"MSA|AA|MSG00001\r" in await connection.read()
        assert await connection.ended() == b""
        assert hospital.arrived.empty()


async def test_a_listener_connects_out_over_mutual_tls(dev_certs: Path) -> None:
    """The profile is the listener's: the engine makes it for a server, the channel uses its files as a client."""
    hospital = Sender()
    theirs = server_context(files_of(dev_certs, "clinique-abc"))
    ours = server_context(files_of(dev_certs, "engine"))
    server = await asyncio.start_server(hospital.accept, "127.0.0.1", 0, ssl=theirs)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with listening(role="client", mllp=HostPort("localhost", port), tls_context=ours) as door:
            connection = await hospital.next()
            assert b"MSA|AA|MSG00001\r" in await connection.ask(message())
            peer = door.intake.messages[0].peer
            assert peer is not None
            assert peer.certificate is not None
            assert "dns:clinique-abc.localhost" in peer.certificate.names
            hospital.leave()


# ----------------------------------------------------------------- endpoints


def address(channel: MllpOutbound) -> str:
    """Return where the endpoint listens for its partner."""
    assert isinstance(channel.pool, AnsweredPool)
    return str(channel.pool.bound)


async def test_an_endpoint_sends_on_the_connection_that_its_partner_opened() -> None:
    async with endpoint(0, role="server") as channel, wire(address(channel)) as partner:
        sending = asyncio.create_task(channel.send(attempt(message())))
        assert await partner.read() == message()
        await partner.write(framed(AA))
        assert (await sending).code == "AA"
        stages = await channel.probe()
        assert [(stage, well) for stage, well, _ in stages] == [("listen", True), ("partner", True)]


async def test_a_message_waits_for_the_partner_to_connect() -> None:
    async with endpoint(0, role="server") as channel:
        sending = asyncio.create_task(channel.send(attempt(message())))
        async with wire(address(channel)) as partner:
            assert await partner.read() == message()
            await partner.write(framed(AA))
            assert (await sending).code == "AA"


async def test_a_partner_that_does_not_connect_was_sent_nothing() -> None:
    timeouts = MllpTimeouts(connect=timedelta(seconds=0.1))
    async with endpoint(0, role="server", timeouts=timeouts) as channel:
        with pytest.raises(Transient) as caught:
            await channel.send(attempt(message()))
        assert (caught.value.sent, caught.value.code) == (False, "absent")
        assert [well for _, well, _ in await channel.probe()] == [True, False]


async def test_messages_take_turns_on_one_connection() -> None:
    async with endpoint(0, role="server") as channel, wire(address(channel)) as partner:
        first = asyncio.create_task(channel.send(attempt(message())))
        second = asyncio.create_task(channel.send(attempt(message())))
        for _ in range(2):
            assert await partner.read() == message()
            assert not second.done()
            await partner.write(framed(AA))
        assert [(await first).code, (await second).code] == ["AA", "AA"]


async def test_an_address_that_is_taken_is_tried_again() -> None:
    async with sender() as other, endpoint(other.port, role="server") as channel:
        with pytest.raises(Transient) as caught:
            await channel.send(attempt(message()))
        assert caught.value.code == "listen"
        assert [well for _, well, _ in await channel.probe()] == [False, False]


async def test_plaintext_from_elsewhere_than_the_exception_is_cut_off() -> None:
    exception = PlaintextException(
        allow=(ip_network("10.12.8.0/24"),), reason="RIS has no TLS", until=date(2027, 6, 30)
    )
    async with endpoint(0, role="server", plaintext=exception) as channel, wire(address(channel)) as partner:
        assert await partner.ended() == b""
        assert events(channel, "refused_plaintext") == 1


@pytest.mark.parametrize(("partner", "served"), [("ris", True), ("labo", False), (None, False)])
async def test_only_the_endpoints_own_partner_is_sent_to(
    dev_certs: Path, partner: str | None, served: bool
) -> None:
    def identify(certificate: Certificate) -> str | None:
        return partner

    ours = client_context(files_of(dev_certs, "engine"))
    theirs = client_context(files_of(dev_certs, "clinique-abc"))
    async with (
        endpoint(0, role="server", tls_context=ours, identify=identify) as channel,
        wire(address(channel), theirs) as connection,
    ):
        if served:
            sending = asyncio.create_task(channel.send(attempt(message())))
            assert await connection.read() == message()
            await connection.write(framed(AA))
            assert (await sending).code == "AA"
        else:
            assert await connection.ended() == b""


# ----------------------------------------------------------------- acknowledgements on a connection of their own


class Waiting:
    """An engine that waits for one message's application acknowledgement."""

    def __init__(self) -> None:
        self.received: list[Confirmation] = []

    async def __call__(self, confirmation: Confirmation) -> bool:
        self.received.append(confirmation)
        return confirmation.reference == "MSG00001"


async def test_an_application_acknowledgement_on_a_listener_is_handed_to_who_waits() -> None:
    waiting = Waiting()
    late = AA + b"ERR|||0^Message accepted^HL70357|I\r"
    async with listening(confirm=waiting, partner="ris") as door, wire(door.address) as connection:
        await connection.write(framed(late))
        assert b"MSA|AA|B\r" in await connection.ask(message("B")), "an acknowledgement is not acknowledged"
        (confirmation,) = waiting.received
        assert (confirmation.reference, confirmation.partner, confirmation.endpoint) == (
            "MSG00001",
            "ris",
            "",
        )
        assert (confirmation.reply.code, confirmation.reply.body) == ("AA", late)
        assert door.intake.control_ids == ["B"]


async def test_it_is_handed_on_by_a_listener_that_no_route_takes_messages_from() -> None:
    waiting, nobody = Waiting(), RecordingIntake(admissions=[Unmatched("no route takes messages here")] * 2)
    async with listening(nobody, confirm=waiting) as door, wire(door.address) as connection:
        await connection.write(framed(AA))
        assert b"MSA|AR|B|" in await connection.ask(message("B")), "an acknowledgement is not acknowledged"
        assert [each.reference for each in waiting.received] == ["MSG00001"]


async def test_it_is_acknowledged_where_its_own_header_asks_for_that() -> None:
    asking = AA.replace(b"|2.5.1\r", b"|2.5.1|||AL|NE\r")
    async with listening(confirm=Waiting()) as door, wire(door.address) as connection:
        assert b"MSA|CA|R1\r" in await connection.ask(asking)


@pytest.mark.parametrize(
    "content",
    [AA.replace(b"MSG00001", b"STRANGER"), AA + b"ZPA|1\r", AA.replace(b"|AA|", b"|XX|")],
    ids=["nobody waits", "more than an acknowledgement", "no code of table 0008"],
)
async def test_what_nobody_waits_for_is_a_message_like_any_other(content: bytes) -> None:
    async with listening(confirm=Waiting()) as door, wire(door.address) as connection:
        assert b"MSA|AA|R1\r" in await connection.ask(content)
        assert [each.body.data for each in door.intake.messages] == [content]


async def test_an_acknowledgement_that_cannot_be_stored_is_to_come_again() -> None:
    async def full(confirmation: Confirmation) -> bool:
        raise Transient("the disk is nearly full")

    async with listening(confirm=full) as door, wire(door.address) as connection:
        assert b"MSA|AE|R1|" in await connection.ask(AA)
        assert not door.intake.messages
