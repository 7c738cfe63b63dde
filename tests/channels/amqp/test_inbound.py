"""Consuming from RabbitMQ: the contract, then what is particular to AMQP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiormq
import pytest
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic

from channels.amqp.model import AmqpListener
from engine.testing.channels import Answer, InboundContract, Sender
from engine.testing.peers_wire import Wire, wire
from tests.channels.amqp.tap import ACK, REJECT, Answers, Tap
from tests.peers.ports import free_port
from tests.peers.rabbitmq import PASSWORD, USER, RabbitMQ


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
        async with wire(self.broker.port, trigger=b"\0never\0", port=free_port()) as relay:
            yield Publisher(self.broker, relay, await connection.channel())
        await connection.close()
