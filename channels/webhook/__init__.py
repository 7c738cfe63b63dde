"""Webhooks as a channel, both ways: signed by Standard Webhooks 1.0.0, on HTTP/1.1 over TLS."""

from __future__ import annotations

from channels.webhook.endpoint import WebhookEndpoint
from channels.webhook.inbound import WebhookInbound, WebhookListener
from channels.webhook.outbound import WebhookOutbound
from engine.spi import ChannelType

CHANNEL = ChannelType(
    "webhook",
    listener=WebhookListener,
    endpoint=WebhookEndpoint,
    inbound=WebhookInbound,
    outbound=WebhookOutbound,
    converses=True,
)
