"""The listening socket, its connections, and the watch over slow ones.

Sockets are accepted here and handed to the loop one by one, so that a failed TLS handshake has a cause that can be
told, and each connection has one task from handshake to close.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from channels._http.connection import Connection, Site
from channels._http.sockets import harden
from engine.clock import Clock
from engine.config.models import HostPort
from engine.security.diagnosis import diagnose

_BACKLOG = 1024
_SOCKETS_MAX = 1000
"""Open sockets of one listener, handshakes included; further ones wait in the kernel."""

_HANDSHAKE_SECONDS = 10.0
_GOODBYE_SECONDS = 2.0
_SHORTAGE_SECONDS = 0.5
_OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class HttpServer:
    """Accepts connections for one site until it is stopped."""

    def __init__(
        self,
        site: Site,
        *,
        tls: ssl.SSLContext | None,
        clock: Clock,
        logger: logging.Logger,
        count: Callable[[str], None],
    ) -> None:
        self._site = site
        self._tls = tls
        self._clock = clock
        self._logger = logger
        self._count = count
        self._connections: set[Connection] = set()
        self._open = 0
        self._accepting = anyio.CancelScope()
        self._watching = anyio.CancelScope()
        self._room = anyio.Event()
        self._left = anyio.Event()

    async def serve(self, listener: socket.socket) -> None:
        """Serve `listener`, which is bound and not blocking, until `stop` or cancellation; closes it."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch)
                with self._accepting:
                    await self._accept(listener, group)
                listener.close()
                while self._open:
                    await self._left.wait()
                self._watching.cancel()
        finally:
            listener.close()
            self._left.set()

    async def stop(self) -> None:
        """Accept nothing new; return when every request that was begun is answered and every connection closed."""
        self._accepting.cancel()
        for connection in self._connections:
            connection.stop_when_idle()
        while self._open:
            await self._left.wait()

    async def _accept(self, listener: socket.socket, group: TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        listener.listen(_BACKLOG)
        while True:
            while self._open >= _SOCKETS_MAX:
                self._room = anyio.Event()
                await self._room.wait()
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
        connection = Connection(self._site, address)
        try:
            if await self._handshake(sock, connection):
                self._connections.add(connection)
                await connection.run()
        finally:
            self._connections.discard(connection)
            self._site.closed(connection)
            sock.close()
            self._open -= 1
            self._room.set()
            self._left.set()
            self._left = anyio.Event()

    async def _handshake(self, sock: socket.socket, connection: Connection) -> bool:
        loop = asyncio.get_running_loop()
        timeout = _HANDSHAKE_SECONDS if self._tls else None
        goodbye = _GOODBYE_SECONDS if self._tls else None
        try:
            harden(sock)
            await loop.connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=self._tls,
                ssl_handshake_timeout=timeout,
                ssl_shutdown_timeout=goodbye,
            )
        except OSError as error:  # ssl.SSLError and every ConnectionError are OSErrors
            failure = diagnose(error)  # None where the TLS profile has told the cause already
            self._count("handshake_failed")
            if failure is not None:
                self._logger.warning(
                    "a connection failed before its first request: %s",
                    failure.text,
                    extra={
                        "action": "connection_refused",
                        "address": connection.address,
                        "code": failure.code,
                    },
                )
            return False
        return True

    async def _watch(self) -> None:
        bounds = self._site.bounds
        shortest = min(bounds.head_seconds, bounds.body_seconds, bounds.idle_seconds)
        with self._watching:
            while True:
                await self._clock.sleep(min(1.0, max(0.02, shortest / 4)))
                now = self._site.now = self._clock.monotonic()
                for connection in tuple(self._connections):
                    connection.check(now)


def bind(host: str, port: int) -> socket.socket:
    """Return a bound TCP socket for a name or an IP address; OSError says why that is not possible."""
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
