"""Connections to one partner that are open, and those of them that are free: the youngest is used first."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Generic, TypeVar

from channels._tcp.exchange import OneInFlight

_GOODBYE_SECONDS = 2.0

Link = TypeVar("Link", bound=OneInFlight[Any])


class Kept(Generic[Link]):
    """The connections of a pool; one that closes goes by itself."""

    def __init__(self) -> None:
        self.free: list[Link] = []
        self.all: set[Link] = set()

    def add(self, link: Link) -> None:
        """Take a new connection, which is in use."""
        self.all.add(link)
        link.closed.add_done_callback(partial(self._gone, link))

    def take(self) -> Link | None:
        """Return a free connection that is usable, None where there is none."""
        while self.free:
            link = self.free.pop()
            if link.usable:
                return link
        return None

    def give(self, link: Link, *, most: int) -> None:
        """Take a connection back; `most` may be free."""
        if link.usable and len(self.free) < most:
            self.free.append(link)
        else:
            link.close()

    async def close(self) -> None:
        """Close all connections: idle ones in good order, those in use are cut."""
        everyone = [link.closed for link in self.all]
        for link in self.all:
            if link.usable:
                link.close()
            else:
                link.abort()
        self.free.clear()
        if everyone:
            await asyncio.wait(everyone, timeout=_GOODBYE_SECONDS)
        for link in tuple(self.all):
            link.abort()

    def _gone(self, link: Link, _: object) -> None:
        self.all.discard(link)
        if link in self.free:
            self.free.remove(link)
