"""Connections to one partner, kept between messages: those that we open, and those that the partner opens to us."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Protocol

from channels._tcp.dial import Destination, dial
from channels._tcp.kept import Kept
from channels._tcp.server import ConnectionServer, listen
from channels.mllp.link import Desk, Link
from engine.config.models import HostPort
from engine.errors import Transient


class Pool(Protocol):
    """Where connections come from; a connection is given back only after a complete answer."""

    async def open(self) -> None:
        """Get ready; never fails because the partner is absent."""

    async def take(self, seconds: float) -> Link:
        """Return a connection that nothing is in flight on; Transient or Permanent, nothing sent."""

    def give(self, link: Link) -> None:
        """Take a connection back."""

    async def close(self) -> None:
        """Close all connections: idle ones in good order, those in use are cut."""


class DialledPool:
    """Opens connections as they are needed and keeps at most `kept` of them idle."""

    def __init__(self, desk: Desk, destination: Destination, *, kept: int) -> None:
        self._desk = desk
        self.destination = destination
        self._most = kept
        self._kept = Kept[Link]()

    async def open(self) -> None:
        """Connections are opened by the first message."""

    async def take(self, seconds: float) -> Link:
        link = self._kept.take()
        if link is None:
            link = await dial(self.destination, lambda: Link(self._desk), seconds=seconds)
            self._kept.add(link)
        return link

    def give(self, link: Link) -> None:
        self._kept.give(link, most=self._most)

    async def close(self) -> None:
        await self._kept.close()


class AnsweredPool:
    """Listens for the partner's connections and lends them out in turn."""

    def __init__(
        self,
        desk: Desk,
        address: HostPort,
        *,
        tls: ssl.SSLContext | None,
        logger: logging.Logger,
        count: Callable[[str], None],
    ) -> None:
        self._desk = desk
        self._address = address
        self._logger = logger
        self._kept = Kept[Link]()
        self._waiting: list[asyncio.Future[None]] = []
        self._tls = tls
        self._count = count
        self._serving: asyncio.Task[None] | None = None
        self.bound: HostPort | None = None

    @property
    def connected(self) -> int:
        """How many connections of the partner are open."""
        return len(self._kept.all)

    async def open(self) -> None:
        """Listen; where the address is taken, a later message tries again."""
        if self._serving is not None and not self._serving.done():
            return
        try:
            listener = listen(self._address)
        except OSError:
            self.bound = None
            self._logger.error(
                "the address for the partner's connections cannot be listened on",
                extra={"action": "listen_failed", "address": str(self._address)},
            )
            return
        host, port = listener.getsockname()[:2]
        self.bound = HostPort(host, port)
        server = ConnectionServer(self._make, tls=self._tls, logger=self._logger, count=self._count)
        self._serving = asyncio.create_task(server.serve(listener))

    async def take(self, seconds: float) -> Link:
        await self.open()
        if self.bound is None:
            raise Transient("the address for the partner's connections cannot be listened on", code="listen")
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (link := self._kept.take()) is None:
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiting.append(waiter)
            try:
                async with asyncio.timeout_at(until):
                    await waiter
            except TimeoutError as error:
                text = "the partner has no connection open, or none is free"
                raise Transient(text, code="absent") from error
            finally:
                self._waiting.remove(waiter)
        return link

    def give(self, link: Link) -> None:
        if link.usable:
            self._kept.free.append(link)
            self._awaken()

    def arrived(self, link: Link) -> None:
        """Take a connection that the partner opened."""
        self._kept.add(link)
        self.give(link)

    async def close(self) -> None:
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.wait([self._serving])
        await self._kept.close()

    def _make(self, address: str) -> tuple[Link, Link]:
        link = Link(self._desk, address)
        return link, link

    def _awaken(self) -> None:
        """Wake the one that waits longest."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
                return
