"""Channels as small as their configuration, so that these tests need none of the real ones; steps are the real ones."""

from __future__ import annotations

from typing import ClassVar

from engine.config.models import (
    Address,
    AmqpUrl,
    ConnectionConfig,
    Count,
    Duration,
    EndpointConfig,
    Exposure,
    FilePath,
    HttpUrl,
    ListenerConfig,
    MailAddress,
    Name,
    Secret,
    StrictModel,
)
from engine.config.plugins import Plugins, installed
from engine.errors import NotFound
from engine.spi import ChannelType


class RestListener(ListenerConfig):
    """REST."""

    type: ClassVar[str] = "rest"
    rest: Address
    """Where it listens."""

    def selector_fault(self, selector: str) -> str:
        return "" if selector.startswith("POST /") else "write POST and a path"


class FileListener(ListenerConfig):
    """Files."""

    type: ClassVar[str] = "file"
    file: FilePath
    """The folder."""
    match: str = "*"
    """Names that are taken."""
    stable: Duration | None = None
    """How long a file must not have grown."""


class AmqpListener(ListenerConfig):
    """A queue."""

    type: ClassVar[str] = "amqp"
    amqp: AmqpUrl
    """The broker."""
    queue: str
    """The queue."""
    prefetch: Count = 20
    """Messages in hand."""


class Signature(StrictModel):
    """How messages are signed."""

    standard_webhooks: Secret
    """Secret of Standard Webhooks."""


class WebhookEndpoint(EndpointConfig):
    """A webhook."""

    type: ClassVar[str] = "webhook"
    webhook: HttpUrl
    """Where to."""
    sign: Signature | None = None
    """How."""


class AmqpEndpoint(EndpointConfig):
    """An exchange."""

    type: ClassVar[str] = "amqp"
    amqp: AmqpUrl
    """The broker."""
    exchange: str
    """The exchange."""
    key: str = ""
    """The routing key."""


class MailEndpoint(EndpointConfig):
    """A mail address."""

    type: ClassVar[str] = "smtp"
    smtp: MailAddress
    """Where to."""
    connection: Name | None = None
    """By which server."""


class MailConnection(ConnectionConfig):
    """A mail server."""

    type: ClassVar[str] = "smtp"
    smtp: Address
    """The server."""
    starttls: str = "required"
    """Whether TLS begins after the greeting."""
    user: str = ""
    """Who we are."""
    password: Secret | None = None
    """And what proves it."""

    def exposure(self) -> Exposure | None:
        return Exposure(self.smtp.host, encrypted=self.starttls == "required")


class InboxEndpoint(EndpointConfig):
    """A folder of our own."""

    type: ClassVar[str] = "inbox"
    inbox: Name
    """Its name."""


CHANNELS = {
    "amqp": ChannelType("amqp", listener=AmqpListener, endpoint=AmqpEndpoint),
    "file": ChannelType("file", listener=FileListener),
    "inbox": ChannelType("inbox", endpoint=InboxEndpoint),
    "rest": ChannelType("rest", listener=RestListener),
    "smtp": ChannelType("smtp", endpoint=MailEndpoint, connection=MailConnection),
    "webhook": ChannelType("webhook", endpoint=WebhookEndpoint),
}


def channel_type(name: str) -> ChannelType:
    """Return one of them; NotFound otherwise."""
    if name not in CHANNELS:
        raise NotFound(f"no channel type {name!r}")
    return CHANNELS[name]


def plugins() -> Plugins:
    """Return the sample channels and the engine's own steps."""
    real = installed()
    return Plugins(
        channel_names=lambda: tuple(CHANNELS),
        channel_type=channel_type,
        step_names=real.step_names,
        step_type=real.step_type,
    )
