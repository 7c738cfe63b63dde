"""Publishes with confirms: delivered means that the broker took the message on its disk.

All sends share one channel. A send that times out retires the connection: no new send uses it, those in flight may
still be confirmed on it. Source: AMQP 0-9-1 1.8.3 (basic), RabbitMQ "Consumer Acknowledgements and Publisher Confirms".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType

from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelClosed, ChannelInvalidStateError, DeliveryError
from pamqp.commands import Basic

from channels.amqp.link import QUORUM, Link, losing, open_link, place, refusal
from channels.amqp.model import AmqpEndpoint
from engine.errors import PasserelleError, Permanent, Rejected, Transient
from engine.model import Attempt, Body, Reply
from engine.spi import ChannelContext, Outbound

_APPLICATION = "passerelle"
_PERSISTENT = 2
_PREFIX = "ce-"
_BINDING = "cloudEvents:"  # CloudEvents AMQP binding 3.1.3
_TOO_LARGE = re.compile(r"message size (\d+) .*max size (\d+)")


class AmqpOutbound(Outbound):
    """Delivers to one exchange or queue; `Reply.code` is `ack`."""

    config: AmqpEndpoint

    def __init__(self, config: AmqpEndpoint, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._place = place(config)
        self._key = config.key if config.exchange else config.queue or ""
        self._link: Link | None = None
        self._connecting = asyncio.Lock()
        self._tries = 0
        self._failure: PasserelleError | None = None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def send(self, attempt: Attempt) -> Reply:
        content = await _content(attempt.body)
        link: Link | None = None
        published = False
        try:
            async with asyncio.timeout(attempt.timeout):
                link = await self._linked()
                link.in_flight += 1
                await (
                    link.connection.ready()
                )  # blocked: the broker is short of memory or disk and reads nothing
                published = True
                await self._publish(link, attempt, content)
        except TimeoutError:
            self._retire(link)
            raise self._silent(attempt, linked=link is not None, published=published) from None
        except asyncio.CancelledError:
            self._retire(link)
            raise
        except (AMQPError, OSError) as error:
            self._retire(link)
            raise self._lost() if published else refusal(error, self._place) from error
        finally:
            if link is not None:
                link.leave()
        return Reply("ack")

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        try:
            link = await open_link(self.config, self.context, self._declare)
        except PasserelleError as error:
            return [("broker", False, str(error))]
        await link.close()
        target = f"exchange {self.config.exchange}" if self.config.exchange else f"queue {self.config.queue}"
        return [("broker", True, self._place), ("target", True, target)]

    # ----------------------------------------------------------------- the connection

    async def _linked(self) -> Link:
        """Return the connection in use, or open one; who waits while another tries shares its failure."""
        if self._link is not None and not self._link.broken:
            return self._link
        before = self._tries
        async with self._connecting:
            if self._link is not None and not self._link.broken:
                return self._link
            if self._tries != before and self._failure is not None:
                raise self._failure
            self._tries += 1
            try:
                self._link = await open_link(self.config, self.context, self._declare)
            except PasserelleError as error:
                self._failure = error
                raise
            self._failure = None
            return self._link

    async def _declare(self, channel: AbstractChannel) -> None:
        """Make what is to be made; else look that it is there, so that its absence is an error before any send."""
        exchange, queue = self.config.exchange, self.config.queue
        if exchange:
            await channel.exchange_declare(exchange, passive=True)
        if queue is None:
            return
        if self.config.declare:
            await channel.queue_declare(queue, durable=True, arguments=dict(QUORUM))
            if exchange:
                await channel.queue_bind(queue, exchange, self._key)
        elif not exchange:
            await channel.queue_declare(queue, passive=True)

    def _retire(self, link: Link | None) -> None:
        if link is None:
            return
        link.retire()
        if self._link is link:
            self._link = None

    # ----------------------------------------------------------------- one message

    async def _publish(self, link: Link, attempt: Attempt, content: bytes) -> None:
        try:
            with losing():
                await link.channel.basic_publish(
                    content,
                    exchange=self.config.exchange,
                    routing_key=self._key,
                    properties=self._properties(attempt),
                    mandatory=True,
                )
        except DeliveryError as error:
            raise self._undelivered(error) from None
        except ChannelInvalidStateError:
            self._retire(link)
            text = f"the connection to the broker {self._place} was lost before the message was sent"
            raise Transient(text, code="lost") from None
        except ChannelClosed as error:
            self._retire(link)
            raise self._closed(error, len(content)) from error

    def _properties(self, attempt: Attempt) -> Basic.Properties:
        return Basic.Properties(
            content_type=attempt.content_type,
            delivery_mode=_PERSISTENT,
            message_id=attempt.message_id,
            message_type=attempt.kind or None,
            timestamp=datetime.fromtimestamp(self.context.clock.now_ms() // 1000, UTC),
            app_id=_APPLICATION,
            headers={_header(name): value for name, value in attempt.headers.items()},
        )

    def _undelivered(self, error: DeliveryError) -> PasserelleError:
        if isinstance(error.frame, Basic.Return):
            reply = Reply(str(error.frame.reply_code), str(error.frame.reply_text).encode())
            text = f"the broker {self._place} has no queue for this routing key: bind one, or correct exchange and key"
            return Permanent(text, code="unroutable", reply=reply)
        # A negative confirm: the broker says that it is not responsible for the message. It was answered, so known.
        text = f"the broker {self._place} did not take the message: a queue is full or its disk failed"
        return Transient(text, code="nack", reply=Reply("nack"))

    def _closed(self, error: ChannelClosed, size: int) -> PasserelleError:
        """The broker closed the channel under everything in flight: only what is surely refused counts as refused."""
        told = str(error.args[-1]) if error.args else ""
        reply = Reply("channel.close", told.encode()[:500])
        limit = _TOO_LARGE.search(told)
        if limit and size > int(limit[2]):
            text = f"the message has {size} bytes, the broker {self._place} takes at most {limit[2]}"
            return Rejected(text, code="too_large", reply=reply)
        if "ACCESS_REFUSED" in told:
            text = f"the broker {self._place} does not let us publish to the exchange"
            return Permanent(text, code="access", reply=reply)
        return self._lost()

    def _lost(self) -> Transient:
        text = f"the broker {self._place} was lost before it confirmed the message"
        return Transient(text, sent=True, code="lost")

    def _silent(self, attempt: Attempt, *, linked: bool, published: bool) -> Transient:
        within = f"within {attempt.timeout:g} s"
        if published:
            return Transient(
                f"the broker {self._place} confirmed nothing {within}", sent=True, code="timeout"
            )
        if linked:
            text = f"the broker {self._place} blocks publishing (memory or disk alarm), and not only for a moment"
            return Transient(text, code="blocked")
        return Transient(f"the broker {self._place} did not answer {within}", code="timeout")


async def _content(body: Body) -> bytes:
    return body.data if body.data is not None else await asyncio.to_thread(body.read)


def _header(name: str) -> str:
    return _BINDING + name.removeprefix(_PREFIX) if name.startswith(_PREFIX) else name
