"""Receive webhooks: only what is signed by a key we hold is handed in, and its id is the signed `webhook-id`.

Source: Standard Webhooks 1.0.0, "Webhook headers", "Verifying signatures", "Replay attacks".
"""

from __future__ import annotations

from typing import ClassVar

from channels._http.inbound import KEPT_HEADERS, HttpInbound
from channels._http.listener import HttpListenerConfig
from channels._http.replies import Answer, problem
from channels._http.request import Request
from channels._tcp.caller import Caller
from channels.webhook.keys import Verifying
from engine.config.models import Address, HostPort
from engine.security.signing import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, BadSignature, verify
from engine.spi import ChannelContext

_HEADERS = (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
_ASK = b"www-authenticate: StandardWebhooks\r\n"


class WebhookListener(HttpListenerConfig):
    """Takes signed webhooks. A route names its door: `from: {hooks: POST /hooks/dme}`."""

    type: ClassVar[str] = "webhook"

    webhook: Address
    """Address to listen on, `127.0.0.1:8444`."""

    verify: Verifying
    """Keys that senders sign with."""


class WebhookInbound(HttpInbound):
    """Who calls is told by the signature: the listener's `partner`, or a certificate's."""

    config: WebhookListener
    kept_headers = KEPT_HEADERS | {name.encode("ascii") for name in _HEADERS}

    def __init__(self, config: WebhookListener, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._keys = config.verify.keys()

    def address(self) -> HostPort:
        return self.config.webhook

    def authenticate(self, caller: Caller, request: Request) -> Answer | None:
        request.partner = caller.partner or self.config.partner
        return None

    def identify(self, request: Request) -> Answer | None:
        for name in _HEADERS:
            if not request.text(name.encode("ascii")):
                return _unsigned(f"The header {name} is missing: this door takes signed webhooks only.")
        request.control_id = request.text(ID_HEADER.encode("ascii"))
        return None

    def verify(self, request: Request) -> Answer | None:
        headers = {name: request.text(name.encode("ascii")) for name in _HEADERS}
        try:
            verify(self._keys, headers, request.content(), now=self._now_ms() / 1000)
        except BadSignature as error:
            self._count(f"signature_{error.code}")
            return _unsigned(f"The webhook is not authentic: {error}.")
        return None


def _unsigned(detail: str) -> Answer:
    return problem(401, detail, lines=_ASK)
