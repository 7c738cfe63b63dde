"""Associations with one partner that are open, and those of them that are free.

An association is for the classes and transfer syntaxes that it was opened with: an instance of another one opens a new
one, which proposes what was accepted lately too and takes the place of those that are free, so that a mixed study soon
travels on one. A free one is watched: the partner may end it, or report on it.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import anyio

from channels._dicom.dialling import attended
from channels._dicom.proposing import Proposal
from channels._dicom.requesting import Requestor
from engine.errors import PasserelleError, Permanent

Pair = tuple[str, str]
"""A class, and a transfer syntax."""

_KNOWN_MAX: Final = 32
_GOODBYE_SECONDS: Final = 5.0


class Pool:
    """Lends associations out, one user at a time; used on the event loop.

    `dial` opens one for proposals. `hear` answers the reports that came on one, which nobody else uses meanwhile.
    """

    def __init__(
        self,
        dial: Callable[[Sequence[Proposal]], Awaitable[Requestor]],
        hear: Callable[[Requestor], Awaitable[None]],
        *,
        always: Sequence[Pair],
        most: int,
        idle_seconds: float,
    ) -> None:
        self._dial = dial
        self._hear = hear
        self._always = tuple(always)
        self._most = most
        self._idle_seconds = idle_seconds
        self._known: OrderedDict[Pair, None] = OrderedDict()
        self._free: dict[Requestor, asyncio.TimerHandle] = {}
        self._lent: set[Requestor] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = self._over = False
        self._room = asyncio.Semaphore(most)
        self._limiter = anyio.CapacityLimiter(most + 4)

    async def take(self, pair: Pair) -> tuple[Requestor, bool]:
        """Return an association on which a pair was agreed on, and whether it is new; wait while `most` are lent.

        Raises:
            Transient, Permanent: there is none; nothing was sent.
        """
        await self._room.acquire()
        try:
            return await self._found(pair)
        except BaseException:
            self._room.release()
            raise

    async def _found(self, pair: Pair) -> tuple[Requestor, bool]:
        for requestor in reversed(self._free):
            if any((each.abstract, each.syntax) == pair for each in requestor.accepted.values()):
                self._unwatch(requestor)
                self._lent.add(requestor)
                return requestor, False
        await self._make_room()
        proposed = [pair, *(each for each in (*self._always, *reversed(self._known)) if each != pair)]
        requestor = await self._dial([Proposal(abstract, (syntax,)) for abstract, syntax in proposed])
        self._lent.add(requestor)
        try:
            requestor.context_for(*pair)
        except Permanent:
            self._known.pop(pair, None)
            self._put_back(requestor)
            raise
        self._known[pair] = None
        self._known.move_to_end(pair)
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)
        return requestor, True

    async def _make_room(self) -> None:
        """Release what is free: the next one is for the same and more, and many partners serve one at a time."""
        leaving = tuple(self._free)
        for requestor in leaving:
            self._unwatch(requestor)
        await asyncio.gather(*(self._release(requestor) for requestor in leaving))

    def give(self, requestor: Requestor) -> None:
        """Take an association back, whatever became of it."""
        self._room.release()
        self._put_back(requestor)

    def _put_back(self, requestor: Requestor) -> None:
        self._lent.discard(requestor)
        if self._over:
            requestor.close()
        if requestor.closed:
            return
        requestor.hurry(math.inf)
        if requestor.reports:
            self._start(self._attend(requestor))
        elif self._closing or not requestor.accepted or len(self._free) >= self._most:
            self._start(self._release(requestor))
        else:
            loop = asyncio.get_running_loop()
            loop.add_reader(requestor.socket.fileno(), self._notice, requestor)
            self._free[requestor] = loop.call_later(self._idle_seconds, self._expire, requestor)

    async def close(self) -> None:
        """Release what is free, let reports be answered, and cut the rest."""
        self._closing = True
        for requestor in tuple(self._free):
            self._unwatch(requestor)
            self._start(self._release(requestor))
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                while self._tasks:
                    await asyncio.wait(tuple(self._tasks))
        self._over = True
        for requestor in tuple(self._lent):
            requestor.cut()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=_GOODBYE_SECONDS)
        for requestor in tuple(self._lent):
            requestor.close()

    # ------------------------------------------------------------- free ones

    def _unwatch(self, requestor: Requestor) -> None:
        asyncio.get_running_loop().remove_reader(requestor.socket.fileno())
        self._free.pop(requestor).cancel()

    def _notice(self, requestor: Requestor) -> None:
        self._unwatch(requestor)
        self._start(self._attend(requestor))

    def _expire(self, requestor: Requestor) -> None:
        self._unwatch(requestor)
        self._start(self._release(requestor))

    async def _attend(self, requestor: Requestor) -> None:
        """Read what came, answer reports, and put the association back."""
        self._lent.add(requestor)
        try:
            await attended(requestor.look, requestor.cut, self._limiter)
            if requestor.reports:
                await self._hear(requestor)
        except PasserelleError:
            requestor.close()  # it ended, or its partner broke the protocol: the next message opens another
        finally:
            self._put_back(requestor)

    async def _release(self, requestor: Requestor) -> None:
        self._lent.add(requestor)
        try:
            await attended(requestor.release, requestor.cut, self._limiter)
        finally:
            self._lent.discard(requestor)
            requestor.close()

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
