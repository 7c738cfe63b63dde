"""What a listener of type `mllp` can be told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from channels.mllp.settings import Charset, FrameConfig
from engine.config.models import (
    Address,
    Bool,
    Duration,
    ListenerConfig,
    ListenerLimits,
    Many,
    Network,
    Size,
    StrictModel,
    matching,
)


class MllpLimits(ListenerLimits):
    """What an MLLP listener takes at once."""

    body: Size = 16 * 2**20
    """Largest message in bytes, as they arrive; a larger one is answered AR, and its first 16 KiB are kept with
    the refusal."""


class SendingSystem(StrictModel):
    """One sending system that a listener expects, by what its messages say of themselves."""

    application: str = ""
    """MSH-3.1, any where it is not given."""

    facility: str = ""
    """MSH-4.1, any where it is not given."""

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if not self.application and not self.facility:
            raise ValueError("give an application, a facility, or both")
        return self


class ProxyConfig(StrictModel):
    """Proxies that tell the sender's real address at the beginning of each connection."""

    v2: tuple[Network, ...] = Field(min_length=1)
    """Networks of the proxies, which speak PROXY protocol version 2; a connection from elsewhere is closed."""


class MllpListenerTimeouts(StrictModel):
    """How long a sender may take."""

    frame: Duration = timedelta(seconds=60)
    """From the first byte of a message to its last; also how long it may refuse to read its acknowledgement."""

    idle: Duration = timedelta(hours=24)
    """How long a connection is kept without a message. A dead peer is noticed by TCP within half a minute."""

    connect: Duration = timedelta(seconds=10)
    """With `role: client`: how long a connection may take to be opened."""


class MllpListener(ListenerConfig):
    """Takes HL7 v2 messages over MLLP and acknowledges each once it is durable; up to 16 MiB each, unless `limits` says
    otherwise."""

    type: ClassVar[str] = "mllp"

    mllp: Address
    """Address to listen on, `127.0.0.1:2575`; with `role: client`, the sender's server to connect to."""

    role: Literal["server", "client"] = "server"
    """`client` connects out to the sender's server and receives on that connection."""

    charset: Charset | None = None
    """Character set of the messages, whatever their MSH-18 says; MSH-18 decides where it is not given."""

    sender: Annotated[tuple[SendingSystem, ...], *Many] = ()
    """Systems that may send here; a message that names another in MSH-3 and MSH-4 is answered AR."""

    processing: Annotated[tuple[Literal["P", "T", "D"], ...], *Many] = ()
    """MSH-11 of the messages that are taken: `P` alone keeps training (T) and debugging (D) out, which are answered AR
    with 202, as is a message without MSH-11. Any where it is not given."""

    acks: Literal["auto", "original", "enhanced"] = "auto"
    """Which acknowledgements are sent. `auto`: MSH-15 and MSH-16 of each message decide, and both empty mean the
    original mode; `original`: one application acknowledgement, whatever they say; `enhanced`: an empty MSH-15 means AL
    and an empty MSH-16 NE."""

    application_ack: (
        Annotated[str, matching("an endpoint", "write partner.endpoint", r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")]
        | None
    ) = None
    """Endpoint (`partner.endpoint`) that application acknowledgements of the enhanced mode are delivered to, like any
    message; without it they follow the commit acknowledgement on the sender's connection."""

    sequence: Bool = False
    """Whether MSH-13 numbers the messages of each sending application (the sequence number protocol)."""

    commit_bytes: Bool = False
    """Whether each message is answered by a commit block first (MLLP release 2)."""

    frame: FrameConfig = FrameConfig()
    """Bytes around each message."""

    limits: MllpLimits = MllpLimits()
    """Limits of this door."""

    timeouts: MllpListenerTimeouts = MllpListenerTimeouts()
    """How long a sender may take."""

    proxy: ProxyConfig | None = None
    """Proxies before this listener that tell the sender's address."""

    @model_validator(mode="after")
    def _roles_agree(self) -> Self:
        if self.role == "client" and self.proxy is not None:
            raise ValueError("a proxy stands before a listener, not before a connection that we open")
        return self

    def endpoints(self) -> Mapping[str, str]:
        """Return where application acknowledgements go."""
        return {"application_ack": self.application_ack} if self.application_ack else {}

    def hears_confirmations(self) -> bool:
        """Application acknowledgements are told apart before any route is asked."""
        return True

    def selector_fault(self, selector: str) -> str:
        """Refuse a door within the listener: MLLP has none."""
        return "" if not selector else f'an MLLP listener has no door "{selector}": write its name alone'
