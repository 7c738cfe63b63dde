"""Makes a decision durable, however long the store needs: an outcome is neither forgotten nor sent again for that."""

from __future__ import annotations

import logging

from anyio import CancelScope

from engine.clock import Clock
from engine.errors import FATAL, CommitUnknown, Conflict, StoreUnavailable
from engine.model import Delivery
from engine.store.protocol import DeliveryRow, Query, Settled, Settlement, Store

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0

_log = logging.getLogger(__name__)


class Settler:
    """Settles deliveries and insists; once `stopped` it gives up, for the end of the process."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._pauses: set[CancelScope] = set()
        self.stopped = False

    def stop(self) -> None:
        """Give up from now on when the store cannot settle at once; those who wait for it try once more."""
        self.stopped = True
        for pause in self._pauses:
            pause.cancel()

    async def settle(self, delivery: Delivery, settlement: Settlement) -> tuple[Settled, bool] | None:
        """Return what the commit made, and whether `Settled.next` is known; None when told to stop before that.

        Raises:
            Conflict: the row changed since `delivery` was read; nothing was written.
            StoreFailed, StoreCorrupt, StoreLocked: the process must end.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._store.settle(settlement), True
            except (Conflict, *FATAL):
                raise
            except StoreUnavailable:
                found = None
            except Exception as error:  # noqa: BLE001 - whatever it was, the row says whether the commit happened
                found = await self._look_up(delivery, settlement, error)
            if found is not None:
                return found, False
            if self.stopped:
                return None
            if pause == _FIRST_PAUSE:
                _log.warning(
                    "the store does not settle", extra={"action": "settle", "delivery": delivery.sequence}
                )
            await self._wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _wait(self, seconds: float) -> None:
        with CancelScope() as scope:
            self._pauses.add(scope)
            try:
                await self._clock.sleep(seconds)
            finally:
                self._pauses.discard(scope)

    async def now(self, delivery: Delivery) -> Delivery | None:
        """Return the delivery as it is now, however long the store needs; None when told to stop before that."""
        pause = _FIRST_PAUSE
        while True:
            try:
                row = await self._row(delivery)
                return row.delivery if row is not None else None
            except FATAL:
                raise
            except Exception as error:  # noqa: BLE001 - an outcome waits for the answer: ask again
                if self.stopped:
                    return None
                _log.warning("the store does not answer", exc_info=error, extra={"action": "settle"})
            await self._wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _row(self, delivery: Delivery) -> DeliveryRow | None:
        rows = await self._store.deliveries(Query(id=delivery.message_id, limit=1000))
        return next((row for row in rows if row.delivery.sequence == delivery.sequence), None)

    async def _look_up(self, delivery: Delivery, settlement: Settlement, error: Exception) -> Settled | None:
        """Find out whether a commit of unknown outcome happened: None when it did not, or not yet known."""
        if not isinstance(error, CommitUnknown):
            _log.error(
                "the store raised what nobody named; the row is looked up",
                exc_info=error,
                extra={"action": "settle", "delivery": delivery.sequence},
            )
        try:
            row = await self._row(delivery)
            if row is None or row.delivery.revision == settlement.revision:
                return None
            if await self._is_ours(row.delivery, settlement):
                return Settled(row.delivery.revision)
        except (StoreUnavailable, CommitUnknown):
            return None
        raise Conflict(f"delivery {delivery.sequence} was changed by somebody else")

    async def _is_ours(self, now: Delivery, settlement: Settlement) -> bool:
        attempt = settlement.attempt
        if attempt is None:
            return now.state is settlement.state and now.hop == settlement.hop
        return any(
            (each.number, each.started_ms, each.endpoint)
            == (attempt.number, attempt.started_ms, attempt.endpoint)
            for each in await self._store.attempts(now.sequence)
        )
