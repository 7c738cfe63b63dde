"""Publishing to RabbitMQ: the contract, then what is particular to AMQP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.errors import Permanent
from engine.testing.channels import MARKER, NetworkOutboundContract, NetworkPartner
from engine.testing.peers_wire import wire
from tests.channels.amqp.broker_partner import BrokerPartner
from tests.peers.ports import free_port
from tests.peers.rabbitmq import RabbitMQ


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
            yield partner
            await partner.stop()
