"""An MLLP listener as a channel: who may send, what a frame holds, then the intake, then the acknowledgement.

Source: HL7 v2.5.1 2.9 (acknowledgements), appendix C (MLLP).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

import anyio
from anyio.abc import TaskStatus

from channels._hl7 import BUSY, CONTROL_ID_MAX, ER7
from channels._hl7.confirming import confirmed, is_acknowledgement
from channels._hl7.heading import heading, holds_several
from channels._tcp.caller import Caller, caller_of
from channels._tcp.server import ConnectionServer, Served, listen
from channels._tcp.watching import watch
from channels.mllp.acknowledging import AckExchange, Acknowledger, from_stored
from channels.mllp.calling import Calling
from channels.mllp.connection import Connection
from channels.mllp.framing import COMMITTED, NOT_COMMITTED, TOO_LARGE, Frame
from channels.mllp.listener import MllpListener
from channels.mllp.proxy import read_source
from channels.mllp.sequence import Sequences
from engine.codecs.hl7v2.header import Header, unknown_header
from engine.config.models import HostPort
from engine.errors import (
    FATAL,
    CommitUnknown,
    MalformedMessage,
    PasserelleError,
    Transient,
    Unmatched,
)
from engine.model import Body, Disposition, Fault, Message, Receipt
from engine.spi import Admission, ChannelContext, Inbound, Intake

_OVER_BUDGET = "over_budget"
_NO_ROUTE = "no_route"
_METAS_MAX = 1000
_TAKEN = (Disposition.ACCEPTED, Disposition.FILTERED, Disposition.DUPLICATE, Disposition.COLLISION)
_FAULTS = {
    _OVER_BUDGET: BUSY,
    _NO_ROUTE: Fault("", "no route takes messages here", "unmatched"),
    TOO_LARGE: Fault("", "the message is larger than this listener takes", "102"),
}


class MllpInbound(Inbound):
    """Serves one listener; the site of its connections."""

    config: MllpListener

    def __init__(self, config: MllpListener, context: ChannelContext) -> None:
        super().__init__(config, context)
        self.framing = config.frame.framing()
        self.limit = config.limits.body
        self.frame_seconds = config.timeouts.frame.total_seconds()
        self.idle_seconds = config.timeouts.idle.total_seconds()
        self.stopping = False
        self.now = context.clock.monotonic()
        self._now_ms = context.clock.now_ms
        self._new_id = context.new_id
        self._charset = config.charset or ""
        self._codec = config.codec or "hl7v2"
        self._content_type = ER7 + (f"; charset={config.charset}" if config.charset else "")
        self._acks = Acknowledger(
            context.clock,
            context.new_id,
            zone=context.zone,
            acks=config.acks,
            elsewhere=config.application_ack or "",
        )
        self._senders = frozenset((each.application, each.facility) for each in config.sender)
        self._processing = frozenset(config.processing)
        self._sequences = Sequences(context.state) if config.sequence else None
        # What the listener says of its messages; kept beside each of them, so only what was said.
        said = {"charset": config.charset, "zone": config.zone}
        self._said = {name: str(value) for name, value in said.items() if value}
        self._metas: dict[tuple[str, str], Mapping[str, object]] = {}
        self._callers: dict[Connection, Caller] = {}
        self._places: Counter[str] = Counter()
        self._intake: Intake | None = None
        self._door: ConnectionServer | Calling | None = None
        self._watching = anyio.CancelScope()

    # ------------------------------------------------------------- the channel

    async def serve(self, intake: Intake, *, task_status: TaskStatus[str]) -> None:
        self._intake = intake
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch)
            if self.config.role == "client":
                calling = Calling(self.config, self.context, self._make)
                self._door = calling
                task_status.started(str(self.config.mllp))
                await calling.serve()
            else:
                await self._listen(task_status)
            self._watching.cancel()

    async def _listen(self, task_status: TaskStatus[str]) -> None:
        context, config = self.context, self.config
        server = ConnectionServer(
            self._make,
            tls=context.tls,
            logger=context.logger,
            count=self.count,
            source=partial(read_source, proxies=config.proxy.v2) if config.proxy else None,
        )
        self._door = server
        listener = await anyio.to_thread.run_sync(listen, config.mllp)
        try:
            host, port = listener.getsockname()[:2]
            task_status.started(str(HostPort(host, port)))
            await server.serve(listener)
        finally:
            listener.close()

    async def stop(self) -> None:
        self.stopping = True
        if self._door is not None:
            await self._door.stop()

    async def _watch(self) -> None:
        with self._watching:
            await watch(self._look, self.context.clock, shortest=min(self.frame_seconds, self.idle_seconds))

    def _look(self, now: float) -> None:
        self.now = now
        for connection in tuple(self._callers):
            connection.check(now)

    def _make(self, address: str) -> tuple[Connection, Served]:
        connection = Connection(self, address)
        return connection, connection

    # ------------------------------------------------------------- the site of its connections

    def opened(self, connection: Connection) -> bool:
        config = self.config
        # With `role: client` the address was checked before we connected to it.
        allowed = config.plaintext.allow if config.plaintext and config.role == "server" else None
        try:
            caller = caller_of(
                connection.tls,
                connection.address,
                identify=self.context.identify,
                certified=self.context.certified,
                expected=config.partner,
                plaintext=allowed,
            )
        except Exception as error:  # noqa: BLE001  a bug in the directory must not end the other connections
            self._broke(error)
            return False
        self._callers[connection] = caller
        self._places[caller.place] += 1
        self.count("connection")
        refusal = caller.refusal
        if not refusal and self._places[caller.place] > config.limits.connections:
            refusal = "too_many_connections"
        if refusal:
            self.count(refusal)
            self._log("connection_refused", refusal, address=connection.address, partner=caller.partner)
        return not refusal

    def closed(self, connection: Connection) -> None:
        caller = self._callers.pop(connection, None)
        if caller is not None:
            self._places[caller.place] -= 1
            if not self._places[caller.place]:
                del self._places[caller.place]

    def admit(self, connection: Connection, size: int) -> Admission | str:
        assert self._intake is not None
        caller = self._callers[connection]
        try:
            return self._intake.admit(caller.partner or self.config.partner, size)
        except Unmatched:
            return _NO_ROUTE
        except Transient:
            return _OVER_BUDGET

    def count(self, event: str) -> None:
        self.context.counters.count("channel_events", channel=self.context.name, event=event)

    async def answer(self, connection: Connection, frame: Frame) -> bytes | None:
        data = frame.content
        if self.config.commit_bytes and data in (COMMITTED, NOT_COMMITTED):
            self.count("commit_block" if data == COMMITTED else "negative_commit_block")
            return b""
        try:
            header = heading(data, self._charset)
        except MalformedMessage:
            header = unknown_header()  # the intake refuses it for the same reason, and keeps the bytes
        caller = self._callers[connection]
        faults = self._faults(header, frame)
        try:
            # before the routes are asked: a listener may be there for acknowledgements only
            if not frame.fault and not faults and await self._confirmed(header, data, caller):
                return self._framed(self._acks.received(header), durable=True)
            refusal = self._refusal(header, frame, connection)
            return refusal if refusal is not None else await self._served(header, data, caller, faults)
        except Transient:
            return self._later(header)
        except CommitUnknown:
            self.count("commit_unknown")
            return None
        except FATAL:
            raise  # the engine must hear of it: nobody is answered, and the process ends
        except PasserelleError as error:
            self.context.logger.error(
                "a message was left without an answer",
                exc_info=error,
                extra={"action": "no_answer", "listener": self.context.name},
            )
            return None
        except Exception as error:  # noqa: BLE001  a bug met here must not end the other connections
            self._broke(error)
            return self._later(header)

    # ------------------------------------------------------------- steps

    async def _served(self, header: Header, data: bytes, caller: Caller, faults: tuple[Fault, ...]) -> bytes:
        """Hand a message in, and return its acknowledgements once it is durable."""
        if faults:  # the intake refuses it, and keeps the bytes
            self.count("refused_" + faults[0].code)
            receipt = await self._hand_in(header, data, caller, faults=faults)
            return self._framed(from_stored(receipt.reply), durable=True)
        if self._sequences is not None and header.fields[12]:
            return await self._numbered(header, data, caller)
        receipt = await self._hand_in(header, data, caller)
        return self._framed(from_stored(receipt.reply), durable=True)

    async def _confirmed(self, header: Header, data: bytes, caller: Caller) -> bool:
        """Tell whether the message is an application acknowledgement that somebody waited for, and has it now."""
        if header.fields[8][:3] != "ACK" or not is_acknowledgement(data):
            return False
        partner = caller.partner or self.config.partner
        known = await confirmed(self.context.confirm, data, partner=partner, charset=self._charset)
        if known:
            self.count("confirmation")
        return known

    def _refusal(self, header: Header, frame: Frame, connection: Connection) -> bytes | None:
        """Return the answer to a message of which too little is here to hand it in, None where it is handed in."""
        given_up = "" if frame.fault == TOO_LARGE else frame.fault
        short = given_up or connection.admitted(len(frame.content))
        if not short:
            return None
        fault = _FAULTS[short]
        self.count("refused_" + (fault.code or "207"))
        if fault is BUSY:
            return self._later(header)
        self._log("refused", fault.text, address=connection.address, partner=self.config.partner)
        return self._framed(self._acks.answer(header, "AR", (fault,), kept=False), durable=True)

    def _faults(self, header: Header, frame: Frame) -> tuple[Fault, ...]:
        """Return what the listener holds against a message before anybody reads it.

        Of one that is too large only its head is here: enough to tell whose it was, once it is refused and kept.
        """
        if frame.fault:
            return (_FAULTS[TOO_LARGE],) if frame.fault == TOO_LARGE else ()
        if holds_several(frame.content):
            return (Fault("MSH[2]", "two messages in one frame: send each in a frame of its own", "100"),)
        if len(header.fields[9]) > CONTROL_ID_MAX:
            return (Fault("MSH-10", f"the message's id is longer than {CONTROL_ID_MAX} characters", "102"),)
        if self._senders and not self._expects(header):
            return (Fault("MSH-3", "this sending application and facility do not send here", "207"),)
        if self._processing and header.processing not in self._processing:
            return (Fault("MSH-11", "messages with this processing id are not taken here", "202"),)
        return ()

    def _expects(self, header: Header) -> bool:
        application, facility = header.sending_application, header.sending_facility
        known = self._senders
        return (application, facility) in known or (application, "") in known or ("", facility) in known

    async def _hand_in(
        self,
        header: Header,
        data: bytes,
        caller: Caller,
        sequence: str = "",
        faults: tuple[Fault, ...] = (),
    ) -> Receipt:
        assert self._intake is not None
        message = Message(
            id=self._new_id(),
            listener=self.context.name,
            body=Body.of(data),
            codec=self._codec,
            received_ms=self._now_ms(),
            partner=caller.partner or self.config.partner,
            control_id=header.fields[9][:CONTROL_ID_MAX],
            peer=caller.peer,
            content_type=self._content_type,
            meta=self._meta(header),
            faults=faults,
        )
        return await self._intake(message, AckExchange(self._acks, header, sequence))

    async def _numbered(self, header: Header, data: bytes, caller: Caller) -> bytes:
        """Serve a message under the sequence number protocol."""
        assert self._sequences is not None
        fields = header.fields
        partner = caller.partner or self.config.partner or ""
        link = await self._sequences.link(f"{partner}/{fields[2]}/{fields[3]}")
        async with link.lock:
            judged = link.judge(fields[12], fields[9])
            number = str(judged.expected)
            if judged.answer:
                if fields[12].strip() == "-1":
                    await self._sequences.reset(link)
                return self._framed(self._acks.answer(header, "AA", kept=True, sequence=number), durable=True)
            if not judged.take:
                self.count("out_of_sequence")
                fault = Fault("MSH-13", "this is not the sequence number that is expected", "207")
                acks = self._acks.answer(header, "AE", (fault,), kept=False, sequence=number)
                return self._framed(acks, durable=True)
            receipt = await self._hand_in(header, data, caller, number)
            if receipt.disposition in _TAKEN:
                await self._sequences.accepted(link, judged.expected, fields[9])
            return self._framed(from_stored(receipt.reply), durable=True)

    def _meta(self, header: Header) -> Mapping[str, object]:
        fields = header.fields
        key = (fields[2], fields[3])
        found = self._metas.get(key)
        if found is None:
            read = header.marks.read
            told = {"application": header.sending_application, "facility": header.sending_facility}
            known = {name: read(value) for name, value in told.items()}
            found = MappingProxyType(known | self._said)
            if len(self._metas) >= _METAS_MAX:
                self._metas.clear()
            self._metas[key] = found
        return found

    # ------------------------------------------------------------- answers

    def _later(self, header: Header) -> bytes | None:
        """Ask the sender to come again; where it does not want to hear that, close, so that it notices."""
        if self.config.commit_bytes:
            return self.framing.wrap(NOT_COMMITTED)
        acks = self._acks.answer(header, "AE", (BUSY,), kept=False)
        return self._framed(acks, durable=False) if acks else None

    def _framed(self, acks: list[bytes], *, durable: bool) -> bytes:
        wrap = self.framing.wrap
        first = wrap(COMMITTED) if durable and self.config.commit_bytes else b""
        if len(acks) == 1:
            return first + wrap(acks[0])
        return first + b"".join(wrap(ack) for ack in acks)

    def _log(self, action: str, text: str, *, address: str, partner: str | None) -> None:
        extra = {"action": action, "listener": self.context.name, "address": address, "partner": partner}
        self.context.logger.warning("not taken: %s", text, extra=extra)

    def _broke(self, error: Exception) -> None:
        self.context.counters.count("bugs", where=self.context.name)
        self.context.logger.error(
            "an error that nobody named met a message",
            exc_info=error,
            extra={"action": "message_failed", "listener": self.context.name},
        )
