"""HL7 v2 over MLLP as a channel, both ways: framed, acknowledged in both modes, over mutual TLS 1.3."""

from __future__ import annotations

from channels.mllp.endpoint import MllpEndpoint
from channels.mllp.inbound import MllpInbound
from channels.mllp.listener import MllpListener
from channels.mllp.outbound import MllpOutbound
from engine.spi import ChannelType

CHANNEL = ChannelType(
    "mllp",
    listener=MllpListener,
    endpoint=MllpEndpoint,
    inbound=MllpInbound,
    outbound=MllpOutbound,
    converses=True,
)
