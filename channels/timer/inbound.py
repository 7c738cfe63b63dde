"""Makes a message at each instant of a schedule.

The last instant done is durable state, and an instant's message has the instant as its control id and always the
same bytes. So what a crash interrupts between the commit and the state comes again as a duplicate, never twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import anyio
from anyio.abc import TaskStatus

from channels.timer.instants import Cron, Instants, Period, latest, written
from channels.timer.model import TimerListener, Timetable
from engine.errors import CommitUnknown, Transient
from engine.model import Body, Disposition, Message, Verdict
from engine.spi import ChannelContext, Inbound, Intake

STATE = "last"
_MOST_MISSED = 100
_LATE_MS = 60_000
_LONGEST_SLEEP = 30.0  # seconds: so that a step of the wall clock is noticed
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 60.0


class Nobody:
    """The exchange of a timer: nobody waits for a reply."""

    def reply(self, verdict: Verdict) -> bytes:
        return b""


class TimerInbound(Inbound):
    """Serves one schedule, one message at a time."""

    config: TimerListener

    def __init__(self, config: TimerListener, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._zone = config.timer.zone or config.zone or context.zone
        self._instants = _instants(config.timer, self._zone)
        self._stopping = False
        self._pausing = anyio.CancelScope()
        self._ended: anyio.Event | None = None

    async def serve(self, intake: Intake, *, task_status: TaskStatus[str]) -> None:
        """Wait for the next instant, hand it in, and remember it, until stopped."""
        ended = self._ended = anyio.Event()
        try:
            last = await self._last()
            task_status.started(self.config.timer.cron or f"every {self.config.timer.every}")
            pause = _SHORTEST_PAUSE
            while not self._stopping:
                now = self.context.clock.now_ms()
                if (following := self._instants.next_after(last)) > now:
                    await self._pause(min(_LONGEST_SLEEP, (following - now) / 1000))
                    continue
                done, error = await self._run(intake, last, now)
                last = done
                if error is not None:
                    asked = error.retry_after if isinstance(error, Transient) else None
                    await self._pause(pause if asked is None else asked)
                pause = min(_LONGEST_PAUSE, pause * 2) if error is not None else _SHORTEST_PAUSE
        finally:
            ended.set()

    async def stop(self) -> None:
        self._stopping = True
        self._pausing.cancel()
        if self._ended is not None:
            await self._ended.wait()

    async def _last(self) -> int:
        """Return the last instant done; a timer that never ran begins now, and remembers that it did."""
        stored = await self.context.state.get(STATE)
        if stored is not None:
            return int(stored)
        now = self.context.clock.now_ms()
        await self.context.state.put(STATE, str(now))
        return now

    async def _run(self, intake: Intake, last: int, now: int) -> tuple[int, Transient | CommitUnknown | None]:
        """Hand in what is due; return the last instant done, and why it ended early."""
        due = self._due(last, now)
        for instant in due:
            if self._stopping:
                return last, None
            try:
                with intake.admit(self.config.partner, 0):
                    receipt = await intake(self._message(instant), Nobody())
            except (Transient, CommitUnknown) as error:
                return last, error
            if receipt.disposition is Disposition.REFUSED:
                self._note("timer_refused", "the timer's message was refused")
            await self.context.state.put(STATE, str(instant))
            last = instant
        if not due:
            (last,) = latest(self._instants, last, now, most=1)
            await self.context.state.put(STATE, str(last))
        return last, None

    def _due(self, last: int, now: int) -> Sequence[int]:
        """Return the instants to run now, oldest first; there is at least one in (last, now]."""
        most = _MOST_MISSED if self.config.timer.missed == "run_all" else 1
        due = latest(self._instants, last, now, most=most)
        if self.config.timer.missed == "skip" and now - due[-1] > _LATE_MS:
            self._note("timer_skipped", "missed instants are skipped")
            return []
        return due

    def _message(self, instant: int) -> Message:
        scheduled = written(instant, "UTC")
        # Nothing of the moment of running in here: the same instant must always have the same bytes.
        body = json.dumps({"at": written(instant, self._zone), "scheduled": scheduled}).encode()
        return Message(
            id=self.context.new_id(),
            listener=self.context.name,
            body=Body.of(body),
            codec=self.config.codec or "json",
            received_ms=self.context.clock.now_ms(),
            partner=self.config.partner,
            control_id=scheduled,
            content_type="application/json",
        )

    def _note(self, action: str, text: str) -> None:
        self.context.logger.warning(text, extra={"action": action, "listener": self.context.name})

    async def _pause(self, seconds: float) -> None:
        with anyio.CancelScope() as self._pausing:
            if not self._stopping:
                await self.context.clock.sleep(seconds)


def _instants(timetable: Timetable, zone: str) -> Instants:
    if timetable.cron is not None:
        return Cron(timetable.cron, zone)
    assert timetable.every is not None, "the model asks for cron or every"
    return Period(timetable.every)
