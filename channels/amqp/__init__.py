"""Channel `amqp`: AMQP 0-9-1 (RabbitMQ): confirmed publishing out, acknowledged after the commit in."""

from __future__ import annotations

from channels.amqp.inbound import AmqpInbound
from channels.amqp.model import AmqpEndpoint, AmqpListener
from channels.amqp.outbound import AmqpOutbound
from engine.spi import ChannelType

CHANNEL = ChannelType(
    "amqp", listener=AmqpListener, endpoint=AmqpEndpoint, inbound=AmqpInbound, outbound=AmqpOutbound
)
