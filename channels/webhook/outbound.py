"""Send webhooks: one POST per attempt, the same id each time, signed over the bytes that travel.

Source: Standard Webhooks 1.0.0, "Webhook headers", "Signature scheme"; W3C Trace Context 3.2;
draft-ietf-httpapi-idempotency-key-header-07.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import cast
from urllib.parse import quote, urlsplit

import anyio

from channels._http.client import ClientConnection
from channels._http.hl7_judgement import judge_acknowledgement
from channels._http.judgement import judge
from channels._http.pool import CONNECT_SECONDS, Pool
from channels._tcp.dial import Destination, Stages, probed, reach, wrap
from channels.webhook.endpoint import WebhookEndpoint
from engine import __version__
from engine.errors import Rejected
from engine.model import Attempt, Body, Reply
from engine.security.signing import sign
from engine.security.tls import TlsFiles, client_context
from engine.spi import ChannelContext, Outbound

REPLY_SECONDS = 30.0
"""How long an answer may take, unless the endpoint's `timeout` is longer."""

_FIELD = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
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
        self._destination = _destination(config, context.tls)
        self._head = _request_head(config)
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
        head = self._head + self._lines(attempt, body)
        response = await self._pool.exchange(
            head, body, seconds=until - loop.time(), reply_seconds=self._reply_seconds
        )
        if self.config.acknowledged == "hl7":
            now_ms = self.context.clock.now_ms()
            return judge_acknowledgement(response, body, acks=self.config.acks, now_ms=now_ms)
        return judge(response, now_ms=self.context.clock.now_ms())

    def _lines(self, attempt: Attempt, body: bytes) -> bytes:
        """Return the header lines of one attempt, and the empty line after them."""
        message_id = _written(attempt.message_id)
        headers = {"webhook-id": message_id}
        if self._keys:
            second = self.context.clock.now_ms() // 1000
            headers = sign(self._keys, message_id=message_id, timestamp=second, body=body)
        if not _FIELD.fullmatch(attempt.content_type):
            raise Rejected("the content type cannot be written as a header", code="content_type")
        trace = "".join(f"{name}: {value}\r\n" for name, value in _trace(attempt.headers))
        signed = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return (
            f"content-type: {attempt.content_type}\r\ncontent-length: {len(body)}\r\n"
            f'{signed}idempotency-key: "{message_id}"\r\n{trace}\r\n'
        ).encode("latin-1")

    # ------------------------------------------------------------- probe

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return await probed(self._look, _STAGES, seconds=CONNECT_SECONDS)

    async def _look(self, found: Stages) -> None:
        """Add what each stage shows; a stage that fails raises."""
        sock = await reach(self._destination, found)
        connection = await wrap(self._destination, sock, ClientConnection, seconds=CONNECT_SECONDS)
        try:
            found.append(("tls", True, self._security(connection)))
            head = self._head.replace(b"POST ", b"OPTIONS ", 1) + b"content-length: 0\r\n\r\n"
            response = await connection.exchange(head, b"", seconds=CONNECT_SECONDS)
            found.append(("http", True, f"answered {response.status} to OPTIONS"))
        finally:
            connection.abort()

    def _security(self, connection: ClientConnection) -> str:
        if connection.tls is None:
            return "none: plaintext"
        ends = cast(str, (connection.tls.getpeercert() or {}).get("notAfter", ""))
        until = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC).date() if ends else "unknown"
        return f"{connection.tls.version()}, certificate until {until}"


_STAGES = ("dns", "tcp", "tls", "http")


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


def _destination(config: WebhookEndpoint, tls: ssl.SSLContext | None) -> Destination:
    parts = urlsplit(config.webhook)
    secured = parts.scheme == "https"
    if secured and tls is None:
        tls = client_context(
            TlsFiles()
        )  # no profile: our certificate is not shown, theirs is checked by the system's
    return Destination(
        host=parts.hostname or "",
        port=parts.port or (443 if secured else 80),
        tls=tls if secured else None,
        allowed=config.allow_addresses,
        plaintext=config.plaintext.allow if config.plaintext else (),
    )


def _request_head(config: WebhookEndpoint) -> bytes:
    """Return the lines that are the same for every attempt."""
    parts = urlsplit(config.webhook)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.removesuffix(":443" if parts.scheme == "https" else ":80")
    lines = [f"POST {target} HTTP/1.1", f"host: {host}", f"user-agent: passerelle/{__version__}"]
    lines += [f"{name.lower()}: {value.reveal()}" for name, value in config.headers.items()]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


def _trace(headers: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """Return the trace context, where it is one; a tracestate without a traceparent means nothing."""
    parent, state = headers.get("traceparent", ""), headers.get("tracestate", "")
    if not _TRACEPARENT.fullmatch(parent):
        return ()
    return (
        (("traceparent", parent), ("tracestate", state))
        if _FIELD.fullmatch(state)
        else (("traceparent", parent),)
    )
