"""A listening socket and its connections: each is secured, then served by one task of its own.

Sockets are accepted here and handed to the loop one by one, so that a failed TLS handshake has a cause that can be
told. Listeners use it, and endpoints whose partner connects to us.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from channels._tcp.sockets import harden
from engine.config.models import HostPort
from engine.security.diagnosis import diagnose

_BACKLOG = 1024
_SOCKETS_MAX = 1000
"""Open sockets of one server, handshakes included; further ones wait in the kernel."""

_HANDSHAKE_SECONDS = 10.0
_GOODBYE_SECONDS = 2.0
_SHORTAGE_SECONDS = 0.5
_OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Served(Protocol):
    """A connection, as the server handles it; also an `asyncio.Protocol`."""

    async def run(self) -> None:
        """Serve until the connection is closed; cancellation cuts it."""

    def stop_when_idle(self) -> None:
        """Close as soon as nothing is under way."""


Make = Callable[[str], tuple[asyncio.Protocol, Served]]
"""Makes a connection for the source `host:port`, as what the event loop calls and as what the server calls."""


class BadSource(ConnectionError):
    """A connection did not say where it comes from, as it had to; the text is free of what it said instead."""


Source = Callable[[socket.socket, str], Awaitable[str]]
"""Reads from a new connection, whose other end is `host:port`, where it really comes from; raises BadSource."""


class ConnectionServer:
    """Accepts connections until it is stopped."""

    def __init__(
        self,
        make: Make,
        *,
        tls: ssl.SSLContext | None,
        logger: logging.Logger,
        count: Callable[[str], None],
        source: Source | None = None,
    ) -> None:
        self._make = make
        self._tls = tls
        self._logger = logger
        self._count = count
        self._source = source
        self._open = 0
        self._serving: set[Served] = set()
        self._accepting = anyio.CancelScope()
        self._changed = anyio.Event()

    async def serve(self, listener: socket.socket) -> None:
        """Serve `listener`, which listens and does not block, until `stop` or cancellation; closes it."""
        try:
            async with anyio.create_task_group() as group:
                with self._accepting:
                    await self._accept(listener, group)
                listener.close()
        finally:
            listener.close()

    async def stop(self) -> None:
        """Accept nothing new; return when every connection ended what it had begun, and is closed."""
        self._accepting.cancel()
        for connection in tuple(self._serving):
            connection.stop_when_idle()
        while self._open:
            await self._changed.wait()

    async def _accept(self, listener: socket.socket, group: TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while self._open >= _SOCKETS_MAX:
                await self._changed.wait()
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno not in _OUT_OF_FILES:
                    raise
                self._count("out_of_files")
                self._logger.warning(
                    "no file descriptor left for a connection", extra={"action": "accept_failed"}
                )
                await asyncio.sleep(_SHORTAGE_SECONDS)
                continue
            self._open += 1
            group.start_soon(self._connection, sock, str(HostPort(address[0], address[1])))

    async def _connection(self, sock: socket.socket, address: str) -> None:
        served: Served | None = None
        try:
            served = await self._begin(sock, address)
            if served is not None:
                self._serving.add(served)
                if self._accepting.cancel_called:
                    served.stop_when_idle()
                await served.run()
        finally:
            if served is not None:
                self._serving.discard(served)
            sock.close()
            self._open -= 1
            self._changed.set()
            self._changed = anyio.Event()

    async def _begin(self, sock: socket.socket, address: str) -> Served | None:
        """Return the connection once it is secured, None where it failed before it said anything."""
        try:
            harden(sock)
            if self._source is not None:
                address = await self._source(sock, address)
            protocol, served = self._make(address)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS if self._tls else None,
                ssl_shutdown_timeout=_GOODBYE_SECONDS if self._tls else None,
            )
        except BadSource as error:
            self._refused("proxy_refused", address, str(error), "proxy")
        except OSError as error:  # ssl.SSLError and every ConnectionError are OSErrors
            failure = diagnose(error)  # None where the TLS profile has told the cause already
            if failure is None:
                self._count("handshake_failed")
            else:
                self._refused("handshake_failed", address, failure.text, failure.code)
        else:
            return served
        return None

    def _refused(self, event: str, address: str, text: str, code: str) -> None:
        self._count(event)
        self._logger.warning(
            "a connection failed before it said anything: %s",
            text,
            extra={"action": "connection_refused", "address": address, "code": code},
        )


def listen(address: HostPort) -> socket.socket:
    """Return a listening TCP socket for a name or an IP address; OSError says why that is not possible."""
    family, _, _, _, place = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(place)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except BaseException:
        with suppress(OSError):
            sock.close()
        raise
    return sock
