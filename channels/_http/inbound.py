"""An HTTP listener as a channel: who may come in, at which door, with what; then the intake, then the answer.

Nothing of a body is read before the caller is known and the intake has admitted its size. `rest` and `webhook` say
what identifies a caller and a message.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import anyio
from anyio.abc import TaskStatus

from channels._hl7 import charset_of, sender_of
from channels._hl7.confirming import confirmed, is_acknowledgement
from channels._http.connection import Bounds, Connection, too_large
from channels._http.doors import Doors
from channels._http.hl7_exchange import Hl7Exchange
from channels._http.identity import refused
from channels._http.listener import HttpListenerConfig
from channels._http.media import codec_of
from channels._http.replies import Answer, HttpExchange, Writer, busy, problem
from channels._http.request import Request
from channels._tcp.caller import REFUSED_PLAINTEXT, Caller, caller_of
from channels._tcp.server import ConnectionServer, Served, listen
from channels._tcp.watching import watch
from engine.config.models import HostPort
from engine.errors import (
    FATAL,
    BudgetExceeded,
    CommitUnknown,
    PasserelleError,
    Rejected,
    Transient,
    Unmatched,
)
from engine.model import NOTHING, Message
from engine.spi import ChannelContext, Exchange, Inbound, Intake

KEPT_HEADERS = frozenset(
    {b"traceparent", b"tracestate", b"x-correlation-id", b"x-causation-id", b"x-request-id"}
)
"""Headers that go with a message; `ce-*` go too, as they are the envelope of a CloudEvent in binary mode."""

_HEADERS_MAX = 8192
_ID_MAX = 256
_NO_META: Mapping[str, object] = MappingProxyType({})
_EXCHANGE = HttpExchange()


class HttpInbound(Inbound):
    """Serves one listener; the site of its connections."""

    config: HttpListenerConfig

    def __init__(self, config: HttpListenerConfig, context: ChannelContext) -> None:
        super().__init__(config, context)
        timeouts = config.timeouts
        self.bounds = Bounds(
            body_bytes=config.limits.body,
            head_seconds=timeouts.head.total_seconds(),
            body_seconds=timeouts.body.total_seconds(),
            idle_seconds=timeouts.idle.total_seconds(),
        )
        self.writer = Writer(context.clock)
        self.stopping = False
        self.now = context.clock.monotonic()
        self._now_ms = context.clock.now_ms
        self._new_id = context.new_id
        self._doors = Doors(context.selectors)
        self._callers: dict[Connection, Caller] = {}
        self._places: Counter[str] = Counter()
        self._intake: Intake | None = None
        self._server = ConnectionServer(self._make, tls=context.tls, logger=context.logger, count=self._count)
        self._watching = anyio.CancelScope()

    # ------------------------------------------------------------- what a type of listener decides

    @abstractmethod
    def address(self) -> HostPort:
        """Return where to listen."""

    @abstractmethod
    def authenticate(self, caller: Caller, request: Request) -> Answer | None:
        """Set `request.partner`, or return the refusal; called before the body is read."""

    @abstractmethod
    def identify(self, request: Request) -> Answer | None:
        """Set `request.control_id` from the head, or return the refusal; called before the body is read."""

    def verify(self, request: Request) -> Answer | None:
        """Return the refusal of a complete request that is not authentic."""
        return None

    # ------------------------------------------------------------- the channel

    async def serve(self, intake: Intake, *, task_status: TaskStatus[str]) -> None:
        self._intake = intake
        for text in self._doors.unreadable:
            self.context.logger.error(
                "a door must be written METHOD /path; it stays closed",
                extra={"action": "door_unreadable", "listener": self.context.name, "path": text},
            )
        address = self.address()
        listener = await anyio.to_thread.run_sync(listen, address)
        try:
            host, port = listener.getsockname()[:2]
            task_status.started(str(HostPort(host, port)))
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch)
                await self._server.serve(listener)
                self._watching.cancel()
        finally:
            listener.close()

    async def stop(self) -> None:
        self.stopping = True
        await self._server.stop()

    async def _watch(self) -> None:
        bounds = self.bounds
        shortest = min(bounds.head_seconds, bounds.body_seconds, bounds.idle_seconds)
        with self._watching:
            await watch(self._look, self.context.clock, shortest=shortest)

    def _look(self, now: float) -> None:
        self.now = now
        for connection in tuple(self._callers):
            connection.check(now)

    def _make(self, address: str) -> tuple[Connection, Served]:
        connection = Connection(self, address)
        return connection, connection

    # ------------------------------------------------------------- the site of its connections

    def opened(self, connection: Connection) -> Answer | None:
        exception = self.config.plaintext
        try:
            caller = caller_of(
                connection.tls,
                connection.address,
                identify=self.context.identify,
                certified=self.context.certified,
                expected=self.config.partner,
                plaintext=exception.allow if exception is not None else None,
            )
        except Exception as error:  # noqa: BLE001  a bug in the directory must not end the other connections
            self.broke(error)
            return problem(500, "The caller could not be looked up.", close=True)
        self._callers[connection] = caller
        self._places[caller.place] += 1
        self._count("connection")
        if caller.refusal == REFUSED_PLAINTEXT:
            self._count(REFUSED_PLAINTEXT)
            return refused(caller)
        if self._places[caller.place] > self.config.limits.connections:
            self._count("too_many_connections")
            return busy("Too many connections are open.", None, close=True)
        return None

    def closed(self, connection: Connection) -> None:
        caller = self._callers.pop(connection, None)
        if caller is not None:
            self._places[caller.place] -= 1
            if not self._places[caller.place]:
                del self._places[caller.place]

    def receive(self, connection: Connection, request: Request) -> Answer | None:
        caller = self._callers[connection]
        answer = refused(caller) or self.authenticate(caller, request) or self._place(request)
        if answer is None:
            answer = self.identify(request) or self._admit(request)
        if answer is not None and answer.status >= 400:
            self._count(f"refused_{answer.status}")
        return answer

    async def answer(self, connection: Connection, request: Request) -> Answer | bytes | None:
        refusal = self.verify(request)
        if refusal is not None:
            self._count(f"refused_{refusal.status}")
            return refusal
        headers = self._kept(request)
        if headers is None:
            return problem(431, f"The headers that go with a message are larger than {_HEADERS_MAX} bytes.")
        message = Message(
            id=self._new_id(),
            listener=self.context.name,
            body=request.body(),
            codec=request.codec,
            received_ms=self._now_ms(),
            selector=request.selector,
            partner=request.partner,
            control_id=request.control_id,
            peer=self._callers[connection].peer,
            content_type=request.text(b"content-type"),
            headers=headers,
            meta=_NO_META,
        )
        if request.codec == "hl7v2":
            return await self._hand_in(*self._as_hl7(message))
        return await self._hand_in(message, _EXCHANGE)

    def broke(self, error: BaseException) -> None:
        self.context.counters.count("bugs", where=self.context.name)
        self.context.logger.error(
            "an error that nobody named met a request",
            exc_info=error,
            extra={"action": "request_failed", "listener": self.context.name},
        )

    # ------------------------------------------------------------- steps

    def _place(self, request: Request) -> Answer | None:
        """Find door and codec."""
        found = self._doors.find(request.method, request.url)
        if isinstance(found, Answer):
            return found
        request.selector = found
        codec = self.config.codec or codec_of(request.headers.get(b"content-type", b""))
        if isinstance(codec, Answer):
            return codec
        request.codec = codec
        if request.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return problem(415, "Compressed bodies are not taken.", lines=b"accept-encoding: identity\r\n")
        return None

    def _admit(self, request: Request) -> Answer | None:
        declared = request.headers.get(b"content-length")
        limit = self.bounds.body_bytes
        size = (
            int(declared) if declared is not None else limit if b"transfer-encoding" in request.headers else 0
        )
        if size > limit:
            return too_large(limit)
        assert self._intake is not None
        try:
            admission = self._intake.admit(request.partner, size, request.selector)
        except Unmatched:
            return problem(404, "No route listens at this path.")
        except Transient as error:
            return busy("The engine cannot take more at the moment.", error.retry_after)
        except Exception as error:  # noqa: BLE001  a bug met here must not end the other connections
            self.broke(error)
            return problem(500, "The request could not be taken.", close=True)
        admission.__enter__()
        request.admission = admission
        return None

    def _as_hl7(self, message: Message) -> tuple[Message, Exchange]:
        """Return a message with the id and the sender that its MSH says, and what acknowledges it."""
        charset, zone = charset_of(message.content_type), self.context.zone
        sender = sender_of(message.body.read(), charset=charset, zone=zone)
        exchange = Hl7Exchange(
            sender.header, message.content_type, id=self._new_id(), now_ms=message.received_ms, zone=zone
        )
        named = replace(message, control_id=sender.control_id or message.control_id, meta=sender.meta)
        return named, exchange

    async def _hand_in(self, message: Message, exchange: Exchange) -> Answer | bytes | None:
        assert self._intake is not None
        try:
            if isinstance(exchange, Hl7Exchange) and exchange.acknowledges and await self._confirmed(message):
                return exchange.received()
            receipt = await self._intake(message, exchange)
        except Rejected as error:
            return problem(422, str(error), faults=error.faults)
        except BudgetExceeded as error:
            return busy("The engine cannot take more at the moment.", error.retry_after)
        except Transient as error:
            return busy("The message could not be stored; nothing was kept of it.", error.retry_after)
        except CommitUnknown:
            self._count("commit_unknown")
            return None
        except FATAL:
            raise  # the engine must hear of it: nobody is answered, and the process ends
        except PasserelleError as error:
            self.context.logger.error(
                "a message was left without an answer",
                exc_info=error,
                extra={"action": "no_answer", "listener": self.context.name, "message_id": message.id},
            )
            return None
        except Exception as error:  # noqa: BLE001  a bug met here must not end the other connections
            self.broke(error)
            return problem(500, "The message could not be handled; send it again.", close=True)
        return receipt.reply

    async def _confirmed(self, message: Message) -> bool:
        """Tell whether it is an application acknowledgement that somebody waited for, and has it now."""
        data = message.body.read()
        if not is_acknowledgement(data):
            return False
        known = await confirmed(
            self.context.confirm,
            data,
            partner=message.partner,
            charset=charset_of(message.content_type),
        )
        if known:
            self._count("confirmation")
        return known

    def _kept(self, request: Request) -> Mapping[str, str] | None:
        """Return the headers that go with the message, None when they are too large."""
        if self.kept_headers.isdisjoint(request.headers) and b"ce-specversion" not in request.headers:
            return NOTHING
        kept = {}
        size = 0
        for name, value in request.headers.items():
            if name in self.kept_headers or name.startswith(b"ce-"):
                kept[name.decode("ascii")] = (
                    _event_text(value) if name.startswith(b"ce-") else value.decode("latin-1")
                )
                size += len(name) + len(value)
        if size > _HEADERS_MAX:
            return None
        return MappingProxyType(kept) if kept else NOTHING

    kept_headers = KEPT_HEADERS

    def _count(self, event: str) -> None:
        self.context.counters.count("channel_events", channel=self.context.name, event=event)


def _event_text(value: bytes) -> str:
    """Take the quotes off a header of CloudEvents' binary mode (HTTP binding 1.0.2, 3.1.3.2); the codec undoes %XX."""
    if len(value) > 1 and value[:1] == value[-1:] == b'"':
        value = value[1:-1].replace(b'\\"', b'"').replace(b"\\\\", b"\\")
    return value.decode("latin-1")


def usable_id(text: str) -> bool:
    """Tell whether text can identify a message: 1 to 256 visible ASCII characters."""
    return 0 < len(text) <= _ID_MAX and text.isascii() and text.isprintable() and " " not in text
