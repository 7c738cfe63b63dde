"""The socket of an association as pynetdicom reads it, with the guard in between.

pynetdicom 3.0.4 reads whatever length a PDU declares, and waits for it without a limit: here the length is judged
before a byte of it is read, what is read grows by what came, and all of it has to come in time.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from pynetdicom.transport import AssociationSocket

from channels._dicom.guard import HEAD, Bounds, BrokenPdu, check, length_of

if TYPE_CHECKING:
    from pynetdicom.association import Association

_PIECE = 256 * 1024


def cut(sock: socket.socket) -> None:
    """End a connection whoever uses it: their next read or write fails.

    The method of the plain socket, because that of a TLS socket makes it plain for whoever still writes to it.
    """
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class GuardedSocket(AssociationSocket):
    """Gives pynetdicom whole PDUs that were checked; `broken` hears of the first that is none.

    `busy` says that nothing more may be read now: a request is being served, and its sender has to wait.
    """

    def __init__(
        self,
        assoc: Association,
        sock: socket.socket,
        bounds: Bounds,
        *,
        seconds: float,
        busy: Callable[[], bool],
        broken: Callable[[BrokenPdu], None],
    ) -> None:
        super().__init__(assoc, client_socket=sock)
        self._bounds = bounds
        self._seconds = seconds
        self._busy = busy
        self._broken = broken
        self._head = b""
        self._deadline = 0.0
        self.ended = False
        """Whether the peer closed the connection, or broke it: nothing more is read."""

    @property
    def ready(self) -> bool:
        """Whether a PDU begins."""
        sock = self.socket
        if sock is None or not self._is_connected or self.ended or self._busy():
            return False
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            return True
        poll = select.poll()  # pynetdicom's select() refuses descriptors above 1023
        try:
            poll.register(sock, select.POLLIN)
        except ValueError:  # closed meanwhile
            self.event_queue.put("Evt17")
            return False
        return bool(poll.poll(0))

    def recv(self, nr_bytes: int) -> bytearray:
        """Return the head of a PDU, at the next call what follows it; less where the peer closed the connection.

        Raises:
            OSError: the PDU breaks the protocol, or did not come in time.
        """
        try:
            return self._read(nr_bytes)
        except OSError:
            self.ended = True
            raise

    def _read(self, nr_bytes: int) -> bytearray:
        try:
            if not self._head:
                self._deadline = monotonic() + self._seconds
                head = self._exactly(HEAD)
                if len(head) == HEAD:
                    length_of(head, self._bounds)
                    self._head = bytes(head)
                return head
            head, self._head = bytearray(self._head), b""
            body = self._exactly(nr_bytes)
            if len(body) == nr_bytes:
                check(head + body)
        except BrokenPdu as error:
            self._broken(error)
            raise
        except TimeoutError:
            slow = BrokenPdu("a PDU that did not come in time", event="slow_pdu")
            self._broken(slow)
            raise slow from None
        return body

    def send(self, bytestream: bytes) -> None:
        """Write a PDU; a peer that does not read it in time has lost the connection."""
        try:
            sock = self._open_socket()
            sock.settimeout(self._seconds)
            sock.sendall(bytestream)
        except OSError:
            self.event_queue.put("Evt17")

    def _exactly(self, count: int) -> bytearray:
        sock = self._open_socket()
        found = bytearray()
        while len(found) < count:
            left = self._deadline - monotonic()
            if left <= 0:
                raise TimeoutError
            sock.settimeout(left)
            piece = sock.recv(min(count - len(found), _PIECE))
            if not piece:
                self.ended = True
                break
            found += piece
        return found

    def _open_socket(self) -> socket.socket:
        if self.socket is None:
            raise ConnectionError("the connection is closed")
        return self.socket
