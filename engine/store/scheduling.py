"""The store's contract for worklists: what was said of orders, patients and performed steps, and the steps that follow.

Part of the contract in `engine.store.protocol`. What is said is kept in the order in which it counts, so that the same
things said in any order, or twice, give the same steps. Numbers and patients' ids cross this border as text and are
stored as keyed digests; `content` is JSON text that only whoever says it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.spi import Narrow

__all__ = [
    "Derive",
    "FedRow",
    "Narrow",
    "Performing",
    "Rebuilding",
    "Said",
    "SaidOfPatient",
    "StepRow",
    "Story",
    "Turn",
    "Worklists",
]


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that was said of one order: `known` are the numbers that it has, at least one; `patients` whose it is.

    `at_ms` (the event's own time), then `sequence` (of the delivery) say where among the others it counts. `digest`
    tells a copy from something new; `message` is the sequence of the message that said it.
    """

    known: tuple[str, ...]
    patients: tuple[str, ...]
    at_ms: int
    sequence: int
    message: int
    digest: bytes
    content: str


@dataclass(frozen=True, slots=True)
class SaidOfPatient:
    """One thing that was said of a patient: `former` are the ids that this patient had, `present` those of now."""

    former: tuple[str, ...]
    present: tuple[str, ...]
    at_ms: int
    sequence: int
    message: int
    digest: bytes
    content: str


@dataclass(frozen=True, slots=True)
class Performing:
    """What a modality says of what it performs, as a whole; `revision` counts its changes, from 0."""

    worklist: str
    uid: str
    revision: int
    message_id: str
    studies: tuple[str, ...]
    content: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One content of a story, and where it counts."""

    at_ms: int
    sequence: int
    content: str


@dataclass(frozen=True, slots=True)
class Story:
    """All that was said of one order and its patient, in order; `performed` gives what is performed of a study."""

    orders: Sequence[Turn]
    patients: Sequence[Turn]
    performed: Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step that follows from a story. `visible` ones are answered; `day` is YYYYMMDD and `moment` HHMMSS, local.

    `place` is given by the store: where the step stands among the others.
    """

    number: int
    state: str
    visible: bool
    day: str
    moment: str
    modality: str
    station: str
    patient: str
    accession: str
    study: str
    name: str
    content: str
    place: str = ""


Derive = Callable[[Story], Sequence[StepRow]]
"""Says which steps follow; pure, called inside the commit."""


@dataclass(frozen=True, slots=True)
class FedRow:
    """A delivery that fed a worklist: its sequence, the message, its kind, and where its content is found."""

    sequence: int
    message: int
    message_id: str
    kind: str
    role: str
    part: int
    accepted_ms: int


class Worklists(Protocol):
    """Worklists by name. One that is being built beside the one that is asked hears of everything, too."""

    async def say(
        self, worklist: str, said: Sequence[Said], derive: Derive, *, building: bool = False
    ) -> bool:
        """Keep what one event says of orders, and the steps that follow; False where all of it was known."""

    async def say_of_patient(
        self, worklist: str, said: SaidOfPatient, derive: Derive, *, building: bool = False
    ) -> bool:
        """Keep what one event says of a patient, and the steps that follow; False where it was known."""

    async def announce(self, performing: Performing) -> None:
        """Keep what a modality says until its message is durable: it counts once `conclude` says so."""

    async def conclude(self, message_id: str, derive: Derive, *, durable: bool) -> None:
        """Let what was announced count, or forget it; nothing happens where it was concluded before."""

    async def announced(self) -> Sequence[tuple[str, str]]:
        """Return (message id, worklist) of what was announced and not concluded."""

    async def perform(self, performing: Performing, derive: Derive) -> None:
        """Let what a modality said count in the worklist that is being built; an older revision changes nothing."""

    async def performed(self, worklist: str, uid: str) -> tuple[int, str] | None:
        """Return revision and content of what is performed under a UID, None where nothing is."""

    async def steps(
        self, worklist: str, narrow: Narrow, *, limit: int, offset: int = 0, after: str = ""
    ) -> Sequence[StepRow]:
        """Return steps by day, moment and order, those behind a place where one is given.

        Their patient, accession and study stand in the content alone.
        """


class Rebuilding(Protocol):
    """Builds a worklist anew beside the one that is asked."""

    async def begin(self, worklist: str) -> None:
        """Begin with an empty one; what an earlier attempt left goes."""

    async def fed(self, endpoints: Sequence[str], *, after: int, limit: int) -> Sequence[FedRow]:
        """Return deliveries that reached one of these endpoints, in order, after a sequence."""

    async def told(
        self, listeners: Sequence[str], prefix: str, *, after: int, limit: int
    ) -> Sequence[FedRow]:
        """Return messages of listeners that were taken, whose control id begins so, in order, after a sequence."""

    async def retain(self, worklist: str, derive: Derive) -> int:
        """Take over what was said by messages whose content is gone; return how much it was."""

    async def finish(self, worklist: str, *, actor: str, reason: str) -> None:
        """Let the new one be asked from now on."""

    async def sweep(self, worklist: str, before_day: str, before_ms: int, *, building: bool = False) -> int:
        """Forget orders whose steps are all before a day and of which nothing was said since; and what is over."""
