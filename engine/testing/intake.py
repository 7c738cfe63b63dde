"""A scripted intake: it records what an inbound channel hands in, and answers line by line as a test says."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import anyio

from engine.model import Disposition, Fault, Message, Receipt, Verdict
from engine.spi import Exchange

Line = Disposition | BaseException
"""One line of a script: a disposition to answer with, or an error to raise."""

REFUSAL = (Fault("appointment.end", "ends before it starts", "require"),)
"""The faults that a scripted refusal names."""


class RecordingIntake:
    """An `Intake` that plays a script: each message takes the next line, and the last line repeats.

    `messages` holds everything handed in, in order of arrival; `running` and `most` count the calls that are under
    way and their highest number; `outstanding` and `most_admitted` the same for admissions. While the gate is
    closed, calls wait before they answer: nothing is durable yet.
    """

    def __init__(self, *script: Line, admissions: Sequence[BaseException | None] = ()) -> None:
        self.messages: list[Message] = []
        self.running = 0
        self.most = 0
        self.outstanding = 0
        self.most_admitted = 0
        self.returned: list[Receipt] = []
        self._script = list(script) or [Disposition.ACCEPTED]
        self._admissions = list(admissions)
        self._gate = anyio.Event()
        self._gate.set()
        self._changed = anyio.Event()

    def close_gate(self) -> None:
        """Let every call from now on wait before it answers."""
        self._gate = anyio.Event()

    def open_gate(self) -> None:
        """Let the waiting calls answer."""
        self._gate.set()

    async def until(self, count: int, *, seconds: float = 5) -> None:
        """Return once `count` messages were handed in; TimeoutError when that takes longer than `seconds`."""
        with anyio.fail_after(seconds):
            while len(self.messages) < count:
                await self._changed.wait()

    async def until_returned(self, count: int, *, seconds: float = 5) -> None:
        """Return once `count` calls came back, with a receipt or an error."""
        with anyio.fail_after(seconds):
            while len(self.messages) - self.running < count:
                await self._changed.wait()

    async def until_idle(self, *, seconds: float = 5) -> None:
        """Return once every admission was given back; TimeoutError when one is kept for longer than `seconds`."""
        with anyio.fail_after(seconds):
            while self.outstanding:
                await self._changed.wait()

    @property
    def control_ids(self) -> list[str]:
        """The control ids in order of arrival."""
        return [message.control_id for message in self.messages]

    def admit(self, partner: str | None, size: int, selector: str = "") -> _Share:
        if self._admissions:
            refusal = self._admissions.pop(0)
            if refusal is not None:
                raise refusal
        return _Share(self)

    async def __call__(self, message: Message, exchange: Exchange) -> Receipt:
        line = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        self.messages.append(message)
        self.running += 1
        self.most = max(self.most, self.running)
        self.notify()
        try:
            await self._gate.wait()
            if isinstance(line, BaseException):
                raise line
            if message.faults:  # as the engine does: refused, and kept
                verdict = Verdict(Disposition.REFUSED, message.id, message.faults, code="AR")
            else:
                faults = REFUSAL if line in (Disposition.REFUSED, Disposition.COLLISION) else ()
                verdict = Verdict(line, message.id, faults)
            receipt = Receipt(verdict.disposition, message.id, exchange.reply(verdict))
            self.returned.append(receipt)
            return receipt
        finally:
            self.running -= 1
            self.notify()

    def notify(self) -> None:
        """Wake whoever waits for a change."""
        self._changed.set()
        self._changed = anyio.Event()


class _Share:
    """An admission that counts itself."""

    def __init__(self, intake: RecordingIntake) -> None:
        self._intake = intake

    def __enter__(self) -> Self:
        self._intake.outstanding += 1
        self._intake.most_admitted = max(self._intake.most_admitted, self._intake.outstanding)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._intake.outstanding -= 1
        self._intake.notify()
