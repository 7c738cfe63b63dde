"""The client's end of a connection on which one exchange at a time is in flight: what every such protocol shares.

There is one timer per connection, moved and not remade: it bounds an exchange while one is in flight, and the time
that the connection is kept open afterwards.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from abc import ABC, abstractmethod
from typing import Generic, TypeVar, cast

from channels._tcp.dial import refused_identity
from engine.errors import PasserelleError, Transient

Answer = TypeVar("Answer")


class OneInFlight(asyncio.Protocol, ABC, Generic[Answer]):
    """Made by `dial` or a server, owned by a pool; a protocol writes what it asks and tells when it is answered."""

    def __init__(self) -> None:
        self.tls: ssl.SSLObject | None = None
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._ready = False
        self.closed: asyncio.Future[None] = self._loop.create_future()

    @property
    def usable(self) -> bool:
        """Whether another exchange may begin."""
        return self._ready and self._transport is not None and not self._transport.is_closing()

    @property
    def _waiting(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def close(self) -> None:
        """Close in good order."""
        self._ready = False
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Cut."""
        self._ready = False
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------- an exchange

    def _begin(self, seconds: float) -> asyncio.Transport:
        """Take the connection for an exchange that must end within `seconds`; Transient where it is closed."""
        if not self.usable or self._transport is None:
            raise Transient("the connection was closed before anything was sent", code="closed")
        self._ready = False
        self._waiter = self._loop.create_future()
        self._set_deadline(seconds)
        return self._transport

    async def _answer(self) -> Answer:
        """Return the answer to what was asked; a cancelled exchange cuts the connection."""
        assert self._waiter is not None
        try:
            return await self._waiter
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._waiter = None

    def _fail(self, failure: PasserelleError, cause: BaseException | None = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            failure.__cause__ = cause
            self._waiter.set_exception(failure)

    # ------------------------------------------------------------- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class derives from nothing
        self.tls = transport.get_extra_info("ssl_object")
        self._ready = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._ready = False
        if self._timer is not None:
            self._timer.cancel()
        where = "in the middle of its answer" if self._half_answered() else "without an answer"
        closed = Transient(f"the partner closed the connection {where}", sent=True, code="closed")
        self._fail(refused_identity(exc) or closed, exc)
        if not self.closed.done():
            self.closed.set_result(None)

    @abstractmethod
    def _half_answered(self) -> bool:
        """Tell whether a part of the answer is here."""

    # ------------------------------------------------------------- time

    def _set_deadline(self, seconds: float) -> None:
        self._deadline = self._loop.time() + seconds
        if seconds == math.inf:
            return
        if self._timer is None or self._timer.cancelled() or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._loop.time() < self._deadline:
            if self._deadline != math.inf:
                self._timer = self._loop.call_at(self._deadline, self._look)
        elif self._waiting:
            self._overdue()
        else:
            self.close()

    def _overdue(self) -> None:
        """The exchange took too long: its outcome is unknown."""
        self._fail(Transient("the partner did not answer in time", sent=True, code="timeout"))
        self.abort()
