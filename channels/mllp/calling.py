"""A listener in the role of the client: it connects out to the sender's server, again and again, and receives there."""

from __future__ import annotations

import random
import ssl
from contextlib import suppress

import anyio

from channels._tcp.dial import Destination, dial
from channels._tcp.server import Make
from channels.mllp.connection import Connection
from channels.mllp.listener import MllpListener
from engine.errors import PasserelleError
from engine.security.identity import UnusableCertificate
from engine.security.tls import RotatingContext, client_context
from engine.spi import ChannelContext

_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 30.0


class Calling:
    """Keeps one connection to the sender's server."""

    def __init__(self, config: MllpListener, context: ChannelContext, make: Make) -> None:
        self._config = config
        self._context = context
        self._make = make
        self._tls = _as_client(context.tls)
        self._connection: Connection | None = None
        self._serving = anyio.CancelScope()
        self._served = anyio.Event()
        self._done = anyio.Event()

    async def serve(self) -> None:
        """Connect, serve, and connect again until `stop` or cancellation; waits longer after each failure."""
        failures = 0
        try:
            with self._serving:
                while True:
                    failures = 0 if await self._once() else failures + 1
                    longest = min(_LONGEST_SECONDS, _FIRST_SECONDS * 2 ** min(failures, 10))
                    await self._context.clock.sleep(random.uniform(longest / 2, longest))  # noqa: S311  no secret
        finally:
            self._done.set()

    async def stop(self) -> None:
        """Let what was begun end; return when the connection is closed."""
        if self._connection is not None:
            self._connection.stop_when_idle()
            await self._served.wait()
        self._serving.cancel()
        await self._done.wait()

    async def _once(self) -> bool:
        """Serve one connection; tell whether it could be opened."""
        config = self._config
        address = str(config.mllp)

        def make() -> Connection:
            protocol, _ = self._make(address)
            assert isinstance(protocol, Connection)
            return protocol

        self._renew()
        destination = Destination(
            config.mllp.host,
            config.mllp.port,
            self._tls,
            plaintext=config.plaintext.allow if config.plaintext else (),
        )
        try:
            connection = await dial(destination, make, seconds=config.timeouts.connect.total_seconds())
        except PasserelleError as error:
            code = getattr(error, "code", "connect")
            extra = {"action": "connect_failed", "listener": self._context.name, "code": code}
            self._context.counters.count("channel_events", channel=self._context.name, event="connect_failed")
            self._context.logger.warning("the sender's server cannot be reached: %s", error, extra=extra)
            return False
        self._connection = connection
        self._served = anyio.Event()
        try:
            await connection.run()
        finally:
            self._connection = None
            self._served.set()
        return True

    def _renew(self) -> None:
        if isinstance(self._tls, RotatingContext) and self._tls.changed():
            with suppress(
                UnusableCertificate
            ):  # the old files stay in use; the profile's own watch tells of it
                self._tls.reload()


def _as_client(tls: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """Return the listener's TLS profile for connections that we open: the engine makes it for a server."""
    return client_context(tls.files) if isinstance(tls, RotatingContext) else tls
