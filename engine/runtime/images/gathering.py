"""Tells of studies and series as a whole, once none of their instances came for a while (`group:` of a listener).

What waits are rows, so it survives a crash; the message that tells of a study ends its row in the same commit, so it is
told once. An instance that comes later makes the row wait anew, and a further message tells of the study as it is then.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from anyio import CancelScope

from engine.clock import Clock
from engine.config.models import Group
from engine.errors import FATAL, CommitUnknown, Conflict, Rejected, Transient
from engine.model import Body, Disposition, Gathered, Gathering, Message, Receipt, Verdict
from engine.runtime.images.studies import STUDY, event_of, text
from engine.spi import Admission, Exchange, Intake
from engine.store.protocol import GatheringRow, Instances

PERIOD_MS = 60_000
"""How often the store is asked at least what waits."""

AGAIN_SECONDS = 1.0
"""How long what could not be told of is left alone at first."""

MOST_SECONDS = 60.0
"""The longest that it is left alone for: its listener may be gone, until somebody configures it again."""

BATCH = 1_000
_CONTENT_TYPE = "application/cloudevents+json"
_log = logging.getLogger(__name__)


class Nobody:
    """The exchange of a message that the engine itself made: nobody waits for its answer."""

    def reply(self, verdict: Verdict) -> bytes:
        """Return nothing."""
        return b""


class GatheringIntake:
    """Lets instances that another channel brings (C-GET) be told of like those of the listener that they are handed in
    at; implements `spi.Intake`."""

    def __init__(self, intake: Intake, group: Group) -> None:
        self._intake = intake
        self._gathering = Gathering(group.by, round(group.quiet.total_seconds() * 1000))

    def admit(self, partner: str | None, size: int, selector: str = "") -> Admission:
        return self._intake.admit(partner, size, selector)

    async def __call__(self, message: Message, exchange: Exchange) -> Receipt:
        instance = message.instance
        if instance is not None and instance.gathering is None:
            message = replace(message, instance=replace(instance, gathering=self._gathering))
        return await self._intake(message, exchange)


class Gatherer:
    """Hands in a message for each study or series whose quiet time is over; one task, on the engine's clock."""

    def __init__(
        self,
        instances: Instances,
        intake: Callable[[str], Intake],
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._instances = instances
        self._intake = intake
        self._clock = clock
        self._new_id = new_id
        self._expected_ms: float = math.inf
        self._until_ms: float = -math.inf
        self._nap = CancelScope()

    def expect(self, due_ms: int) -> None:
        """Hear that something is to be told of at `due_ms`, unless more comes."""
        self._expected_ms = min(self._expected_ms, due_ms)
        if due_ms < self._until_ms:
            self._nap.cancel()

    async def run(self) -> None:
        """Tell of what is ripe, until cancelled."""
        again = AGAIN_SECONDS
        while True:
            try:
                moved = not await self._waits() or await self._tell() > 0
            except Transient as error:  # the store is busy
                self._failed(error)
                moved = False
            if moved:
                again = AGAIN_SECONDS
            else:
                await self._clock.sleep(again)
                again = min(2 * again, MOST_SECONDS)

    # ------------------------------------------------------------- inside

    async def _waits(self) -> bool:
        """Say whether something is ripe; else sleep until something may be."""
        self._expected_ms = math.inf
        following = await self._instances.next_ms()
        now_ms = self._clock.now_ms()
        due_ms = min(self._expected_ms, math.inf if following is None else following)
        if due_ms <= now_ms:
            return True
        self._until_ms = min(due_ms, now_ms + PERIOD_MS)
        with CancelScope() as self._nap:
            await self._clock.sleep((self._until_ms - now_ms) / 1000)
        self._until_ms = -math.inf
        return False

    async def _tell(self) -> int:
        """Tell of all that is ripe; return of how many."""
        told = 0
        for row in await self._instances.ripe(self._clock.now_ms(), BATCH):
            try:
                with suppress(Conflict):  # an instance came meanwhile: it waits anew
                    await self._one(row)
                told += 1
            except FATAL:
                raise
            except (Transient, CommitUnknown) as error:
                self._failed(error, row.listener)
            except Exception as error:  # noqa: BLE001  a bug met with one study must not stop the others
                self._failed(error, row.listener)
        return told

    async def _one(self, row: GatheringRow) -> None:
        rows = await self._instances.gathered(row.id)
        gathered = Gathered(row.id, row.revision, text(rows[-1], STUDY) if rows else "")
        if not rows:  # retention came first
            await self._instances.told(gathered)
            return
        content = json.dumps(event_of(row, rows), ensure_ascii=False).encode()
        message = Message(
            id=self._new_id(),
            listener=row.listener,
            body=Body.of(content, _CONTENT_TYPE),
            codec="json",
            received_ms=self._clock.now_ms(),
            selector=row.by,
            partner=rows[-1].partner or None,
            content_type=_CONTENT_TYPE,
            gathered=gathered,
        )
        intake = self._intake(row.listener)
        try:
            with intake.admit(message.partner, len(content), row.by):
                receipt = await intake(message, Nobody())
        except Rejected:  # no route is told of studies here any more
            await self._instances.told(gathered)
            return
        if receipt.disposition is Disposition.DUPLICATE:
            await self._instances.told(gathered)
        _log.info(
            "told of a study as a whole",
            extra={
                "action": "gathered",
                "listener": row.listener,
                "message_id": receipt.message_id,
                "count": len(rows),
            },
        )

    def _failed(self, error: BaseException, listener: str = "") -> None:
        _log.warning(
            "a study could not be told of now; it is tried again",
            exc_info=error,
            extra={"action": "gathered", "listener": listener},
        )
