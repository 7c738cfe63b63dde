"""One association as its acceptor: pynetdicom's state machine and negotiation, our reading, assembling and serving.

Two threads: the one that `serve` is called in answers requests, pynetdicom's own reads and writes PDUs. pynetdicom lets
both look around a thousand times a second; here they wait until something happens, so that 64 idle associations cost
nothing. Source: DICOM PS3.8 9.2 (state machine), PS3.7 9.3.1 (C-STORE), 9.3.5 (C-ECHO).
"""

from __future__ import annotations

import logging
import select
import socket
from collections import deque
from contextlib import suppress
from queue import Empty, Queue
from time import monotonic
from typing import Any, Protocol, cast

from pynetdicom import _config
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.acse import ACSE
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import InvalidEventError
from pynetdicom.pdu_primitives import A_ASSOCIATE, P_DATA
from pynetdicom.transport import AddressInformation

from channels.dicom.answering import Answer
from channels.dicom.commands import (
    C_CANCEL_RQ,
    C_ECHO_RQ,
    C_STORE_RQ,
    COMMAND_BYTES,
    Command,
    is_uid,
    read_command,
)
from channels.dicom.guard import UNEXPECTED, Bounds, BrokenPdu, abort_pdu
from channels.dicom.negotiation import supported
from channels.dicom.wire import GuardedSocket, cut

# The library's own lines quote what was sent; what matters is logged by the channel.
_config.LOG_HANDLER_LEVEL = "none"
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)

_GLANCE = 0.25
"""Seconds after which a waiting thread looks whether it is still wanted."""

Rejection = tuple[int, int, int]
"""Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""


class Arriving(Protocol):
    """An instance that is being received; what it cannot keep it drains, and tells when it is stored."""

    def write(self, data: bytes) -> None:
        """Take a piece of the data set; BrokenPdu where there is no end to it."""

    def discard(self) -> None:
        """Give up; harmless afterwards."""


class Site(Protocol):
    """What an association asks of its listener, from threads; none of it raises anything that is not named here."""

    @property
    def stopping(self) -> bool:
        """Whether associations are ended as soon as nothing is under way."""

    def reject(self, calling: str, called: str) -> Rejection | None:
        """Say who calls, and return why the association is not taken, None where it is."""

    def arriving(self, command: Command, transfer_syntax: str, *, agreed: bool) -> Arriving:
        """Begin to receive an instance; `agreed` says that its class is the one of the context that it comes in."""

    def store(self, instance: Arriving) -> Answer | None:
        """Hand an instance in, and return its answer once it is durable; None where nothing may be said."""

    def broke(self, error: BrokenPdu) -> None:
        """Hear of a peer that does not keep to the protocol."""


class Acceptor(Association):
    """Serves one connection that is open and secured."""

    def __init__(
        self,
        ae: ApplicationEntity,
        sock: socket.socket,
        site: Site,
        bounds: Bounds,
        *,
        request_seconds: float,
        pdu_seconds: float,
        idle_seconds: float,
    ) -> None:
        super().__init__(ae, MODE_ACCEPTOR)
        self.site = site
        self._connection = sock
        self.dul = self._reader = Reader(self)
        self.dimse = self.assembly = Assembly(self)
        self.acse = Negotiation(self)
        self.acse_timeout = request_seconds
        self.network_timeout = idle_seconds
        self.acceptor.maximum_length = bounds.data_bytes
        self.acceptor.ae_title = ae.ae_title
        self.acceptor.implementation_class_uid = ae.implementation_class_uid
        self.acceptor.implementation_version_name = ae.implementation_version_name
        self.acceptor.address_info = AddressInformation.from_tuple(sock.getsockname())
        self.requestor.address_info = AddressInformation.from_tuple(sock.getpeername())
        self.guarded = GuardedSocket(
            self,
            sock,
            bounds,
            seconds=pdu_seconds,
            busy=lambda: self.assembly.busy,
            broken=self.break_off,
        )
        self.set_socket(self.guarded)

    def serve(self) -> None:
        """Negotiate and serve until the association ends; returns when both threads are done with the connection."""
        try:
            self.run_reactor()
        finally:
            cut(self._connection)
            self._reader.kill_dul()
            if self._reader.is_alive():
                self._reader.join()
            self.assembly.discard()
            self._reader.close()

    def look_up(self) -> None:
        """Wake the serving thread, from any other: something changed that it should see."""
        self.assembly.msg_queue.put((None, None))

    def break_off(self, error: BrokenPdu) -> None:
        """Abort at once, from the reading thread: say why, and stop reading."""
        self.site.broke(error)
        self.is_aborted = True
        with suppress(OSError):
            self._connection.sendall(abort_pdu(error.reason))
        self._reader.kill_dul()
        self.look_up()

    def _run_reactor(self) -> None:
        """Serve requests until the association is released, aborted, idle for too long, or not wanted any more."""
        while not self._kill:
            request = self.assembly.next_request()
            if request is not None:
                self._answer(*request)
                self._reader.restart_idle_timer()
            elif self.acse.is_release_requested():
                self.acse.send_release(is_response=True)
                self.is_released, self.is_established = True, False
                self.kill()
            elif self.acse.is_aborted() or not self.dul.is_alive():
                self.is_aborted, self.is_established = True, False
                self.kill()
            elif self.dul.idle_timer_expired() or (self.site.stopping and not self.assembly.receiving):
                self.abort()

    def _answer(self, command: Command, context_id: int, instance: Arriving | None) -> None:
        if instance is None:
            echo = C_ECHO()
            echo.MessageIDBeingRespondedTo = command.message_id
            echo.AffectedSOPClassUID = "1.2.840.10008.1.1"
            echo.Status = 0x0000
            self.assembly.reply(echo, context_id)
            return
        answer = self.site.store(instance)
        if answer is None:
            self.abort()
            return
        said = C_STORE()
        said.MessageIDBeingRespondedTo = command.message_id
        if is_uid(command.sop_class) and is_uid(command.sop_instance):
            said.AffectedSOPClassUID = command.sop_class
            said.AffectedSOPInstanceUID = command.sop_instance
        said.Status = answer.status
        if answer.comment:
            said.ErrorComment = answer.comment  # type: ignore[assignment]  # the library declares None only
        self.assembly.reply(said, context_id)


class Negotiation(ACSE):
    """Lets the listener say who may call, and agrees on what the caller proposes."""

    def _negotiate_as_acceptor(self) -> None:
        acceptor = cast(Acceptor, self.assoc)
        request = cast(A_ASSOCIATE, self.requestor.primitive)
        rejection = acceptor.site.reject(request.calling_ae_title.strip(), request.called_ae_title.strip())
        if rejection is not None:
            self.send_reject(*rejection)
            acceptor.kill()
            return
        self.acceptor.supported_contexts = supported(request.presentation_context_definition_list)
        super()._negotiate_as_acceptor()


class Reader(DULServiceProvider):
    """Reads and writes PDUs in a thread of its own, which sleeps until there is something to read or to write."""

    def __init__(self, acceptor: Acceptor) -> None:
        super().__init__(acceptor)
        self.daemon = True
        self._run_loop_delay = 0
        self._acceptor = acceptor
        self._heard, self._bell = socket.socketpair()
        self._heard.setblocking(False)
        self._bell.setblocking(False)
        self.to_user_queue = _Ringing(acceptor.look_up)

    def run_reactor(self) -> None:
        """Read and write until the association ends, then wake the thread that serves it."""
        try:
            super().run_reactor()
        except (
            InvalidEventError
        ):  # the peer hung up when the table has no more events: pynetdicom 3.0.4 raises it
            self._kill_thread = True
        finally:
            self._acceptor.look_up()

    def receive_pdu(self, wait: bool = False, timeout: float | None = None) -> Any:
        """Return the next primitive; unlike pynetdicom's, do not wait for a peer that has gone."""
        until = monotonic() + (timeout or 0.0)
        while wait and self.is_alive() and monotonic() < until:
            found = super().receive_pdu(wait=True, timeout=_GLANCE)
            if found is not None:
                return found
        return super().receive_pdu(wait=False)

    def send_pdu(self, primitive: Any) -> None:
        super().send_pdu(primitive)
        self.ring()

    def kill_dul(self) -> None:
        super().kill_dul()
        self.ring()

    def stop_dul(self) -> bool:
        self.ring()
        return super().stop_dul()

    def ring(self) -> None:
        """Wake the thread."""
        with suppress(OSError):  # it rings already, or is closed
            self._bell.send(b"\x00")

    def restart_idle_timer(self) -> None:
        """Count idleness from now: a request was served meanwhile."""
        self._idle_timer.restart()

    def close(self) -> None:
        """Give the bell back; the thread has ended."""
        self._heard.close()
        self._bell.close()

    def _is_transport_event(self) -> bool:
        if super()._is_transport_event():
            return True
        if self._acceptor.guarded.ended and self.state_machine.current_state == "Sta1":
            self._kill_thread = True
        elif self.event_queue.empty() and not self._kill_thread:
            self._wait()
        return False

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._heard, select.POLLIN)
        sock = self._acceptor.guarded.socket
        if sock is not None and not self._acceptor.guarded.ended and not self._acceptor.assembly.busy:
            with suppress(ValueError):
                poll.register(sock, select.POLLIN)
        poll.poll(_GLANCE * 1000)
        with suppress(BlockingIOError):
            self._heard.recv(64)


class _Ringing(Queue):  # type: ignore[type-arg]  # of pynetdicom's primitives, whose types are private
    """A queue that tells when something was put into it."""

    def __init__(self, ring: Any) -> None:
        super().__init__()
        self._ring = ring

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._ring()


class Assembly(DIMSEServiceProvider):
    """Puts messages together: a command set in memory, a data set wherever the listener keeps it.

    One request at a time, as it was agreed on: while one is `busy` nothing is read, so that a sender that does not wait
    is held up by TCP.
    """

    def __init__(self, acceptor: Acceptor) -> None:
        super().__init__(acceptor)
        self.busy = False
        self._acceptor = acceptor
        self._bytes = bytearray()
        self._context_id = 0
        self._command: Command | None = None
        self._instance: Arriving | None = None
        self._requests: deque[tuple[Command, int, Arriving | None]] = deque()

    @property
    def receiving(self) -> bool:
        """Whether a message has begun to arrive."""
        return bool(self._bytes) or self._command is not None or self.busy

    def next_request(self) -> tuple[Command, int, Arriving | None] | None:
        """Return the next request, with the context that it came in and the instance it brought; wait a glance."""
        if not self._requests:
            with suppress(Empty):
                self.msg_queue.get(timeout=_GLANCE)
        return self._requests.popleft() if self._requests else None

    def reply(self, primitive: Any, context_id: int) -> None:
        """Answer the request that was served, and let the next one come."""
        self.busy = False
        self.send_msg(primitive, context_id)

    def discard(self) -> None:
        """Give up whatever has not been handed in."""
        if self._instance is not None:
            self._instance.discard()
        for _, _, instance in self._requests:
            if instance is not None:
                instance.discard()

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take the values of one PDU, in the reading thread."""
        try:
            for context_id, value in primitive.presentation_data_value_list:
                self._take(context_id, value)
        except BrokenPdu as error:
            self._acceptor.break_off(error)

    def _take(self, context_id: int, value: bytes) -> None:
        control, fragment = value[0], value[1:]
        if self.busy:
            raise BrokenPdu("a message before the answer to the one before", reason=UNEXPECTED)
        if self._bytes or self._command is not None:
            if context_id != self._context_id:
                raise BrokenPdu("a message in two presentation contexts")
        elif context_id not in self._acceptor._accepted_cx:
            raise BrokenPdu("a message in a context that was not agreed on", reason=UNEXPECTED)
        self._context_id = context_id
        if control & 1:
            self._take_command(fragment, last=bool(control & 2))
        elif self._instance is None:
            raise BrokenPdu("a data set that nothing announced", reason=UNEXPECTED)
        else:
            self._instance.write(fragment)
            if control & 2:
                self._complete()

    def _take_command(self, fragment: bytes, *, last: bool) -> None:
        if self._command is not None:
            raise BrokenPdu("a command where its data set should be", reason=UNEXPECTED)
        self._bytes += fragment
        if len(self._bytes) > COMMAND_BYTES:
            raise BrokenPdu(f"a command of more than {COMMAND_BYTES} bytes", event="long_command")
        if not last:
            return
        command = read_command(self._bytes)
        self._bytes.clear()
        if command.field == C_CANCEL_RQ:
            return
        if command.field not in (C_STORE_RQ, C_ECHO_RQ) or command.has_data != (command.field == C_STORE_RQ):
            raise BrokenPdu("a request that nobody serves here", reason=UNEXPECTED, event="unserved_request")
        self._command = command
        if command.field == C_ECHO_RQ:
            self._complete()
            return
        context = self._acceptor._accepted_cx[self._context_id]
        self._instance = self._acceptor.site.arriving(
            command, context.transfer_syntax[0], agreed=command.sop_class == context.abstract_syntax
        )

    def _complete(self) -> None:
        assert self._command is not None
        request = (self._command, self._context_id, self._instance)
        self._command = self._instance = None
        self.busy = True
        self._requests.append(request)
        self._acceptor.look_up()
