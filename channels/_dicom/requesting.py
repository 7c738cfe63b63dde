"""One association as its requestor: a request out, its answers in, in one thread at a time.

Everything blocks within a limit, and a data set that goes out is read from its source piece by piece.
Source: DICOM PS3.8 9.2 (association), PS3.7 9.3 and 10.3 (DIMSE-C, DIMSE-N).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from struct import pack
from time import monotonic
from types import MappingProxyType
from typing import Final, Protocol

from channels._dicom.commands import (
    C_CANCEL_RQ,
    C_ECHO_RQ,
    C_STORE_RQ,
    N_EVENT_REPORT_RQ,
    RESPONSE,
    Command,
    number,
    response_to,
    write_command,
)
from channels._dicom.endpoint import Timeouts
from channels._dicom.guard import (
    ABORT,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    DATA,
    HEAD,
    RELEASE_RQ,
    UNEXPECTED,
    BrokenPdu,
)
from channels._dicom.hearing import Heard, Hearing, SubOperations
from channels._dicom.negotiation import VERIFICATION
from channels._dicom.part10 import InstanceHead
from channels._dicom.proposing import Accepted, Agreement, Proposal, agreement_of, rejection_of, request_pdu
from channels._dicom.upper import LARGEST_PDU, RELEASED, UpperLayer, aborted
from engine.errors import PasserelleError, Permanent, Transient

PENDING: Final = frozenset({0xFF00, 0xFF01})
LOW, MEDIUM, HIGH = 2, 0, 1
"""Priority (0000,0700)."""

_BLOCK: Final = 256 * 1024
_LONGEST: Final = 128 * 1024
_REPORTS: Final = 64
_NO_DATA_SET: Final = 0x0101
_NOTHING: Final[Mapping[int, bytes]] = MappingProxyType({})


class Source(Protocol):
    """Where a data set that goes out is read from."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; `data` is its data set in `syntax`, b"" where it brings none. `comment` is the peer's own text."""

    status: int
    command: Command
    data: bytes
    syntax: str
    comment: str


class Requestor:
    """An association that we opened. Its methods block and raise alike; whatever they raise, it is closed then.

    Raises:
        Transient: the association ended or the peer was silent; `sent` where a whole request was out.
        Permanent: the peer refuses the association, our certificate, or the context of a request (then it is not
            closed).
    """

    def __init__(self, sock: socket.socket, timeouts: Timeouts, *, largest_pdu: int = LARGEST_PDU) -> None:
        self.sub_operations: SubOperations | None = None
        self.reports: list[Heard] = []
        """N-EVENT-REPORT requests that came meanwhile, for whoever asks about them to `acknowledge`."""

        self.agreement = Agreement({}, {}, 0)
        self._upper = UpperLayer(sock, timeouts, largest_pdu=largest_pdu)
        self._largest = largest_pdu
        self._last_id = 0
        self._asked = (0, 0, 0)

    # ------------------------------------------------------------- the association

    def open(self, calling: str, called: str, proposals: Sequence[Proposal]) -> None:
        """Agree with the peer on contexts; those that it refuses stand in `agreement.refused`."""
        request = request_pdu(calling, called, proposals, largest_pdu=self._largest)
        with self._upper:
            self._upper.write(request)
            kind, pdu = self._upper.read(self._upper.timeouts.association)
            if kind == ASSOCIATE_RJ:
                raise rejection_of(pdu[HEAD:], calling, called)
            if kind != ASSOCIATE_AC:
                raise self._ended(kind, pdu)
            self.agreement = agreement_of(bytes(pdu), proposals)

    @property
    def accepted(self) -> Mapping[int, Accepted]:
        """The contexts that were agreed on, by id."""
        return self.agreement.accepted

    @property
    def closed(self) -> bool:
        return self._upper.closed

    @property
    def complete(self) -> bool:
        """Whether the last request went out as a whole: before that the peer cannot have acted upon it."""
        return self._upper.complete

    @property
    def socket(self) -> socket.socket:
        """The connection, to be watched while nothing is under way."""
        return self._upper.sock

    def hurry(self, seconds: float) -> None:
        """Set when all that is asked from now on has to be over, however many answers it has."""
        self._upper.until = monotonic() + seconds

    def context_for(self, abstract: str, syntax: str = "") -> int:
        """Return the id of the context of a class, and of a transfer syntax where it matters; Permanent for none."""
        for context_id, accepted in self.accepted.items():
            if accepted.abstract == abstract and syntax in ("", accepted.syntax):
                return context_id
        refused = self.agreement.refused.items()
        why = next((why for of, why in refused if of == (abstract, syntax or of[1])), "it was not proposed")
        named = f"class {abstract}" + (f" in transfer syntax {syntax}" if syntax else "")
        raise Permanent(f"nothing was agreed on for {named}: {why}", code="context")

    def release(self) -> None:
        """End the association in good order; harmless where it has ended."""
        if not self.closed:
            self._upper.release()

    def abort(self) -> None:
        """Break the association off; harmless where it has ended. Another thread calls `cut`."""
        self._upper.abort()

    def close(self) -> None:
        """Close the connection without a word; harmless where it is closed."""
        self._upper.close()

    def cut(self) -> None:
        """End it from another thread: whatever waits in its own fails at once."""
        self._upper.cut()

    # ------------------------------------------------------------- requests

    def ask(
        self,
        field: int,
        sop_class: str,
        *,
        data: bytes = b"",
        syntax: str = "",
        elements: Mapping[int, bytes] = _NOTHING,
        seconds: float,
    ) -> Iterator[Answer]:
        """Send a request and give its answers, the pending ones and the last; each has to come within `seconds`.

        `elements` go into the command set, by element number, beside the Affected SOP Class UID or, where they hold
        one, with the Requested SOP Class UID (0000,0003) instead; `data` is in the context's transfer syntax.
        """
        context_id = self.context_for(sop_class, syntax)
        said = elements if 0x0003 in elements else {0x0002: sop_class.encode(), **elements}
        self._request(field, said, context_id, BytesIO(data), len(data))
        while True:
            answer = self._answer(seconds)
            yield answer
            if answer.status not in PENDING:
                return

    def cancel(self) -> None:
        """Ask the peer to end the request under way; its last answer follows (PS3.7 9.3.2.3)."""
        _, message_id, context_id = self._asked
        command = write_command(
            {0x0100: number(C_CANCEL_RQ), 0x0120: number(message_id), 0x0800: number(_NO_DATA_SET)}
        )
        with self._upper:
            self._send(context_id, command)

    def echo(self, seconds: float) -> int:
        """Verify by C-ECHO, and return the status."""
        return next(self.ask(C_ECHO_RQ, VERIFICATION, seconds=seconds)).status

    def store(
        self,
        head: InstanceHead,
        source: Source,
        size: int,
        *,
        seconds: float,
        priority: int = MEDIUM,
        progress: Callable[[int], object] | None = None,
    ) -> Answer:
        """Send an instance by C-STORE, in its own transfer syntax, and return the answer.

        `source` stands at the data set, which is `size` bytes long. `progress` hears how many bytes are out.
        """
        context_id = self.context_for(head.sop_class, head.transfer_syntax)
        elements = {
            0x0002: head.sop_class.encode(),
            0x0700: number(priority),
            0x1000: head.sop_instance.encode(),
        }
        self._request(C_STORE_RQ, elements, context_id, source, size, progress)
        return self._answer(seconds)

    def acknowledge(self, report: Heard, status: int) -> None:
        """Answer an N-EVENT-REPORT that came on this association."""
        with self._upper:
            self._send(report.context_id, response_to(report.command, status))

    def look(self) -> None:
        """Read what came while nothing was asked: a report, the end, or nothing."""
        self._upper.complete = False
        with self._upper:
            while self._upper.begins():
                self._take(self._message(self._upper.timeouts.pdu))

    def hear(self, seconds: float) -> None:
        """Wait for a report, which is in `reports` then."""
        self._upper.complete = False
        with self._upper:
            while not self.reports:
                self._take(self._message(seconds))

    # ------------------------------------------------------------- messages out

    def _request(
        self,
        field: int,
        elements: Mapping[int, bytes],
        context_id: int,
        source: Source,
        size: int,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        self._upper.complete = False
        self._last_id = self._last_id % 0xFFFF + 1
        self._asked = (field, self._last_id, context_id)
        told = {0x0100: number(field), 0x0110: number(self._last_id)}
        told[0x0800] = number(0x0001 if size else _NO_DATA_SET)
        with self._upper:
            self._send(context_id, write_command({**elements, **told}), source, size, progress)
        self._upper.complete = True

    def _send(
        self,
        context_id: int,
        command: bytes,
        source: Source | None = None,
        size: int = 0,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        """Write a message: the command set in one piece, the data set in as many as the peer's limit makes."""
        longest = min(self.agreement.longest or _LONGEST, _LONGEST)
        fragment = (longest - 6) & ~1
        block = max(1, _BLOCK // fragment) * fragment
        out = bytearray(_value(context_id, 0x03, command))
        left = size
        while source is not None and left:
            piece = memoryview(source.read(min(block, left)))
            if not piece:
                raise Transient("the stored instance is shorter than it was", code="body")
            left -= len(piece)
            for at in range(0, len(piece), fragment):
                content = piece[at : at + fragment]
                last = not left and at + fragment >= len(piece)
                out += _value(context_id, 0x02 if last else 0x00, content)
            self._upper.write(out)
            out = bytearray()
            if progress is not None:
                progress(size - left)
        if out:
            self._upper.write(out)

    # ------------------------------------------------------------- messages in

    def _answer(self, seconds: float) -> Answer:
        """Return the next answer to what was asked last."""
        field, message_id, _ = self._asked
        with self._upper:
            until = monotonic() + seconds
            while True:
                heard = self._message(until - monotonic())
                command = heard.command
                if command.field == field | RESPONSE and command.message_id == message_id:
                    status = command.number(0x0900)
                    if status is None:
                        raise BrokenPdu("an answer without a status")
                    return Answer(status, command, heard.data, heard.syntax, heard.comment)
                if self._take(heard):
                    until = monotonic() + seconds

    def _take(self, heard: Heard) -> bool:
        """Keep or answer what the peer asks of us; tell whether it belongs to what we asked."""
        if heard.command.field == N_EVENT_REPORT_RQ and len(self.reports) < _REPORTS:
            self.reports.append(heard)
            return False
        if heard.command.field == C_STORE_RQ and heard.command.has_data:
            self._send(heard.context_id, response_to(heard.command, heard.status))
            return True
        raise BrokenPdu("a message that nobody asked for", reason=UNEXPECTED)

    def _message(self, seconds: float) -> Heard:
        """Read one message: its first PDU within `seconds`, each one of its data set in the time of a PDU."""
        hearing = Hearing(self.accepted, self.sub_operations)
        until = monotonic() + seconds
        try:
            while True:
                kind, pdu = self._upper.read(
                    self._upper.timeouts.pdu if hearing.begun else until - monotonic()
                )
                if kind != DATA:
                    raise self._ended(kind, pdu)
                heard = hearing.take(pdu)
                if heard is not None:
                    return heard
        finally:
            hearing.discard()

    def _ended(self, kind: int, pdu: bytearray) -> PasserelleError:
        if kind == ABORT:
            return aborted(pdu)
        if kind == RELEASE_RQ:
            self._upper.write(RELEASED)
            return Transient("the partner ended the association", code="released")
        raise BrokenPdu("a PDU that has no place here", reason=UNEXPECTED)


def _value(context_id: int, control: int, content: bytes | memoryview) -> bytes:
    """Return a P-DATA-TF of one presentation data value (PS3.8 9.3.5, annex E.2)."""
    length = len(content)
    return pack(">BxLLBB", DATA, length + 6, length + 2, context_id, control) + content
