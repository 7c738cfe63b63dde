"""REST as a channel: partners post JSON or CloudEvents, and are answered once the message is durable.

Source: CloudEvents HTTP binding 1.0.2; RFC 9110; RFC 9457; draft-ietf-httpapi-idempotency-key-header-07.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from channels._http.identity import Doorkeeper
from channels._http.inbound import HttpInbound, usable_id
from channels._http.listener import HttpListenerConfig
from channels._http.replies import Answer, problem
from channels._http.request import Request
from channels._tcp.caller import Caller
from engine.config.models import Address, HostPort, Name, Secret
from engine.spi import ChannelContext, ChannelType


class RestListener(HttpListenerConfig):
    """Takes messages by HTTP. A route names its door: `from: {public: POST /v1/appointments}`."""

    type: ClassVar[str] = "rest"

    rest: Address
    """Address to listen on, `127.0.0.1:8443`."""

    tokens: dict[Name, Secret] = Field(default_factory=dict)
    """Bearer token of each partner that cannot show a certificate. Where there are tokens, nobody comes in without
    one, except by a certificate that belongs to a partner."""

    identity: Literal["optional", "required"] = "optional"
    """Whether a caller must be a known partner, by its certificate or token. `optional` also takes callers that the
    TLS profile trusts and no partner claims."""


class RestInbound(HttpInbound):
    """Who calls is told by certificate or token, what is sent by CloudEvents or an Idempotency-Key."""

    config: RestListener

    def __init__(self, config: RestListener, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._doorkeeper = Doorkeeper(
            config.tokens, expected=config.partner, required=config.identity == "required"
        )

    def address(self) -> HostPort:
        return self.config.rest

    def authenticate(self, caller: Caller, request: Request) -> Answer | None:
        return self._doorkeeper.prove(caller, request)

    def identify(self, request: Request) -> Answer | None:
        key = request.text(b"idempotency-key")
        if (
            not key
            or b"ce-id" in request.headers
            or b"cloudevents" in request.headers.get(b"content-type", b"")
        ):
            return (
                None  # a CloudEvent is identified by source and id, which the intake reads from its envelope
            )
        if len(key) > 1 and key[0] == key[-1] == '"':
            key = key[1:-1]
        if not usable_id(key):
            return problem(400, "The Idempotency-Key is not 1 to 256 visible ASCII characters.")
        request.control_id = key
        return None


CHANNEL = ChannelType("rest", listener=RestListener, inbound=RestInbound, converses=True)
