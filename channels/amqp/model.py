"""What users write for a broker: where it is, who we are there, and the exchange or queue."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from engine.config.models import AmqpUrl, Bool, EndpointConfig, ListenerConfig, Secret, Url, matching, whole

ShortText = Annotated[str, matching("a short text", "write at most 255 bytes", r"(?s).{1,255}")]


def _refuse(told: str, help: str) -> PydanticCustomError:
    return PydanticCustomError("scalar", "{told}", {"told": told, "help": help})


def _check_url(url: Url) -> None:
    if "?" in url or "#" in url:
        raise _refuse(
            "the URL of a broker takes no options", "write them as keys; certificates come from `tls`"
        )


class AmqpEndpoint(EndpointConfig):
    """Publish to an exchange, or straight to a queue, of a broker; delivered means confirmed by the broker."""

    type: ClassVar[str] = "amqp"

    amqp: AmqpUrl
    """The broker and its virtual host: `amqps://mq.example/vhost`. Plaintext `amqp://` only on this machine."""

    user: str = ""
    """Name to log in with; the URL's where it is not given."""

    password: Secret | None = None
    """Password to log in with; the URL's where it is not given."""

    auth: Literal["plain", "external"] = "plain"
    """How to log in: by name and password, or by the client certificate of `tls` (SASL EXTERNAL)."""

    exchange: str = ""
    """The exchange to publish to; it must exist. Without one, `queue` is published to directly."""

    key: str = ""
    """The routing key; the queue's name where there is no exchange."""

    queue: ShortText | None = None
    """A queue to publish to, or, with `exchange` and `declare`, to bind to it."""

    declare: Bool = False
    """Whether to make the queue, as a quorum queue, and its binding, where they are missing."""

    @model_validator(mode="after")
    def _addressed(self) -> Self:
        _check_url(self.amqp)
        if not self.exchange and self.queue is None:
            raise _refuse(
                "neither exchange nor queue", "say where to publish: `exchange` and `key`, or `queue`"
            )
        if self.declare and self.queue is None:
            raise _refuse("nothing to declare", "name the queue to make: `queue`")
        if not self.exchange and self.key:
            raise _refuse("a key without an exchange", "name the exchange, or leave the key out")
        return self


class AmqpListener(ListenerConfig):
    """Consume a queue of a broker; a message is acknowledged after it was committed."""

    type: ClassVar[str] = "amqp"

    amqp: AmqpUrl
    """The broker and its virtual host: `amqps://mq.example/vhost`. Plaintext `amqp://` only on this machine."""

    user: str = ""
    """Name to log in with; the URL's where it is not given."""

    password: Secret | None = None
    """Password to log in with; the URL's where it is not given."""

    auth: Literal["plain", "external"] = "plain"
    """How to log in: by name and password, or by the client certificate of `tls` (SASL EXTERNAL)."""

    queue: ShortText
    """The queue to consume; a quorum queue keeps its messages through the loss of a broker node."""

    declare: Bool = False
    """Whether to make the queue, as a quorum queue, where it is missing."""

    prefetch: Annotated[int, whole(1, 1000)] = 50
    """Most messages under way at once."""

    refused: Literal["ack", "reject"] = "ack"
    """What the broker is told of a message refused for its content, after the refusal was journalled: to forget it,
    or to give it to the queue's dead-letter exchange. What is larger than `limits.body` cannot be journalled: with
    `reject` it goes to the dead-letter exchange, with `ack` it stays in the queue, unacknowledged, and is logged."""

    @model_validator(mode="after")
    def _checked(self) -> Self:
        _check_url(self.amqp)
        return self
