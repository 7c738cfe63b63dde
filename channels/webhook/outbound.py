"""Send webhooks: one POST per attempt, the same id each time, signed over the bytes that travel.

Source: Standard Webhooks 1.0.0, "Webhook headers", "Signature scheme"; W3C Trace Context 3.2;
draft-ietf-httpapi-idempotency-key-header-07.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from urllib.parse import quote

import anyio

from channels._http.hl7_judgement import judge_acknowledgement
from channels._http.judgement import judge
from channels._http.pool import Pool
from channels._http.probing import probed_by_options
from channels._http.requesting import destination_of, is_field, request_head, trace_lines
from channels.webhook.endpoint import WebhookEndpoint
from engine.codecs.hl7v2.header import header
from engine.errors import Rejected
from engine.model import Attempt, Body, Reply
from engine.security.signing import sign
from engine.spi import ChannelContext, Outbound

REPLY_SECONDS = 30.0
"""How long an answer may take, unless the endpoint's `timeout` is longer."""

_ID_MAX = 256
_ID_SAFE = (
    "!#$&'()*+,/:;<=>?@[\\]^`{|}\""  # visible ASCII but % and the full stop, which a signature separates by
)


class WebhookOutbound(Outbound):
    """Delivers to one URL over connections that are kept and used again."""

    config: WebhookEndpoint

    def __init__(self, config: WebhookEndpoint, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._keys = config.sign.keys() if config.sign else ()
        self._reply_seconds = max(REPLY_SECONDS, config.timeout.total_seconds() if config.timeout else 0.0)
        self._destination = destination_of(
            config.webhook, context.tls, allowed=config.allow_addresses, plaintext=config.plaintext
        )
        self._head = request_head("POST", config.webhook, config.headers)
        kept = config.limits.concurrency if config.limits else 4
        self._pool = Pool(self._destination, kept=kept)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()

    async def send(self, attempt: Attempt) -> Reply:
        loop = asyncio.get_running_loop()
        until = loop.time() + attempt.timeout
        body = attempt.body.data
        if body is None:
            body = await _read(attempt.body)
        told = (
            header(body) if self.config.acknowledged == "hl7" else None
        )  # nothing leaves that cannot be answered
        head = self._head + self._lines(attempt, body)
        response = await self._pool.exchange(
            head, body, seconds=until - loop.time(), reply_seconds=self._reply_seconds
        )
        now_ms = self.context.clock.now_ms()
        if told is None:
            return judge(response, now_ms=now_ms)
        return judge_acknowledgement(response, told, acks=self.config.acks, now_ms=now_ms)

    def _lines(self, attempt: Attempt, body: bytes) -> bytes:
        """Return the header lines of one attempt, and the empty line after them."""
        message_id = _written(attempt.message_id)
        headers = {"webhook-id": message_id}
        if self._keys:
            second = self.context.clock.now_ms() // 1000
            headers = sign(self._keys, message_id=message_id, timestamp=second, body=body)
        if not is_field(attempt.content_type):
            raise Rejected("the content type cannot be written as a header", code="content_type")
        trace = trace_lines(attempt.headers)
        signed = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return (
            f"content-type: {attempt.content_type}\r\ncontent-length: {len(body)}\r\n"
            f'{signed}idempotency-key: "{message_id}"\r\n{trace}\r\n'
        ).encode("latin-1")

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return await probed_by_options(self._destination, self._head)


def _written(message_id: str) -> str:
    """Return the id as visible ASCII without a full stop, the same for the same id: our own ids as they are."""
    if message_id.isalnum() and message_id.isascii():
        return message_id
    written = quote(message_id, safe=_ID_SAFE).replace(".", "%2E")
    if len(written) > _ID_MAX:
        raise Rejected("the message's id is too long for a header", code="message_id")
    return written


async def _read(body: Body) -> bytes:
    return await anyio.to_thread.run_sync(body.read)
