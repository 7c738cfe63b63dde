"""A connection that we opened, as PDUs: written in time, read in time, judged by the guard before they are believed.

One thread at a time uses it; only `cut` may come from another. Source: DICOM PS3.8 9.2, 9.3.
"""

from __future__ import annotations

import logging
import math
import socket
import ssl
from contextlib import suppress
from struct import pack
from time import monotonic
from types import TracebackType
from typing import Final

from channels._dicom.endpoint import Timeouts
from channels._dicom.guard import (
    ABORT,
    HEAD,
    RELEASE_RP,
    RELEASE_RQ,
    REQUESTOR,
    Bounds,
    BrokenPdu,
    abort_pdu,
    check,
    length_of,
)
from channels._dicom.wire import cut
from channels._tcp.dial import refused_identity
from engine.errors import PasserelleError, Transient

LARGEST_PDU: Final = 2**16
"""Bytes: the longest piece that a peer may send to us, where its answers are small."""

# The library's own lines quote what was sent; what matters is logged by the channel.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)

RELEASE: Final = pack(">BxLL", RELEASE_RQ, 4, 0)
RELEASED: Final = pack(">BxLL", RELEASE_RP, 4, 0)
_ABORTED: Final = pack(">BxLL", ABORT, 4, 0)
_GOODBYE_SECONDS: Final = 2.0
_QUICK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)
_PIECE: Final = 256 * 1024


class UpperLayer:
    """Used as a context manager it cares for whatever goes wrong within: the connection is closed, the error told.

    `complete` says whether the last request went out as a whole: before that the peer cannot have acted upon it.
    """

    def __init__(self, sock: socket.socket, timeouts: Timeouts, *, largest_pdu: int = LARGEST_PDU) -> None:
        self.sock = sock
        self.timeouts = timeouts
        self.until = math.inf
        """When all that is under way has to be over, on the monotonic clock."""

        self.closed = False
        self.complete = False
        self._bounds = Bounds(largest_pdu, REQUESTOR)
        self._begun = bytearray()

    def __enter__(self) -> None:
        if self.closed:
            raise Transient("the association was closed before anything was sent", code="closed")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        try:
            if isinstance(error, Transient):
                error.sent = self.complete
            elif isinstance(error, OSError):  # BrokenPdu and TimeoutError are some
                raise self._meaning(error) from error
        finally:
            self.close()

    # ------------------------------------------------------------- PDUs

    def write(self, data: bytes | bytearray) -> None:
        """Write within the time of a PDU; where the peer hung up, hear why."""
        left = min(self.timeouts.pdu, self.until - monotonic())
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)
        try:
            self.sock.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            self._hear_why(error)
            raise

    def read(self, seconds: float) -> tuple[int, bytearray]:
        """Read one PDU, its type and all its bytes: the first within `seconds`, the others in the time of a PDU."""
        head, self._begun = self._begun, bytearray()
        if not head:
            head = self._exactly(1, monotonic() + seconds)
        until = monotonic() + self.timeouts.pdu
        head += self._exactly(HEAD - len(head), until)
        head += self._exactly(length_of(head, self._bounds), until)
        check(head)
        return head[0], head

    def begins(self) -> bool:
        """Tell whether a PDU has begun to come; a TLS record may come with nothing in it."""
        if self._begun:
            return True
        self.sock.settimeout(0)
        try:
            self._begun += self.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        if not self._begun:
            raise ConnectionError("closed")
        return True

    # ------------------------------------------------------------- the end

    def release(self) -> None:
        """Ask for the end of the association, wait a moment for the answer, and close."""
        self.until = math.inf
        with suppress(PasserelleError), self:
            self.write(RELEASE)
            until = monotonic() + _GOODBYE_SECONDS
            while (kind := self.read(until - monotonic())[0]) not in (RELEASE_RP, ABORT):
                if kind == RELEASE_RQ:  # both sides at once (PS3.8 9.2, Sta7): each answers the other
                    self.write(RELEASED)
        self.close()

    def abort(self) -> None:
        """Break the association off, from the thread that uses it."""
        if not self.closed:
            self._last_word(_ABORTED)
        self.close()

    def cut(self) -> None:
        """End it from another thread: whatever waits in its own fails at once."""
        cut(self.sock)

    def close(self) -> None:
        """Close the connection without a word; harmless where it is closed."""
        self.closed = True
        cut(self.sock)
        self.sock.close()

    # ------------------------------------------------------------- within

    def _exactly(self, count: int, until: float) -> bytearray:
        found = bytearray()
        while len(found) < count:
            left = min(until, self.until) - monotonic()
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(left)
            self._acknowledge_at_once()
            piece = self.sock.recv(min(count - len(found), _PIECE))
            if not piece:
                raise ConnectionError("closed")
            found += piece
        return found

    def _acknowledge_at_once(self) -> None:
        """Keep the kernel from holding back what says that a piece came.

        DCMTK 3.6.7 and what is made of it write the head of a PDU and its rest one after the other, without
        TCP_NODELAY: the rest waits for the acknowledgement of the head, 40 ms for each answer. The option holds for a
        while only.
        """
        if _QUICK is not None:
            self.sock.setsockopt(socket.IPPROTO_TCP, _QUICK, 1)

    def _hear_why(self, error: OSError) -> None:
        """Raise what the peer said before it closed the connection, if it is to be heard."""
        try:
            kind, pdu = self.read(_GOODBYE_SECONDS)
        except OSError:
            return
        if kind == ABORT:
            raise aborted(pdu) from error

    def _last_word(self, pdu: bytes) -> None:
        """Write what need not arrive."""
        with suppress(OSError):
            self.sock.settimeout(_GOODBYE_SECONDS)
            self.sock.sendall(pdu)

    def _meaning(self, error: OSError) -> PasserelleError:
        if isinstance(error, BrokenPdu):
            self._last_word(abort_pdu(error.reason))
            text = f"the partner does not keep to the protocol: {error}"
            return Transient(text, sent=self.complete, code="garbage")
        if isinstance(error, TimeoutError):
            return Transient("the partner did not answer in time", sent=self.complete, code="timeout")
        closed = "the partner closed the connection without an answer"
        return refused_identity(error) or Transient(closed, sent=self.complete, code="closed")


def aborted(pdu: bytes | bytearray) -> Transient:
    """Return what an A-ABORT means (PS3.8 9.3.8)."""
    who = "the partner's protocol machine" if pdu[8] == 2 else "the partner"
    return Transient(f"{who} aborted the association", code="aborted")
