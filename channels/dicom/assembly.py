"""Puts messages together from the values of PDUs, and takes those that are sent apart.

Source: DICOM PS3.8 annex E (message control header), PS3.7 6.3 (messages).
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from queue import Empty
from threading import Event
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, Protocol

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.pdu_primitives import P_DATA

from channels._dicom.commands import (
    C_CANCEL_RQ,
    C_ECHO_RQ,
    C_STORE_RQ,
    CANCELLABLE,
    COMMAND_BYTES,
    RESPONSE,
    Command,
    read_command,
)
from channels._dicom.guard import UNEXPECTED, BrokenPdu, Pdu, values_of
from channels.dicom.requests import DATA_BYTES

if TYPE_CHECKING:
    from channels.dicom.association import Acceptor

GLANCE: Final = 0.25
"""Seconds after which a waiting thread looks whether it is still wanted."""

_COMMAND, _LAST = 1, 2
_VALUE_HEAD: Final = 6
"""Bytes of a PDU's value before its fragment: length, context, message control header."""

_PLAIN_PIECE: Final = 64 * 1024
_UNSENT: Final = 64
_PAUSE: Final = 0.002


class Arriving(Protocol):
    """A data set that is being received; what it cannot keep it drains, and tells when it is asked for."""

    def write(self, data: memoryview) -> None:
        """Take a piece of the data set, valid for this call only; BrokenPdu where there is no end to it."""

    def discard(self) -> None:
        """Give up; harmless afterwards."""


class Gathered:
    """A data set in memory, of a request that is no instance."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    @property
    def data(self) -> bytes:
        """What came."""
        return bytes(self._bytes)

    def write(self, data: memoryview) -> None:
        self._bytes += data
        if len(self._bytes) > DATA_BYTES:
            raise BrokenPdu(f"a data set of more than {DATA_BYTES} bytes", event="long_data_set")

    def discard(self) -> None:
        self._bytes.clear()


class Assembly(DIMSEServiceProvider):
    """Puts messages together: a command set in memory, a data set wherever the listener keeps it.

    One request at a time, as it was agreed on: while one is `busy` nothing is read, so that a sender that does not wait
    is held up by TCP. One that can be cancelled is served while reading goes on: only its C-CANCEL may come.
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
        self._serving: Command | None = None
        self._cancelled = False
        self._expected = 0
        self._status: int | None = None
        self._responded = Event()

    @property
    def receiving(self) -> bool:
        """Whether a message has begun to arrive."""
        return bool(self._bytes) or self._command is not None or self.busy

    @property
    def cancelled(self) -> bool:
        """Whether the request that is being served was cancelled."""
        return self._cancelled

    def next_request(self) -> tuple[Command, int, Arriving | None] | None:
        """Return the next request, with the context that it came in and what it brought; wait a glance."""
        if not self._requests:
            with suppress(Empty):
                self.msg_queue.get(timeout=GLANCE)
        return self._requests.popleft() if self._requests else None

    def answered(self) -> None:
        """Let the next request come: the one before has its answer."""
        self._serving = None
        self.busy = False
        self._acceptor.listen_again()

    def send(self, command: bytes, data: bytes, context_id: int) -> None:
        """Send a message in pieces that the peer takes; waits for a peer that does not read, while it is there."""
        most = self._acceptor.requestor.maximum_length
        piece = max(most - _VALUE_HEAD, 1) if most else _PLAIN_PIECE
        self._send_in_pieces(command, _COMMAND, piece, context_id)
        if data:
            self._send_in_pieces(data, 0, piece, context_id)

    def ask(
        self, command: bytes, data: bytes, context_id: int, message_id: int, seconds: float
    ) -> int | None:
        """Send a request of our own and return the status of its response, None where none comes in time."""
        self._expected, self._status = message_id, None
        self._responded.clear()
        self.send(command, data, context_id)
        until = monotonic() + seconds
        while not self._responded.wait(min(GLANCE, max(until - monotonic(), 0.0))):
            if monotonic() >= until or self._acceptor.gone:
                break
        self._expected = 0
        return self._status

    def discard(self) -> None:
        """Give up whatever has not been handed in."""
        if self._instance is not None:
            self._instance.discard()
        for _, _, instance in self._requests:
            if instance is not None:
                instance.discard()

    def take(self, pdu: Pdu) -> None:
        """Take the values of one P-DATA-TF, in the reading thread; nothing of it is kept but by a copy."""
        try:
            for context_id, control, fragment in values_of(pdu):
                self._take(context_id, control, fragment)
        except BrokenPdu as error:
            self._acceptor.break_off(error)

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Refuse what pynetdicom read: the values of an open association come to `take`."""
        self._acceptor.break_off(BrokenPdu("values where no association is open", reason=UNEXPECTED))

    def _send_in_pieces(self, data: bytes, kind: int, piece: int, context_id: int) -> None:
        for at in range(0, len(data), piece):
            last = _LAST if at + piece >= len(data) else 0
            values = P_DATA()
            value: Any = [
                context_id,
                bytes((kind | last,)) + data[at : at + piece],
            ]  # a list, whatever it is declared as
            values.presentation_data_value_list = [value]
            while self.dul.to_provider_queue.qsize() > _UNSENT and not self._acceptor.gone:
                sleep(_PAUSE)  # pynetdicom's queue takes everything and tells nobody when it is read
            self.dul.send_pdu(values)

    def _take(self, context_id: int, control: int, fragment: memoryview) -> None:
        if self.busy:
            raise BrokenPdu("a message before the answer to the one before", reason=UNEXPECTED)
        if self._bytes or self._command is not None:
            if context_id != self._context_id:
                raise BrokenPdu("a message in two presentation contexts")
        elif context_id not in self._acceptor._accepted_cx:
            raise BrokenPdu("a message in a context that was not agreed on", reason=UNEXPECTED)
        self._context_id = context_id
        if control & _COMMAND:
            self._take_command(fragment, last=bool(control & _LAST))
        elif self._instance is None:
            raise BrokenPdu("a data set that nothing announced", reason=UNEXPECTED)
        else:
            self._instance.write(fragment)
            if control & _LAST:
                self._complete()

    def _take_command(self, fragment: memoryview, *, last: bool) -> None:
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
            serving = self._serving
            self._cancelled = self._cancelled or (
                serving is not None and command.number(0x0120) == serving.message_id
            )
        elif command.field & RESPONSE:
            self._begin_response(command)
        elif self._serving is not None:
            raise BrokenPdu("a request before the answer to the one before", reason=UNEXPECTED)
        else:
            self._begin(command)

    def _begin_response(self, command: Command) -> None:
        if not self._expected or command.message_id != self._expected:
            raise BrokenPdu("a response to nothing that was asked", reason=UNEXPECTED)
        self._command = command
        if command.has_data:
            self._instance = Gathered()
        else:
            self._complete()

    def _begin(self, command: Command) -> None:
        context = self._acceptor._accepted_cx[self._context_id]
        abstract = str(context.abstract_syntax)
        own = command.field in (C_STORE_RQ, C_ECHO_RQ) and command.has_data == (command.field == C_STORE_RQ)
        if not own and command.field not in self._acceptor.site.classes.get(abstract, ()):
            raise BrokenPdu("a request that nobody serves here", reason=UNEXPECTED, event="unserved_request")
        self._command = command
        if command.field == C_STORE_RQ:
            self._instance = self._acceptor.site.arriving(
                command, context.transfer_syntax[0], agreed=command.sop_class == abstract
            )
        elif command.has_data:
            self._instance = Gathered()
        else:
            self._complete()

    def _complete(self) -> None:
        assert self._command is not None
        command, instance = self._command, self._instance
        self._command = self._instance = None
        if command.field & RESPONSE:
            self._status = command.number(0x0900)
            self._responded.set()
            return
        self._serving, self._cancelled = command, False
        self.busy = command.field not in CANCELLABLE
        self._requests.append((command, self._context_id, instance))
        self._acceptor.look_up()


def message_of(request: Any) -> bytes:
    """Return the data set that a request brought, b"" where it brought none."""
    return request.data if isinstance(request, Gathered) else b""
