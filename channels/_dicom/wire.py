"""The socket of an association as pynetdicom reads it, with the guard in between.

pynetdicom 3.0.4 reads whatever length a PDU declares, and waits for it without a limit: here the length is judged
before a byte of it is read, and all of it has to come in time.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING

from pynetdicom.transport import AssociationSocket

from channels._dicom.guard import HEAD, Bounds, BrokenPdu, check, length_of

if TYPE_CHECKING:
    from pynetdicom.association import Association


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
        self._told = False
        self._buffer = memoryview(b"")
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
        """Return the head of a PDU, at the next call what follows it; nothing where the peer closed the connection.

        Raises:
            OSError: the PDU breaks the protocol, or did not come in time.
        """
        if not self._told:
            self._told = bool(self.kind())
            return bytearray(self._head)
        return bytearray(self.pdu()[HEAD:])

    def kind(self) -> int:
        """Return the type of the PDU that comes once its head is judged, 0 where none comes; raises as `recv`."""
        if not self._head:
            with self._breaking():
                self._deadline = monotonic() + self._seconds
                head = memoryview(bytearray(HEAD))
                if self._filled(head):
                    length_of(bytes(head), self._bounds)
                    self._head = bytes(head)
        return self._head[0] if self._head else 0

    def pdu(self) -> memoryview:
        """Return the whole PDU whose head was read, checked; empty where its rest does not come. Raises as `recv`.

        It is valid until the next one is asked for: one buffer serves an association.
        """
        head, self._head, self._told = self._head, b"", False
        with self._breaking():
            size = HEAD + length_of(head, self._bounds)
            if len(self._buffer) < size:
                self._buffer = memoryview(bytearray(size))
            whole = self._buffer[:size]
            whole[:HEAD] = head
            if not self._filled(whole[HEAD:]):
                return self._buffer[:0]
            check(whole)
            return whole

    def send(self, bytestream: bytes) -> None:
        """Write a PDU; a peer that does not read it in time has lost the connection."""
        try:
            sock = self._open_socket()
            sock.settimeout(self._seconds)
            sock.sendall(bytestream)
        except OSError:
            self.event_queue.put("Evt17")

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        """Read no more after an error, and tell of a peer that does not keep to the protocol."""
        try:
            yield
        except BrokenPdu as error:
            self.ended = True
            self._broken(error)
            raise
        except TimeoutError:
            self.ended = True
            slow = BrokenPdu("a PDU that did not come in time", event="slow_pdu")
            self._broken(slow)
            raise slow from None
        except OSError:
            self.ended = True
            raise

    def _filled(self, rest: memoryview) -> bool:
        """Fill a buffer with what comes; False where the peer closes the connection before that."""
        sock = self._open_socket()
        while rest:
            left = self._deadline - monotonic()
            if left <= 0:
                raise TimeoutError
            sock.settimeout(left)
            count = sock.recv_into(rest)
            if not count:
                self.ended = True
                return False
            rest = rest[count:]
        return True

    def _open_socket(self) -> socket.socket:
        if self.socket is None:
            raise ConnectionError("the connection is closed")
        return self.socket
