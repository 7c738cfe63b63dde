"""Publishing to RabbitMQ: the contract, then what is particular to AMQP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiormq
import anyio
import anyio.lowlevel
import pytest
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelClosed
from pamqp import frame
from pamqp.commands import Connection
from pydantic import ValidationError

from channels.amqp.model import AmqpEndpoint
from channels.amqp.outbound import AmqpOutbound
from engine.config.models import Exposure, Url
from engine.errors import PasserelleError, Permanent, Rejected, Transient
from engine.model import Attempt, Body, Reply
from engine.security.secrets import Secret
from engine.security.tls import TlsFiles, client_context
from engine.testing.channels import MARKER, NetworkOutboundContract, NetworkPartner, channel_context
from engine.testing.peers_wire import Way, wire
from tests.channels.amqp.broker_partner import BrokerPartner
from tests.peers.ports import free_port
from tests.peers.rabbitmq import RabbitMQ
from tests.security.handshakes import files_of


class TestAmqpOutbound(NetworkOutboundContract):
    """A broker refuses no content: what it returns is unroutable, and another endpoint may take it."""

    refusal = Permanent
    broker: RabbitMQ

    @pytest.fixture(autouse=True)
    def _shared(self, shared_broker: RabbitMQ) -> None:
        self.broker = shared_broker

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[NetworkPartner]:
        async with wire(self.broker.port, trigger=MARKER.encode(), port=free_port()) as relay:
            partner = await BrokerPartner.start(self.broker, relay)
            try:
                yield partner
            finally:
                await partner.stop()


def attempt(
    message_id: str = "01JD0000000000000001", *, body: bytes = b"{}", timeout: float = 30.0
) -> Attempt:
    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "ce-source": "/rdv"}
    return Attempt(
        1,
        message_id,
        1,
        "clinic-a.queue",
        Body.of(body),
        "application/json",
        timeout,
        "appointment-booked",
        headers,
    )


def channel(url: str, folder: Path, *, tls: TlsFiles | None = None, **keys: str) -> AmqpOutbound:
    config = AmqpEndpoint.model_validate({"amqp": url, **keys})
    return AmqpOutbound(config, channel_context(folder, tls=client_context(tls) if tls else None))


@asynccontextmanager
async def admin(broker: RabbitMQ) -> AsyncIterator[AbstractChannel]:
    """Open a channel of the test's own."""
    connection = await aiormq.connect(broker.url)
    try:
        yield await connection.channel()
    finally:
        await connection.close()


async def test_the_properties_say_what_the_message_is(shared_broker: RabbitMQ, tmp_path: Path) -> None:
    queue = shared_broker.fresh_name("direct")
    async with (
        channel(shared_broker.url, tmp_path, queue=queue, declare="true") as out,
        admin(shared_broker) as own,
    ):
        reply = await out.send(attempt(body=b'{"a": 1}'))
        message = await own.basic_get(queue)
    found = message.header.properties
    assert (reply.code, message.body) == ("ack", b'{"a": 1}')
    assert (found.message_id, found.message_type) == ("01JD0000000000000001", "appointment-booked")
    assert (found.content_type, found.delivery_mode, found.app_id) == ("application/json", 2, "passerelle")
    assert found.timestamp is not None
    assert found.headers is not None
    assert {name: value for name, value in found.headers.items() if not name.startswith("x-")} == {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cloudEvents:source": "/rdv",
    }


async def test_a_declared_queue_is_a_durable_quorum_queue_bound_to_the_exchange(
    shared_broker: RabbitMQ, tmp_path: Path
) -> None:
    exchange, queue = shared_broker.fresh_name("notifications"), shared_broker.fresh_name("clinic")
    async with admin(shared_broker) as own:
        await own.exchange_declare(exchange, exchange_type="topic", durable=True)
        async with channel(
            shared_broker.url, tmp_path, exchange=exchange, key="abc.appointment", queue=queue, declare="true"
        ) as out:
            await out.send(attempt())
        # Declared once more with the same properties, it is the same queue; with others the broker would refuse.
        declared = await own.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        assert (await own.basic_get(queue)).header.properties.message_id == attempt().message_id
    assert declared.queue == queue


async def test_nothing_is_declared_unasked(shared_broker: RabbitMQ, tmp_path: Path) -> None:
    queue = shared_broker.fresh_name("missing")
    async with channel(shared_broker.url, tmp_path, queue=queue) as out:
        with pytest.raises(Permanent) as caught:
            await out.send(attempt())
    assert caught.value.code == "not_found"


async def test_a_missing_exchange_is_another_endpoints_chance(
    shared_broker: RabbitMQ, tmp_path: Path
) -> None:
    async with channel(shared_broker.url, tmp_path, exchange="nowhere", key="k") as out:
        with pytest.raises(Permanent) as caught:
            await out.send(attempt())
        assert [well for _, well, _ in await out.probe()] == [False]
    assert (caught.value.code, "no such exchange" in str(caught.value)) == ("not_found", True)


async def test_a_queue_of_another_kind_is_not_redeclared(shared_broker: RabbitMQ, tmp_path: Path) -> None:
    queue = shared_broker.fresh_name("classic")
    async with (
        admin(shared_broker) as own,
        channel(shared_broker.url, tmp_path, queue=queue, declare="true") as out,
    ):
        await own.queue_declare(queue, durable=True)
        with pytest.raises(Permanent) as caught:
            await out.send(attempt())
    assert caught.value.code == "declaration"


async def test_an_unroutable_message_is_returned_with_the_brokers_words(
    shared_broker: RabbitMQ, tmp_path: Path
) -> None:
    async with channel(shared_broker.url, tmp_path, exchange="amq.topic", key="nobody.listens") as out:
        with pytest.raises(Permanent) as caught:
            await out.send(attempt())
    assert caught.value.code == "unroutable"
    assert caught.value.reply == Reply("312", b"NO_ROUTE")


async def test_a_wrong_password_is_permanent_and_not_quoted(shared_broker: RabbitMQ, tmp_path: Path) -> None:
    url = f"amqp://127.0.0.1:{shared_broker.port}/"
    config = AmqpEndpoint(
        amqp=Url(url), user="eng", password=Secret("Sesame-1963"), exchange="amq.topic", key="k"
    )
    async with AmqpOutbound(config, channel_context(tmp_path)) as out:
        with pytest.raises(Permanent) as caught:
            await out.send(attempt())
    assert caught.value.code == "auth"
    assert "Sesame" not in str(caught.value)


async def test_a_missing_virtual_host_is_permanent(shared_broker: RabbitMQ, tmp_path: Path) -> None:
    async with channel(f"{shared_broker.url}nowhere", tmp_path, exchange="amq.topic", key="k") as out:
        with pytest.raises(Permanent) as caught:
            await out.send(attempt())
    assert caught.value.code == "vhost"


async def test_what_speaks_another_protocol_is_sent_nothing(tmp_path: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP ready for you\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        url = f"amqp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with channel(url, tmp_path, exchange="amq.topic", key="k") as out:
            with pytest.raises(PasserelleError) as caught:
                await out.send(attempt(timeout=2))
    assert not getattr(caught.value, "sent", False)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop work until a condition holds: the library sets no event of what is clear now."""
    with anyio.fail_after(30):
        while not condition():
            await anyio.lowlevel.checkpoint()


async def test_a_blocked_broker_is_waited_for_and_nothing_was_sent(
    shared_broker: RabbitMQ, tmp_path: Path
) -> None:
    queue = shared_broker.fresh_name("blocked")
    blocked = frame.marshal(Connection.Blocked(reason="low on memory"), 0)
    async with wire(shared_broker.port, trigger=b"\0never\0") as relay:
        url = shared_broker.url.replace(str(shared_broker.port), str(relay.port))
        async with channel(url, tmp_path, queue=queue, declare="true") as out:
            await out.send(attempt())
            link = out._link
            assert link is not None
            unblocked: asyncio.Event = vars(link.connection)["_Connection__connection_unblocked"]
            relay.say(blocked)
            await until(lambda: not unblocked.is_set())
            patient = asyncio.create_task(out.send(attempt("01JD0000000000000002", timeout=60)))
            await until(lambda: link.in_flight == 1)
            assert not patient.done()
            relay.say(frame.marshal(Connection.Unblocked(), 0))
            assert (await patient).code == "ack"
            relay.say(blocked)
            await until(lambda: not unblocked.is_set())
            with pytest.raises(Transient) as caught:
                await out.send(attempt("01JD0000000000000003", timeout=0.3))
    assert (caught.value.code, caught.value.sent) == ("blocked", False)


async def test_one_silence_leaves_the_sends_beside_it_alone(shared_broker: RabbitMQ, tmp_path: Path) -> None:
    queue = shared_broker.fresh_name("beside")
    async with wire(shared_broker.port, trigger=b"held") as relay:
        url = shared_broker.url.replace(str(shared_broker.port), str(relay.port))
        async with channel(url, tmp_path, queue=queue, declare="true") as out:
            await out.send(attempt("01JD0000000000000000"))
            relay.way = Way.HOLDS
            silent = asyncio.create_task(out.send(attempt(body=b"held", timeout=0.3)))
            patient = asyncio.create_task(out.send(attempt("01JD0000000000000002", timeout=1.0)))
            with pytest.raises(Transient):
                await silent
            relay.way = Way.PASSES
            assert (await out.send(attempt("01JD0000000000000003"))).code == "ack"
            assert relay.opened == 2
            with pytest.raises(Transient) as caught:
                await patient
            assert caught.value.sent


async def test_many_sends_share_one_connection(shared_broker: RabbitMQ, tmp_path: Path) -> None:
    queue = shared_broker.fresh_name("shared")
    async with wire(shared_broker.port, trigger=b"\0never\0") as relay:
        url = shared_broker.url.replace(str(shared_broker.port), str(relay.port))
        async with channel(url, tmp_path, queue=queue, declare="true") as out:
            await asyncio.gather(*(out.send(attempt(f"01JD{number:016}")) for number in range(200)))
    assert relay.opened == 1


async def test_a_message_above_the_brokers_limit_is_rejected_and_its_neighbours_are_unknown(
    tmp_path: Path,
) -> None:
    told = "PRECONDITION_FAILED - message size 200 is larger than configured max size 100"
    out = AmqpOutbound(AmqpEndpoint(amqp=Url("amqp://127.0.0.1/"), queue="q"), channel_context(tmp_path))
    assert isinstance(out._closed(ChannelClosed(406, told), 200), Rejected)
    neighbour = out._closed(ChannelClosed(406, told), 50)
    assert isinstance(neighbour, Transient)
    assert neighbour.sent


async def test_a_broker_that_restarts_is_found_again(broker_to_stop: RabbitMQ, tmp_path: Path) -> None:
    broker, queue = broker_to_stop, broker_to_stop.fresh_name("clinic")
    async with channel(broker.url, tmp_path, queue=queue, declare="true") as out:
        await out.send(attempt("01JD0000000000000001"))
        await broker.stop()
        with pytest.raises(Transient) as caught:
            await out.send(attempt("01JD0000000000000002"))
        assert not caught.value.sent
        await broker.start()
        await out.send(attempt("01JD0000000000000002"))
        async with admin(broker) as own:
            found = [(await own.basic_get(queue, no_ack=True)).header.properties.message_id for _ in range(2)]
    assert found == ["01JD0000000000000001", "01JD0000000000000002"]


async def test_mutual_tls_1_3_and_what_it_refuses(
    tls_broker: RabbitMQ, dev_certs: Path, stranger_certs: Path, tmp_path: Path
) -> None:
    ours = files_of(dev_certs, "clinique-abc")
    async with channel(tls_broker.url, tmp_path, tls=ours, queue="clinic", declare="true") as out:
        assert (await out.send(attempt())).code == "ack"
        assert all(well for _, well, _ in await out.probe())
    strange = files_of(stranger_certs, "engine")
    async with channel(tls_broker.url, tmp_path, tls=strange, queue="clinic") as out:
        with pytest.raises(Permanent) as caught:
            await out.send(attempt())
    assert (caught.value.code, "not signed by our CA" in str(caught.value)) == ("wrong_ca", True)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"key": "abc"},
        {"queue": "q", "key": "abc"},
        {"exchange": "e", "declare": "true"},
        {"queue": "q", "amqp": "amqp://127.0.0.1/?no_verify_ssl=1"},
        {"queue": "q", "amqp": "http://127.0.0.1/"},
    ],
)
def test_an_endpoint_says_where_to_publish_and_nothing_in_the_url(keys: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        AmqpEndpoint.model_validate({"amqp": "amqp://127.0.0.1/", **keys})


def test_plaintext_is_told_from_tls() -> None:
    plain = AmqpEndpoint.model_validate({"amqp": "amqp://mq.example/", "queue": "q"}).exposure()
    secure = AmqpEndpoint.model_validate({"amqp": "amqps://mq.example/", "queue": "q"}).exposure()
    assert (plain, secure) == (
        Exposure("mq.example", encrypted=False),
        Exposure("mq.example", encrypted=True),
    )
