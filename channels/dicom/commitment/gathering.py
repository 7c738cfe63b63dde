"""Asks a partner to commit itself to what it took: one request for all that went out until nothing did for a moment.

What was taken and not asked about is kept in a file over the death of the process. Where a partner never reports, the
engine sends the instance again once its time to confirm is over. Source: DICOM PS3.4 J.3.2 (N-ACTION).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from channels.dicom.commitment.information import Reference
from channels.dicom.commitment.transactions import new_transaction
from channels.dicom.commitment.unasked import Entry, Unasked
from engine.errors import CommitUnknown, PasserelleError, Transient
from engine.model import Confirmation, Reply
from engine.spi import ChannelContext

TOGETHER_MAX: Final = 100
"""Instances of one request."""

QUIET_SECONDS: Final = 0.3
_LONGEST_SECONDS: Final = 3.0
"""How long an instance waits for others at most."""

_TRIES: Final = 2
_KEPT_MAX: Final = 1000
"""Requests of which it is remembered which message each instance is; reports on older ones are understood, too."""

Ask = Callable[[str, Sequence[Reference]], Awaitable[None]]


class Commitments:
    """The requests of one endpoint; used on the event loop. `ask` makes one, and raises where it is not taken."""

    def __init__(self, ask: Ask, context: ChannelContext) -> None:
        self._ask = ask
        self._context = context
        self._unasked = Unasked(context.var / "dicom" / f"{context.name}.unasked")
        self._waiting: dict[Reference, str] = {}
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked: OrderedDict[str, Mapping[str, str]] = OrderedDict()

    async def begin(self) -> None:
        """Ask about what the partner took before the process ended."""
        for reference, message_id in await asyncio.to_thread(self._unasked.load):
            self.add(reference, message_id)

    def add(self, reference: Reference, message_id: str) -> None:
        """Have an instance asked about that the partner has taken; the same one again is another request's."""
        self._unasked.add((reference, message_id))
        if reference in self._waiting:
            self._request()
        loop = asyncio.get_running_loop()
        if not self._waiting:
            self._since = loop.time()
        self._waiting[reference] = message_id
        if len(self._waiting) >= TOGETHER_MAX:
            self._request()
            return
        self._stop_timer()
        due = min(loop.time() + QUIET_SECONDS, self._since + _LONGEST_SECONDS)
        self._timer = loop.call_at(due, self._request)

    def asked(self, transaction: str) -> Mapping[str, str]:
        """Return the messages of a request by the SOP Instance UIDs in it, nothing where it is not remembered."""
        return self._asked.get(transaction, {})

    async def close(self) -> None:
        """Ask about what waits; return once every request has its answer."""
        self._request()
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))
        self._unasked.close()

    # ------------------------------------------------------------- inside

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _request(self) -> None:
        self._stop_timer()
        if not self._waiting:
            return
        together, self._waiting = self._waiting, {}
        task = asyncio.ensure_future(self._made(together))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _made(self, together: Mapping[Reference, str]) -> None:
        """Make one request; what is not taken after all is told to the engine, which sends the instances again."""
        error: PasserelleError = Transient("it was not asked")
        for _ in range(_TRIES):
            transaction = new_transaction(tuple(together.values()))
            self._remember(transaction, together)
            try:
                await self._ask(transaction, tuple(together))
            except PasserelleError as refused:
                error = refused
            else:
                self._unasked.forget(list(together.items()))
                return
        self._context.logger.warning(
            "commitment to stored instances could not be asked for",
            exc_info=error,
            extra={
                "action": "commitment_refused",
                "endpoint": self._context.name,
                "count": len(together),
            },
        )
        await asyncio.gather(*(self._refused(entry, error) for entry in together.items()))

    async def _refused(self, entry: Entry, error: PasserelleError) -> None:
        _, message_id = entry
        code = getattr(error, "code", "") or "commitment"
        refusal = Transient(f"commitment: {error}", sent=True, code=code)
        confirmation = Confirmation(message_id, Reply(code), endpoint=self._context.name, refusal=refusal)
        try:
            await self._context.confirm(confirmation)
        except (Transient, CommitUnknown):  # the engine stops: it is asked about at the next start
            return
        self._unasked.forget([entry])

    def _remember(self, transaction: str, together: Mapping[Reference, str]) -> None:
        self._asked[transaction] = {each.sop_instance: message for each, message in together.items()}
        if len(self._asked) > _KEPT_MAX:
            self._asked.popitem(last=False)
