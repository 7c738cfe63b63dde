"""One association as its acceptor: pynetdicom's state machine and negotiation, our reading, assembling and serving.

Two threads: the one that `serve` is called in answers requests, pynetdicom's own reads and writes PDUs. pynetdicom lets
both look around a thousand times a second; here they wait until something happens, so that 64 idle associations cost
nothing. Source: DICOM PS3.8 9.2 (state machine), PS3.7 9.3.1 (C-STORE), 9.3.5 (C-ECHO).
"""

from __future__ import annotations

import logging
import select
import socket
from collections.abc import Mapping
from contextlib import suppress
from queue import Queue
from time import monotonic
from typing import Any, Protocol, cast

from pynetdicom import _config
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.acse import ACSE
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import InvalidEventError
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.transport import AddressInformation

from channels._dicom.answering import Answer
from channels._dicom.commands import C_ECHO_RQ, C_STORE_RQ, Command, event_report, response_to
from channels._dicom.guard import DATA, Bounds, BrokenPdu, abort_pdu
from channels._dicom.negotiation import supported
from channels._dicom.wire import GuardedSocket, cut
from channels.dicom.assembly import GLANCE, Arriving, Assembly, message_of
from channels.dicom.requests import EventReport, Line, Request, Response

# The library's own lines quote what was sent; what matters is logged by the channel.
_config.LOG_HANDLER_LEVEL = "none"
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)

_OPEN, _CLOSED = "Sta6", "Evt17"
"""The state in which values are exchanged, and the event of a connection that has ended (PS3.8 9.2.2)."""

Rejection = tuple[int, int, int]
"""Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""


class Site(Protocol):
    """What an association asks of its listener, from threads; none of it raises anything that is not named here."""

    @property
    def stopping(self) -> bool:
        """Whether associations are ended as soon as nothing is under way."""

    @property
    def classes(self) -> Mapping[str, frozenset[int]]:
        """SOP classes that are served beside storage and verification, and the requests of each."""

    def reject(self, calling: str, called: str) -> Rejection | None:
        """Say who calls, and return why the association is not taken, None where it is."""

    def arriving(self, command: Command, transfer_syntax: str, *, agreed: bool) -> Arriving:
        """Begin to receive an instance; `agreed` says that its class is the one of the context that it comes in."""

    def store(self, instance: Arriving) -> Answer | None:
        """Hand an instance in, and return its answer once it is durable; None where nothing may be said."""

    def serve(self, request: Request, line: Line) -> None:
        """Serve any other request, and answer it."""

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

    @property
    def gone(self) -> bool:
        """Whether nobody is there any more to whom something could be said."""
        return self._kill or self.is_aborted or self.acse.is_aborted() or not self.dul.is_alive()

    def listen_again(self) -> None:
        """Wake the reading thread: something may be read again."""
        self._reader.ring()

    def _answer(self, command: Command, context_id: int, instance: Arriving | None) -> None:
        if command.field == C_STORE_RQ and instance is not None:
            self._answer_instance(command, context_id, instance)
        elif command.field == C_ECHO_RQ:
            self.assembly.send(response_to(command, 0x0000), b"", context_id)
            self.assembly.answered()
        else:
            context = self._accepted_cx[context_id]
            request = Request(
                command, message_of(instance), context.transfer_syntax[0], str(context.abstract_syntax)
            )
            line = _Line(self, command, context_id)
            self.site.serve(request, line)
            if not line.answered:
                self.abort()

    def _answer_instance(self, command: Command, context_id: int, instance: Arriving) -> None:
        answer = self.site.store(instance)
        if answer is None:
            self.abort()
            return
        self.assembly.send(response_to(command, answer.status, comment=answer.comment), b"", context_id)
        self.assembly.answered()


class _Line:
    """Implements `requests.Line` for one request."""

    def __init__(self, acceptor: Acceptor, command: Command, context_id: int) -> None:
        self.answered = False
        self._acceptor = acceptor
        self._command = command
        self._context_id = context_id
        self._reports = 0

    def cancelled(self) -> bool:
        return self._acceptor.assembly.cancelled or self._acceptor.gone

    def respond(self, response: Response) -> None:
        if self.answered:
            raise RuntimeError("a response to a request that has its answer")
        said = response_to(
            self._command,
            response.status,
            comment=response.comment,
            has_data=bool(response.data),
            elements=response.elements,
        )
        assembly = self._acceptor.assembly
        assembly.send(said, response.data, self._context_id)
        if response.is_last:
            self.answered = True
            assembly.answered()

    def report(self, report: EventReport, *, seconds: float) -> int | None:
        if not self.answered:
            raise RuntimeError("a report before the answer to its request")
        self._reports += 1
        asked = event_report(self._reports, report.sop_class, report.sop_instance, report.event_type)
        return self._acceptor.assembly.ask(asked, report.data, self._context_id, self._reports, seconds)


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
        self.acceptor.supported_contexts = supported(
            request.presentation_context_definition_list, acceptor.site.classes
        )
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
            found: Any = super().receive_pdu(wait=True, timeout=GLANCE)
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

    def _read_pdu_data(self) -> None:
        """Hand the values of an open association straight to their assembly, as long as more of them are there.

        pynetdicom copies each six times, and sleeps for 50 us after it: so long is the shortest sleep of the kernel.
        """
        guarded = self._acceptor.guarded
        try:
            while self.state_machine.current_state == _OPEN and guarded.kind() == DATA:
                whole = guarded.pdu()
                if not whole:
                    break
                self._acceptor.assembly.take(whole)
                self.restart_idle_timer()
                if not self._goes_on() or not guarded.ready:
                    return
            super()._read_pdu_data()
        except OSError:
            self.event_queue.put(_CLOSED)

    def _goes_on(self) -> bool:
        """Whether reading is all that there is to do."""
        return not self._kill_thread and self.event_queue.empty() and self.to_provider_queue.empty()

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
        poll.poll(GLANCE * 1000)
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
