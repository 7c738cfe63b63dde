"""Consumes a queue; each message is acknowledged after the intake returned, that is after its commit.

What cannot be stored now is kept, unacknowledged, and handed in again after a pause. It is not requeued: RabbitMQ 4
drops a message of a quorum queue after 20 redeliveries, so an hour of a full disk would lose the queue's head. The
broker gets it back when we stop or the connection is lost; the copy then meets the duplicate check.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from anyio.abc import TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from pamqp.commands import Basic

from channels.amqp.link import CLOSE_SECONDS, CONNECT_SECONDS, QUORUM, Link, losing, open_link, place
from channels.amqp.model import AmqpListener
from channels.amqp.received import received_message
from engine.errors import CommitUnknown, Rejected, Transient
from engine.model import Disposition, Verdict
from engine.spi import ChannelContext, Inbound, Intake

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LONGEST_RECONNECT = 5.0  # seconds: a broker that is back should not be kept waiting


class Acknowledgement:
    """The exchange of a broker: its reply is one word, `ack` or `reject`, for what the channel tells the broker."""

    def __init__(self, refused: str) -> None:
        self._refused = refused

    def reply(self, verdict: Verdict) -> bytes:
        return (self._refused if verdict.disposition is Disposition.REFUSED else "ack").encode()


class AmqpInbound(Inbound):
    """Serves one queue with `prefetch` messages under way at most; reconnects when the broker went away."""

    config: AmqpListener

    def __init__(self, config: AmqpListener, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._place = place(config)
        self._exchange = Acknowledgement(config.refused)
        self._stopping = anyio.Event()
        self._ended: anyio.Event | None = None

    async def serve(self, intake: Intake, *, task_status: TaskStatus[str]) -> None:
        """Consume until stopped; Transient or Permanent when the broker cannot be used from the start."""
        ended = self._ended = anyio.Event()
        try:
            link = await open_link(self.config, self.context, self._prepare)
            task_status.started(f"{self._place} {self.config.queue}")
            while True:
                await self._consume(link, intake)
                if self._stopping.is_set():
                    return
                found = await self._reopen()
                if found is None:
                    return
                link = found
        finally:
            ended.set()

    async def stop(self) -> None:
        self._stopping.set()
        if self._ended is not None:
            await self._ended.wait()

    # ----------------------------------------------------------------- the connection

    async def _prepare(self, channel: AbstractChannel) -> None:
        if self.config.declare:
            await channel.queue_declare(self.config.queue, durable=True, arguments=dict(QUORUM))
        else:
            await channel.queue_declare(self.config.queue, passive=True)
        await channel.basic_qos(prefetch_count=self.config.prefetch)

    async def _reopen(self) -> Link | None:
        """Connect again, with growing pauses; None when stopped meanwhile. Permanent ends serving."""
        self._note("disconnected", "the broker was lost, connecting again")
        pause = _SHORTEST_PAUSE
        while True:
            await self._pause(pause, self._stopping)
            if self._stopping.is_set():
                return None
            try:
                return await open_link(self.config, self.context, self._prepare)
            except Transient:
                pause = min(_LONGEST_RECONNECT, pause * 2)

    async def _consume(self, link: Link, intake: Intake) -> None:
        """Consume on one connection until it is lost or we are stopped; ends with nothing under way."""
        send, receive = anyio.create_memory_object_stream[DeliveredMessage](self.config.prefetch)
        lost = anyio.Event()
        link.connection.closing.add_done_callback(lambda _: lost.set())
        link.channel.closing.add_done_callback(lambda _: lost.set())
        try:
            async with anyio.create_task_group() as group, receive:
                for _ in range(self.config.prefetch):
                    group.start_soon(self._work, link, receive.clone(), intake, lost)
                await self._feed(link, send, lost)
        finally:
            with anyio.CancelScope(shield=True):
                await link.close()

    async def _feed(
        self, link: Link, send: MemoryObjectSendStream[DeliveredMessage], lost: anyio.Event
    ) -> None:
        """Take what the broker delivers until the connection is lost or we are stopped."""

        async def deliver(message: DeliveredMessage) -> None:
            # After the stream was closed the broker keeps the message: it is unacknowledged and not begun.
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                send.send_nowait(message)

        def cancelled(_: object) -> None:
            lost.set()

        link.channel.on_consumer_cancel_callbacks.add(cancelled)
        async with send:
            try:
                with losing():
                    async with asyncio.timeout(CONNECT_SECONDS):
                        consumer = await link.channel.basic_consume(self.config.queue, deliver)
            except (AMQPError, OSError, ChannelInvalidStateError, TimeoutError):
                return  # a node that just came up may never answer: the next connection asks again
            async with anyio.create_task_group() as group:
                for event in (lost, self._stopping):
                    group.start_soon(_end_on, event, group.cancel_scope)
            if not lost.is_set():
                with anyio.move_on_after(CLOSE_SECONDS):
                    await self._cancel_consumer(link, consumer.consumer_tag or "")

    async def _cancel_consumer(self, link: Link, tag: str) -> None:
        try:
            with losing():
                await link.channel.basic_cancel(tag)
        except (AMQPError, OSError, ChannelInvalidStateError):
            self._note("disconnected", "the broker was lost while stopping")

    async def _pause(self, seconds: float, *ends: anyio.Event) -> None:
        async with anyio.create_task_group() as group:
            for event in ends:
                group.start_soon(_end_on, event, group.cancel_scope)
            await self.context.clock.sleep(seconds)
            group.cancel_scope.cancel()

    # ----------------------------------------------------------------- one message

    async def _work(
        self,
        link: Link,
        messages: MemoryObjectReceiveStream[DeliveredMessage],
        intake: Intake,
        lost: anyio.Event,
    ) -> None:
        async with messages:
            async for delivered in messages:
                if self._stopping.is_set() or lost.is_set():
                    continue
                word = await self._hand_in(delivered, intake, lost)
                await self._tell(link, delivered, word)

    async def _hand_in(self, delivered: DeliveredMessage, intake: Intake, lost: anyio.Event) -> str:
        """Hand a message in until it is durable; return what to tell the broker, "" for nothing."""
        size = len(delivered.body)
        if size > self.config.limits.body:
            self._note("too_large", "a message is larger than `limits.body`")
            return "reject" if self.config.refused == "reject" else ""
        pause = _SHORTEST_PAUSE
        while not lost.is_set():
            try:
                with intake.admit(self.config.partner, size):
                    message = received_message(delivered, self.config, self.context, self._place)
                    receipt = await intake(message, self._exchange)
                return receipt.reply.decode()
            except Rejected:
                self._note("no_route", "no route takes messages here")
                return ""
            except (Transient, CommitUnknown) as error:
                asked = error.retry_after if isinstance(error, Transient) else None
                await self._pause(pause if asked is None else asked, lost, self._stopping)
                pause = min(_LONGEST_PAUSE, pause * 2)
                if self._stopping.is_set():
                    return "requeue"
        return ""

    async def _tell(self, link: Link, delivered: DeliveredMessage, word: str) -> None:
        assert isinstance(delivered.delivery, Basic.Deliver)
        tag = delivered.delivery.delivery_tag or 0
        try:
            match word:
                case "ack":
                    await link.channel.basic_ack(tag, wait=False)
                case "reject":
                    await link.channel.basic_reject(tag, requeue=False, wait=False)
                case "requeue":
                    await link.channel.basic_nack(tag, requeue=True, wait=False)
        except (AMQPError, OSError, ChannelInvalidStateError):
            self._note(
                "unacknowledged", "the broker was lost before the acknowledgement"
            )  # it comes again, and meets the duplicate check

    def _note(self, event: str, text: str) -> None:
        self.context.counters.count("channel_events", channel=self.context.name, event=event)
        extra = {"action": f"amqp_{event}", "listener": self.context.name}
        self.context.logger.warning("%s (%s)", text, self._place, extra=extra)


async def _end_on(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
