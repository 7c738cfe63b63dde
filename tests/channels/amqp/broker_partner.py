"""RabbitMQ as a partner: a real node behind a relay that can hold, cut and close."""

from __future__ import annotations

import re
from collections.abc import Sequence

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection

from channels.amqp.model import AmqpEndpoint
from engine.testing.channels import MARKER, Arrival, Behaviour, NetworkPartner
from engine.testing.peers_wire import Way, Wire
from tests.peers.rabbitmq import PASSWORD, USER, RabbitMQ

KEY = "abc.appointment"
_ID = re.compile(rb"01JD[0-9A-Z]{16}")


class BrokerPartner(NetworkPartner):
    """One exchange on the shared broker, with a queue that takes, one that is full, or none bound to it."""

    secrets = ("Sesame-1963",)

    def __init__(
        self, broker: RabbitMQ, relay: Wire, connection: AbstractConnection, channel: AbstractChannel
    ) -> None:
        self._relay = relay
        self._connection = connection
        self._channel = channel
        self._arrivals: list[Arrival] = []
        self._accepted: list[Arrival] = []
        self.exchange = broker.fresh_name("notifications")
        self.queue = broker.fresh_name("clinic")
        self._full = broker.fresh_name("full")
        self.config = AmqpEndpoint.model_validate(
            {
                "amqp": f"amqp://{USER}:{PASSWORD}@127.0.0.1:{relay.port}/",
                "exchange": self.exchange,
                "key": KEY,
            }
        )
        relay.on_connect = lambda: (self._watch, lambda data: None)

    @classmethod
    async def start(cls, broker: RabbitMQ, relay: Wire) -> BrokerPartner:
        """Declare what the partner needs on the broker itself, past the relay."""
        connection = await aiormq.connect(broker.url)
        channel = await connection.channel()
        partner = cls(broker, relay, connection, channel)
        await channel.exchange_declare(partner.exchange, exchange_type="topic", durable=True)
        await channel.queue_declare(partner.queue, durable=True, arguments={"x-queue-type": "quorum"})
        await channel.queue_declare(
            partner._full, durable=True, arguments={"x-max-length": 0, "x-overflow": "reject-publish"}
        )
        await partner.become(Behaviour.ACCEPTS)
        return partner

    async def stop(self) -> None:
        """Close the connection past the relay."""
        await self._connection.close()

    def _watch(self, data: bytes) -> None:
        if MARKER.encode() in data:
            self._arrivals += [Arrival(found.decode(), b"") for found in dict.fromkeys(_ID.findall(data))]

    async def become(self, behaviour: Behaviour) -> None:
        await self._relay.open()
        self._relay.way = {Behaviour.SILENT: Way.HOLDS, Behaviour.DROPS: Way.CUTS}.get(behaviour, Way.PASSES)
        wanted = {Behaviour.REFUSES: None, Behaviour.BUSY: self._full}.get(behaviour, self.queue)
        for queue in (self.queue, self._full):
            if queue == wanted:
                await self._channel.queue_bind(queue, self.exchange, KEY)
            else:
                await self._channel.queue_unbind(queue, self.exchange, KEY)
        if behaviour is Behaviour.ABSENT:
            await self._relay.close()

    async def arrivals(self) -> Sequence[Arrival]:
        return list(self._arrivals)

    async def accepted(self) -> Sequence[Arrival]:
        while (
            message := await self._channel.basic_get(self.queue, no_ack=True)
        ).delivery.name == "Basic.GetOk":
            self._accepted.append(Arrival(message.header.properties.message_id or "", message.body))
        return list(self._accepted)

    def opened(self) -> int:
        return self._relay.opened

    def live(self) -> int:
        return self._relay.live
