"""Answers a sender with its destination's answer: queries, and requests that wait (`acknowledge: delivered`).

The message is committed first, as every other. Then its sender waits, up to the route's time, for what became of the
one delivery; that is told by the dispatcher as it happens, and read from the store now and then, since a hint may be
lost and the first copy of a message may have been answered long ago.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from engine.clock import Clock
from engine.errors import Transient
from engine.model import Result, State
from engine.runtime.sending.outcome import MAX_ANSWER, MAX_EVIDENCE
from engine.runtime.sending.sender import Concluded
from engine.spi import Step
from engine.store.protocol import Archive, AttemptRow, Query

LOOK_EVERY = 1.0
"""Seconds between two looks at the store while somebody waits."""

_TAKEN = (State.DELIVERED, State.DELIVERED_BY_FALLBACK)
_MANY = 1_000


@dataclass(frozen=True, slots=True)
class Answering:
    """How a route answers: within how many seconds, with which code where it cannot, and what it does to the answer.

    `codec` reads what the destination says, `steps` are done to that.
    """

    seconds: float
    code: str
    codec: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery; `taken` says that the partner took it, `code` and `evidence` are its answer.

    `whole` is False where more was said than is kept. `remark` is why it was refused, in our words.
    """

    taken: bool
    code: str = ""
    evidence: bytes = b""
    remark: str = ""

    @property
    def whole(self) -> bool:
        return len(self.evidence) < (MAX_ANSWER if self.taken else MAX_EVIDENCE)


@dataclass(slots=True)
class Expected:
    """One message whose sender waits: `outcome` is filled before `told` is set."""

    message_id: str
    route: str
    told: anyio.Event = field(default_factory=anyio.Event)
    outcome: Outcome | None = None

    def tell(self, outcome: Outcome) -> None:
        """Note what became of it and wake who waits."""
        self.outcome = outcome
        self.told.set()


class Answers:
    """Everybody who waits; the dispatcher tells it of every settlement, most of which nobody waits for."""

    def __init__(self) -> None:
        self._expected: dict[str, list[Expected]] = {}

    @contextmanager
    def expect(self, message_id: str, route: str) -> Iterator[Expected]:
        """Hear of a message's delivery in a route while the block runs."""
        expected = Expected(message_id, route)
        self._expected.setdefault(message_id, []).append(expected)
        try:
            yield expected
        finally:
            waiting = self._expected[message_id]
            waiting.remove(expected)
            if not waiting:
                del self._expected[message_id]

    def heard(self, concluded: Concluded) -> None:
        """Tell who waits for this delivery, if it has ended; never raises, never blocks."""
        delivery, settlement = concluded.delivery, concluded.settlement
        waiting = self._expected.get(delivery.message_id)
        if not waiting or not settlement.state.terminal:
            return
        if not delivery.destination and settlement.state is not State.DEAD:
            return  # it was routed, and what it became is still to be delivered
        attempt = settlement.attempt
        for expected in waiting:
            if expected.route == delivery.route and attempt is not None:
                expected.tell(_outcome(settlement.state, [attempt]))

    async def outcome(
        self, expected: Expected, archive: Archive, clock: Clock, seconds: float
    ) -> Outcome | None:
        """Return what became of the delivery, None when it has not ended after that many seconds."""
        deadline = clock.monotonic() + seconds
        while expected.outcome is None:
            expected.outcome = await _stored(expected, archive)
            left = deadline - clock.monotonic()
            if expected.outcome is not None or left <= 0:
                break
            await _wait(expected.told, clock, min(left, LOOK_EVERY))
        return expected.outcome


async def _wait(event: anyio.Event, clock: Clock, seconds: float) -> None:
    """Return when the event is set, or after that many seconds."""
    async with anyio.create_task_group() as group:

        async def ring() -> None:
            await clock.sleep(seconds)
            group.cancel_scope.cancel()

        group.start_soon(ring)
        await event.wait()
        group.cancel_scope.cancel()


async def _stored(expected: Expected, archive: Archive) -> Outcome | None:
    """Return what the store says became of it, None while it has not ended or cannot be read."""
    try:
        rows = await archive.deliveries(Query(id=expected.message_id, route=expected.route, limit=_MANY))
        ended = [
            row.delivery
            for row in rows
            if row.delivery.state.terminal
            and (row.delivery.destination or row.delivery.state is State.DEAD)
            and row.delivery.message_id == expected.message_id
        ]
        if not ended:
            return None
        return _outcome(ended[0].state, await archive.attempts(ended[0].sequence))
    except Transient:
        return None


def _outcome(state: State, attempts: Sequence[AttemptRow]) -> Outcome:
    """Return the outcome of a delivery that ended: the answer of who took it, or refused it for its content."""
    taken = state in _TAKEN
    wanted = Result.DELIVERED if taken else Result.REJECTED
    said = next((each for each in reversed(attempts) if each.result is wanted), None)
    return Outcome(taken, said.code, said.evidence, said.remark) if said else Outcome(taken)
