"""Consuming from RabbitMQ: the contract, then what is particular to AMQP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import aiormq
import anyio
import anyio.lowlevel
import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from channels.amqp.inbound import AmqpInbound
from channels.amqp.model import AmqpListener
from channels.amqp.received import headers_of, received_message
from engine.clock import Clock
from engine.errors import Permanent, Transient
from engine.model import Disposition
from engine.security.tls import client_context, server_context
from engine.testing.channels import Answer, InboundContract, RecordingIntake, Sender, channel_context
from engine.testing.peers_wire import Wire, wire
from engine.testing.virtual_clock import VirtualClock
from tests.channels.amqp.tap import ACK, REJECT, Answers, Tap
from tests.peers.ports import free_port
from tests.peers.rabbitmq import PASSWORD, USER, RabbitMQ
from tests.security.handshakes import files_of


class Publisher(Sender):
    """Publishes to a queue on the broker itself, and watches on the relay what the channel answers."""

    redelivers = True
    limit = 3

    def __init__(self, broker: RabbitMQ, relay: Wire, channel: AbstractChannel) -> None:
        self.queue = broker.fresh_name("appointments")
        self.answers = Answers()
        self._channel = channel
        self._count = 0
        relay.on_connect = lambda: Tap(self.answers).callbacks()
        self.config = AmqpListener.model_validate(
            {
                "amqp": f"amqp://{USER}:{PASSWORD}@127.0.0.1:{relay.port}/",
                "queue": self.queue,
                "declare": "true",
                "prefetch": self.limit,
                "refused": "reject",
            }
        )

    async def connect(self, address: str) -> None:
        assert address.endswith(self.queue)

    async def offer(self) -> str:
        self._count += 1
        message_id = f"appointment-{self._count}"
        properties = Basic.Properties(message_id=message_id, delivery_mode=2, content_type="application/json")
        await self._channel.basic_publish(
            b"{}", routing_key=self.queue, properties=properties, mandatory=True
        )
        return message_id

    async def answer(self, control_id: str) -> Answer:
        return {ACK: Answer.ACCEPTED, REJECT: Answer.REFUSED}.get(
            await self.answers.of(control_id), Answer.LATER
        )


class TestAmqpInbound(InboundContract):
    """A broker is answered by acknowledgements, seen here as they pass on the wire."""

    broker: RabbitMQ

    @pytest.fixture(autouse=True)
    def _shared(self, shared_broker: RabbitMQ) -> None:
        self.broker = shared_broker

    @asynccontextmanager
    async def sender(self, folder: Path) -> AsyncIterator[Sender]:
        connection = await aiormq.connect(self.broker.url)
        try:
            async with wire(self.broker.port, trigger=b"\0never\0", port=free_port()) as relay:
                yield Publisher(self.broker, relay, await connection.channel())
        finally:
            await connection.close()


@asynccontextmanager
async def admin(broker: RabbitMQ) -> AsyncIterator[AbstractChannel]:
    """Open a channel of the test's own."""
    connection = await aiormq.connect(broker.url)
    try:
        yield await connection.channel()
    finally:
        await connection.close()


@asynccontextmanager
async def consuming(
    url: str, intake: RecordingIntake, folder: Path, *, clock: Clock | None = None, **keys: Any
) -> AsyncIterator[AmqpInbound]:
    """Serve a queue until the end of the block."""
    config = AmqpListener.model_validate({"amqp": url, "declare": "true", **keys})
    channel = AmqpInbound(config, channel_context(folder, name="booked", clock=clock))
    async with anyio.create_task_group() as group:
        await group.start(channel.serve, intake)
        yield channel
        group.cancel_scope.cancel()


async def publish(channel: AbstractChannel, queue: str, body: bytes = b"{}", **properties: Any) -> None:
    await channel.basic_publish(
        body, routing_key=queue, mandatory=True, properties=Basic.Properties(delivery_mode=2, **properties)
    )


async def test_a_binary_event_brings_its_attributes_as_headers(
    shared_broker: RabbitMQ, tmp_path: Path
) -> None:
    queue, intake = shared_broker.fresh_name("events"), RecordingIntake()
    async with admin(shared_broker) as own, consuming(shared_broker.url, intake, tmp_path, queue=queue):
        headers = {
            "cloudEvents:id": "A-17",
            "cloudEvents:source": "/rdv",
            "cloudEvents_type": "appointment-booked",
            "cloudEvents:time": datetime(2026, 11, 2, 14, tzinfo=UTC),
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "x-internal": "not for us",
        }
        await publish(own, queue, headers=headers, content_type="application/json", correlation_id="C-1")
        await intake.until(1)
    message = intake.messages[0]
    assert message.headers == {
        "ce-id": "A-17",
        "ce-source": "/rdv",
        "ce-type": "appointment-booked",
        "ce-time": "2026-11-02T14:00:00Z",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "correlation-id": "C-1",
    }
    assert (message.content_type, message.codec) == ("application/json", "json")


def delivered(**properties: Any) -> DeliveredMessage:
    """A delivery as RabbitMQ hands it over; aiormq itself never publishes without a message_id."""
    found = Basic.Properties(**properties)
    deliver = Basic.Deliver("tag", 1, False, "exchange", "abc.appointment")
    return DeliveredMessage(deliver, ContentHeader(0, 2, found), b"{}", cast("AbstractChannel", None))


@pytest.mark.parametrize(
    ("properties", "control_id"),
    [
        ({"message_id": "m-1", "headers": {"cloudEvents:id": "A-17", "cloudEvents:source": "/rdv"}}, "m-1"),
        ({"headers": {"cloudEvents:id": "A-17", "cloudEvents:source": "/rdv"}}, "/rdv A-17"),
        ({"headers": {"cloudEvents:id": "A-17"}}, ""),
        ({"content_type": "application/cloudevents+json"}, ""),
    ],
)
def test_the_control_id_is_the_message_id_else_the_events(
    tmp_path: Path, properties: dict[str, Any], control_id: str
) -> None:
    config = AmqpListener.model_validate({"amqp": "amqp://127.0.0.1/", "queue": "q", "partner": "hsj"})
    message = received_message(delivered(**properties), config, channel_context(tmp_path), "127.0.0.1:5672/")
    assert (message.control_id, message.partner) == (control_id, "hsj")
    assert message.meta == {"routing_key": "abc.appointment", "type": ""}


def test_headers_are_bounded() -> None:
    table = {f"cloudEvents:x{number}": "y" * 5000 for number in range(100)}
    found = headers_of(table)
    assert len(found) == 32
    assert max(map(len, found.values())) == 1024


async def test_a_refused_message_goes_to_the_dead_letter_exchange_where_the_listener_says_so(
    shared_broker: RabbitMQ, tmp_path: Path
) -> None:
    queue, dead = shared_broker.fresh_name("events"), shared_broker.fresh_name("dead")
    async with admin(shared_broker) as own:
        await own.queue_declare(dead, durable=True)
        arguments: Any = {
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead,
        }
        await own.queue_declare(queue, durable=True, arguments=arguments)
        intake = RecordingIntake(Disposition.REFUSED)
        async with consuming(
            shared_broker.url, intake, tmp_path, queue=queue, declare="false", refused="reject"
        ):
            await publish(own, queue, message_id="m-1")
            found = await taken(own, dead)
    assert found == "m-1"


async def taken(channel: AbstractChannel, queue: str) -> str:
    """Wait for a message in a queue and return its id."""
    arrived: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def take(message: DeliveredMessage) -> None:
        arrived.set_result(message.header.properties.message_id or "")

    await channel.basic_consume(queue, take, no_ack=True)
    async with asyncio.timeout(30):
        return await arrived


async def test_a_refused_message_is_forgotten_by_the_broker_by_default(
    shared_broker: RabbitMQ, tmp_path: Path
) -> None:
    queue, intake = shared_broker.fresh_name("events"), RecordingIntake(Disposition.REFUSED)
    answers = Answers()
    async with wire(shared_broker.port, trigger=b"\0never\0") as relay, admin(shared_broker) as own:
        relay.on_connect = lambda: Tap(answers).callbacks()
        url = shared_broker.url.replace(str(shared_broker.port), str(relay.port))
        async with consuming(url, intake, tmp_path, queue=queue):
            await publish(own, queue, message_id="m-1")
            with anyio.fail_after(30):
                assert await answers.of("m-1") == ACK


async def test_what_cannot_be_stored_is_kept_and_not_redelivered(
    shared_broker: RabbitMQ, tmp_path: Path
) -> None:
    queue = shared_broker.fresh_name("events")
    full = Transient("the disk is nearly full", retry_after=0.01)
    intake = RecordingIntake(*[full] * 30, Disposition.ACCEPTED)
    async with admin(shared_broker) as own:
        arguments: Any = {"x-queue-type": "quorum", "x-delivery-limit": 3}
        await own.queue_declare(queue, durable=True, arguments=arguments)
        async with consuming(shared_broker.url, intake, tmp_path, queue=queue, declare="false"):
            await publish(own, queue, message_id="m-1")
            await intake.until(31)
            await intake.until_idle()
    assert intake.control_ids == ["m-1"] * 31


async def test_pauses_grow_while_nothing_can_be_stored(shared_broker: RabbitMQ, tmp_path: Path) -> None:
    queue, clock = shared_broker.fresh_name("events"), VirtualClock(datetime(2026, 11, 2, tzinfo=UTC))
    intake = RecordingIntake(Transient("the disk is nearly full"))
    pauses = []
    async with (
        admin(shared_broker) as own,
        consuming(shared_broker.url, intake, tmp_path, queue=queue, clock=clock),
    ):
        await publish(own, queue, message_id="m-1")
        for number in range(1, 10):
            await intake.until_returned(number)
            with anyio.fail_after(30):
                while (wake := clock.next_wake_ms()) is None:
                    await anyio.lowlevel.checkpoint()
            pauses.append((wake - clock.now_ms()) / 1000)
            clock.advance_to(wake)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


async def test_a_message_above_the_limit_stays_with_the_broker(
    shared_broker: RabbitMQ, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue, intake = shared_broker.fresh_name("events"), RecordingIntake()
    async with admin(shared_broker) as own:
        async with consuming(
            shared_broker.url, intake, tmp_path, queue=queue, limits={"body": "10B"}
        ) as channel:
            await publish(own, queue, b"eleven bytes", message_id="large")
            await publish(own, queue, b"ten bytes!", message_id="small")
            await intake.until(1)
            await channel.stop()
        assert await taken(own, queue) == "large"
    assert intake.control_ids == ["small"]
    assert [vars(record)["action"] for record in caplog.records] == ["amqp_too_large"]


async def test_a_missing_queue_is_a_readable_cause(shared_broker: RabbitMQ, tmp_path: Path) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with consuming(
            shared_broker.url, RecordingIntake(), tmp_path, queue="nowhere", declare="false"
        ):
            pass
    assert caught.group_contains(Permanent, match="has no such exchange or queue")


async def test_a_deleted_queue_ends_serving_with_a_readable_cause(
    shared_broker: RabbitMQ, tmp_path: Path
) -> None:
    queue = shared_broker.fresh_name("events")
    with pytest.raises(BaseExceptionGroup) as caught:
        async with (
            admin(shared_broker) as own,
            consuming(shared_broker.url, RecordingIntake(), tmp_path, queue=queue, declare="true") as channel,
        ):
            object.__setattr__(channel.config, "declare", False)
            await own.queue_delete(queue)
            await anyio.sleep_forever()
    assert caught.group_contains(Permanent, match="has no such exchange or queue")


async def test_a_connection_cut_before_the_acknowledgement_brings_the_message_again(
    shared_broker: RabbitMQ, tmp_path: Path
) -> None:
    queue, intake = shared_broker.fresh_name("events"), RecordingIntake()
    intake.close_gate()
    async with wire(shared_broker.port, trigger=b"\0never\0") as relay, admin(shared_broker) as own:
        url = shared_broker.url.replace(str(shared_broker.port), str(relay.port))
        async with consuming(url, intake, tmp_path, queue=queue):
            await publish(own, queue, message_id="m-1")
            await intake.until(1)
            relay.cut()
            intake.open_gate()
            await intake.until(2)
    assert intake.control_ids == ["m-1", "m-1"]
    assert relay.opened == 2


async def test_consuming_goes_on_after_the_broker_restarted(broker_to_stop: RabbitMQ, tmp_path: Path) -> None:
    broker, queue = broker_to_stop, broker_to_stop.fresh_name("events")
    intake = RecordingIntake()
    intake.close_gate()
    async with consuming(broker.url, intake, tmp_path, queue=queue):
        async with admin(broker) as own:
            await publish(own, queue, message_id="m-1")
            await intake.until(1)
        await broker.stop()
        intake.open_gate()
        await broker.start()
        await intake.until(2, seconds=60)
        async with admin(broker) as own:
            await publish(own, queue, message_id="m-2")
            await intake.until(3, seconds=60)
    assert intake.control_ids == ["m-1", "m-1", "m-2"]


async def test_mutual_tls_1_3_with_a_profile_made_for_either_side(
    tls_broker: RabbitMQ, dev_certs: Path, tmp_path: Path
) -> None:
    files = files_of(dev_certs, "clinique-abc")
    config = AmqpListener.model_validate({"amqp": tls_broker.url, "queue": "events", "declare": "true"})
    for tls in (client_context(files), server_context(files)):
        channel = AmqpInbound(config, channel_context(tmp_path, tls=tls))
        async with anyio.create_task_group() as group:
            address = await group.start(channel.serve, RecordingIntake())
            await channel.stop()
        assert address.endswith(f":{tls_broker.port}/ events")
