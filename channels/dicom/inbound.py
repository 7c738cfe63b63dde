"""A DICOM listener as a channel: connections become associations in threads, instances become messages on the loop.

Everything that the engine gives (intake, directory, counters) is asked on the event loop; everything of pynetdicom runs
in threads, two per association.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import TaskGroup, TaskStatus
from pynetdicom.ae import ApplicationEntity

from channels._dicom.answering import BUSY, FAILED, NO_ROUTE, Answer, Statuses
from channels._dicom.commands import is_uid
from channels._dicom.guard import Bounds
from channels._dicom.receiving import prepare
from channels._dicom.wire import cut
from channels._tcp.caller import caller_of
from channels._tcp.server import listen
from channels._tcp.sockets import harden
from channels.dicom.association import Acceptor, Rejection
from channels.dicom.calling import agreed_partner
from channels.dicom.listener import DicomListener
from channels.dicom.services import Draft, classes_of, services_of
from channels.dicom.visiting import Arrival, Loop, Visit
from engine.config.models import HostPort
from engine.errors import (
    FATAL,
    CommitUnknown,
    PasserelleError,
    Rejected,
    Transient,
)
from engine.model import INLINE_LIMIT, Body, Gathering, Message, Receipt
from engine.security.diagnosis import diagnose
from engine.spi import Admission, ChannelContext, Exchange, Inbound, Intake

_HANDSHAKE_SECONDS = 10.0
_SHORTAGE_SECONDS = 0.5
_SPARE = 16
"""Connections beyond the associations that may be open, so that one too many can be told so."""

_OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_CALLED_UNKNOWN: Rejection = (1, 1, 7)
_CALLING_UNKNOWN: Rejection = (1, 1, 3)
_TOO_MANY: Rejection = (2, 3, 2)
_STATUSES = Statuses()


class _Open:
    """One connection."""

    __slots__ = ("acceptor", "sock", "visit")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.acceptor: Acceptor | None = None
        self.visit: Visit | None = None


class DicomInbound(Inbound):
    """Serves one listener; the house of its visits."""

    config: DicomListener

    def __init__(self, config: DicomListener, context: ChannelContext) -> None:
        super().__init__(config, context)
        self.stopping = False
        self.largest = config.limits.body
        self.loop: Loop
        self.services = services_of(config, context)
        self.classes: Mapping[str, frozenset[int]] = classes_of(self.services)
        group = config.group
        self.gathering = Gathering(group.by, round(group.quiet.total_seconds() * 1000)) if group else None
        self._bounds = Bounds(config.limits.pdu)
        self._codec = config.codec or "dicom"
        self._folder = context.var / "dicom" / context.name
        self._entity = ApplicationEntity(config.ae_title)
        self._open: set[_Open] = set()
        self._places: Counter[str] = Counter()
        self._intake: Intake | None = None
        self._accepting = anyio.CancelScope()
        self._changed = anyio.Event()
        self._most = config.limits.associations + _SPARE
        self._threads: anyio.CapacityLimiter

    # ------------------------------------------------------------- the channel

    async def serve(self, intake: Intake, *, task_status: TaskStatus[str]) -> None:
        self._intake = intake
        self.loop = Loop()
        self._threads = anyio.CapacityLimiter(self._most)
        await anyio.to_thread.run_sync(prepare, self._folder)
        listener = await anyio.to_thread.run_sync(listen, self.config.dicom)
        try:
            host, port = listener.getsockname()[:2]
            task_status.started(str(HostPort(host, port)))
            async with anyio.create_task_group() as group, anyio.create_task_group() as beside:
                for service in self.services:
                    beside.start_soon(service.run)
                try:
                    with self._accepting:
                        await self._accept(listener, group)
                    listener.close()
                    while self._open:
                        await self._changed.wait()
                    beside.cancel_scope.cancel()
                finally:
                    for each in self._open:  # their threads end, and with them what the group waits for
                        cut(each.sock)
        finally:
            listener.close()

    async def stop(self) -> None:
        self.stopping = True
        self._accepting.cancel()
        for each in tuple(self._open):
            if each.acceptor is None or each.visit is None or not each.visit.place:
                cut(each.sock)
            else:
                each.acceptor.look_up()
        while self._open:
            await self._changed.wait()

    async def _accept(self, listener: socket.socket, group: TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno not in _OUT_OF_FILES:
                    raise
                self.count("out_of_files")
                await asyncio.sleep(_SHORTAGE_SECONDS)
                continue
            if len(self._open) >= self._most:
                self.count("too_many_connections")
                sock.close()
                continue
            opened = _Open(sock)
            self._open.add(opened)
            group.start_soon(self._connection, opened, str(HostPort(address[0], address[1])))

    async def _connection(self, opened: _Open, address: str) -> None:
        late = self.config.timeouts.association.total_seconds() + _HANDSHAKE_SECONDS
        hurry = asyncio.get_running_loop().call_later(late, self._cut_if_nobody, opened)
        try:
            await anyio.to_thread.run_sync(partial(self._associate, opened, address), limiter=self._threads)
        finally:
            hurry.cancel()
            opened.sock.close()
            self._open.discard(opened)
            place = opened.visit.place if opened.visit is not None else ""
            if place:
                self._places[place] -= 1
                if not self._places[place]:
                    del self._places[place]
            self._changed.set()
            self._changed = anyio.Event()

    def _cut_if_nobody(self, opened: _Open) -> None:
        """Cut a connection that has not become an association in time, however slowly it proceeds."""
        if opened.visit is None or not opened.visit.place:
            self.count("slow_request")
            cut(opened.sock)

    # ------------------------------------------------------------- in the thread of a connection

    def _associate(self, opened: _Open, address: str) -> None:
        try:
            tls = self._secured(opened, address)
            if tls is None and self.context.tls is not None:
                return
            visit = self.loop.ask(partial(self._welcome, opened, tls, address))
            if visit is None:
                return
            timeouts = self.config.timeouts
            acceptor = Acceptor(
                self._entity,
                opened.sock,
                visit,
                self._bounds,
                request_seconds=timeouts.association.total_seconds(),
                pdu_seconds=timeouts.pdu.total_seconds(),
                idle_seconds=timeouts.idle.total_seconds(),
            )
            opened.acceptor = acceptor
            acceptor.serve()
        except FATAL:
            raise  # the engine must hear of it: nobody is answered, and the process ends
        except Exception as error:  # noqa: BLE001  a bug met here must not end the other associations
            self.loop.tell(partial(self.broke, error))

    def _secured(self, opened: _Open, address: str) -> ssl.SSLSocket | None:
        """Return the connection with TLS, None where there is none, or where it failed."""
        harden(opened.sock)
        opened.sock.settimeout(_HANDSHAKE_SECONDS)
        if self.context.tls is None:
            return None
        try:
            opened.sock = secured = self.context.tls.wrap_socket(
                opened.sock, server_side=True, do_handshake_on_connect=False
            )
            secured.do_handshake()
        except OSError as error:  # ssl.SSLError is one
            failure = diagnose(error)
            self.loop.tell(partial(self.count, "handshake_failed"))
            self.context.logger.warning(
                "a connection failed before it said anything: %s",
                failure.text if failure is not None else "it was closed",
                extra={
                    "action": "connection_refused",
                    "address": address,
                    "code": failure.code if failure is not None else "closed",
                },
            )
            return None
        return secured

    # ------------------------------------------------------------- the house of its visits

    def spool_path(self) -> Path:
        return self._folder / f"{self.context.new_id()}.part"

    def _welcome(self, opened: _Open, tls: ssl.SSLSocket | None, address: str) -> Visit | None:
        caller = caller_of(
            tls,
            address,
            identify=self.context.identify,
            plaintext=self.config.plaintext.allow if self.config.plaintext else None,
        )
        self.count("connection")
        if caller.refusal or self.stopping:
            self.count(caller.refusal or "stopping")
            self._note("connection_refused", caller.refusal or "stopping", address, caller.partner)
            return None
        opened.visit = Visit(self, caller)
        return opened.visit

    def judge(self, visit: Visit, calling: str, called: str) -> Rejection | None:
        """Take an association, or say why not."""
        limits = self.config.limits
        partner, why = agreed_partner(
            visit.caller,
            calling,
            callers=self.config.callers,
            expected=self.config.partner,
            certified=self.context.certified,
        )
        rejection = _CALLING_UNKNOWN if why else None
        if called != self.config.ae_title:
            why, rejection = "unknown_called", _CALLED_UNKNOWN
        place = partner or visit.caller.place
        if not why and (
            self.stopping
            or self._places.total() >= limits.associations
            or self._places[place] >= limits.connections
        ):
            why, rejection = "too_many_associations", _TOO_MANY
        if rejection is not None:
            self.count(why)
            self._note(
                "association_rejected", why, visit.caller.peer.address, partner or visit.caller.partner
            )
            return rejection
        self._places[place] += 1
        visit.partner, visit.place, visit.calling, visit.called = partner, place, calling, called
        self.count("association")
        return None

    def admit(self, visit: Visit) -> Admission:
        """Ask for the memory that an instance takes: what is in flight of it beside its file."""
        assert self._intake is not None
        return self._intake.admit(visit.partner, self.config.limits.pdu + INLINE_LIMIT)

    async def hand_in(self, visit: Visit, arrival: Arrival, body: Body) -> Answer | None:
        """Return what is told of an instance, None where nobody can say."""
        assert self._intake is not None
        try:
            receipt = await self._intake(self._message(visit, arrival, body), _STATUSES)
        except Rejected:
            return NO_ROUTE
        except Transient:
            self.count("out_of_resources")
            return BUSY
        except CommitUnknown:
            self.count("commit_unknown")
            return None
        except FATAL:
            raise
        except PasserelleError as error:
            self.context.logger.error(
                "an instance was left without an answer",
                exc_info=error,
                extra={"action": "no_answer", "listener": self.context.name},
            )
            return None
        except Exception as error:  # noqa: BLE001  a bug met here must not end the other associations
            self.broke(error)
            return FAILED
        return Answer.of(receipt.reply)

    def count(self, event: str) -> None:
        self.context.counters.count("channel_events", channel=self.context.name, event=event)

    def broke(self, error: BaseException) -> None:
        self.context.counters.count("bugs", where=self.context.name)
        self.context.logger.error(
            "an error that nobody named met an association",
            exc_info=error,
            extra={"action": "association_failed", "listener": self.context.name},
        )

    async def intake(self, message: Message, exchange: Exchange) -> Receipt:
        """Hand in what a service made of a request."""
        assert self._intake is not None
        with self._intake.admit(message.partner, message.body.size, message.selector):
            return await self._intake(message, exchange)

    def message(self, visit: Visit, draft: Draft) -> Message:
        return Message(
            id=self.context.new_id(),
            listener=self.context.name,
            body=draft.body,
            codec=draft.codec,
            received_ms=self.context.clock.now_ms(),
            selector=draft.selector,
            partner=visit.partner,
            control_id=draft.control_id,
            peer=visit.peer,
            content_type=draft.body.content_type,
            meta={
                "calling_ae": visit.calling,
                "called_ae": visit.called,
                "address": visit.peer.address,
            },
        )

    def _message(self, visit: Visit, arrival: Arrival, body: Body) -> Message:
        command = arrival.command
        named = command.sop_instance if is_uid(command.sop_instance) else ""
        message = self.message(visit, Draft(body, self._codec, control_id=named))
        more = {
            "transfer_syntax": arrival.transfer_syntax,
            "sop_class": command.sop_class if is_uid(command.sop_class) else "",
        }
        return replace(message, meta={**message.meta, **more}, faults=arrival.faults, instance=arrival.says)

    def _note(self, action: str, code: str, address: str, partner: str | None) -> None:
        self.context.logger.warning(
            "an association was not taken",
            extra={"action": action, "code": code, "address": address, "partner": partner},
        )
