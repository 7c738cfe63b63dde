"""The store's contract: five facets of at most eight methods, and the values that cross it.

Every mutating method is asynchronous: it is enqueued, joins the next group commit with whatever else waits, and
returns after that commit reached the disk. One bad operation fails alone. No cursor and no transaction leaves the
store, and every mutation writes its journal row in the same commit. What a caller read before an await may have
changed: mutations compare the `revision` that was read and raise `Conflict` when it moved.

All mutating methods may raise:
    StoreUnavailable: rolled back, nothing is durable; safe to try again.
    CommitUnknown: the outcome of the commit is not known; look the row up before acting.
    StoreFailed: the disk failed; the process must end (74).

Names (routes, partners, endpoints, listeners) cross this border as text; the store keeps integers behind them.
Lane keys and business keys cross as plain text and are stored as keyed BLAKE2b-128 only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from engine.errors import PasserelleError
from engine.model import Body, Delivery, Disposition, State
from engine.store.imaging import GatheringRow, Held, InstanceRow, Instances
from engine.store.scheduling import Rebuilding, Worklists
from engine.store.values import (
    Acceptance,
    Accepted,
    AttemptRow,
    LaneEffect,
    NewDelivery,
    Operation,
    Overtaking,
    Refusal,
    Rendering,
    Settled,
    Settlement,
    Verb,
)

__all__ = [
    "Acceptance",
    "Accepted",
    "Archive",
    "AttemptRow",
    "Correspondence",
    "DeliveryRow",
    "GatheringRow",
    "Health",
    "Held",
    "InstanceRow",
    "Instances",
    "Journal",
    "JournalRow",
    "LaneEffect",
    "MessageRow",
    "NewDelivery",
    "Operation",
    "Overtaking",
    "Query",
    "Queue",
    "Rebuilding",
    "Record",
    "Records",
    "Refusal",
    "Rendering",
    "Roster",
    "Settled",
    "Settlement",
    "Store",
    "StoreRefused",
    "Tally",
    "Verb",
    "Verification",
    "Worklists",
]


NO_KINDS: Mapping[str, int] = MappingProxyType({})


class StoreRefused(PasserelleError):
    """This place or file can hold no store: a network file system, settings that do not stick, a newer schema."""


class Queue(Protocol):
    """What is owed."""

    async def accept(self, acceptance: Acceptance) -> Accepted:
        """Store a message with all that it brings in one commit; decide duplicate and collision inside it.

        A copy that arrives while the first is uncommitted gets the first's answer. `blocked` is set for each
        delivery whose lane already has an unfinished one or is parked. A recalling one unparks its lane; it and a
        superseding one make the lane's waiting head due now.
        """

    async def refuse(self, refusal: Refusal) -> None:
        """Keep a refused message and its faults; never part of the duplicate check."""

    async def due(self, endpoint: str, now_ms: int, limit: int, after: int = 0) -> Sequence[Delivery]:
        """Return heads whose current endpoint is `endpoint`, due at `now_ms`, by (due, sequence), without bodies.

        Only PENDING and RETRYING heads that are not blocked. `after` is a delivery that the caller holds: what is
        returned comes behind its place in that order, as its row has it now.
        """

    async def overdue(self, now_ms: int, limit: int) -> Sequence[Delivery]:
        """Return unfinished heads whose deadline has come (fallback, expiry, hold's end, confirmation's end)."""

    async def overtaking(self, delivery: Delivery) -> Overtaking:
        """Say what waits behind this head in its lane (highest version that supersedes, any recall)."""

    async def settle(self, settlement: Settlement) -> Settled:
        """Change one delivery, its attempt row and its lane in one commit; Conflict when the revision moved."""

    async def outlook(self) -> Mapping[str, int]:
        """Return the earliest due time (ms) per current endpoint over all sendable heads; used at start."""

    async def operate(self, operation: Operation) -> Delivery:
        """Carry out an operator's action and return the delivery as it is now; NotFound, Conflict."""


class Correspondence(Protocol):
    """What partners say later of what they took, and what their answers taught."""

    async def awaited(self, reference: str) -> Sequence[Delivery]:
        """Return unfinished deliveries that were AWAITING since they were last accepted or released, by the id under
        which they travelled, or by their sender's control id where they left as the message itself; in order."""

    async def remembered(self, key: str) -> Mapping[str, str]:
        """Return what partners' answers taught of an ordering key (`Settlement.remember`), by name; the newest values,
        as long as the payload of the message that brought them is kept."""


# --------------------------------------------------------------------------- what is read


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message as the archive shows it; no content."""

    sequence: int
    id: str
    listener: str
    partner: str
    disposition: Disposition
    codec: str
    control_id: str
    received_ms: int
    size: int
    sha256: bytes
    flags: int = 0
    replay_of: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery as the archive shows it: the dispatcher's view, whether it waits behind another, and its end.

    `open` says that a dead letter still needs a human (neither released, discarded nor recalled).
    """

    delivery: Delivery
    blocked: bool
    settled_ms: int
    open: bool
    part: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """A search over messages; every field narrows, newest first, `before` pages (a message sequence)."""

    id: str = ""
    key: tuple[str, str] | None = None
    partner: str = ""
    endpoint: str = ""
    route: str = ""
    listener: str = ""
    states: tuple[State, ...] = ()
    dispositions: tuple[Disposition, ...] = ()
    open_dead: bool = False
    since_ms: int = 0
    until_ms: int = 0
    before: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Tally:
    """Conservation (G2): deliveries created, per state and per (route, state); messages per disposition.

    `endpoints` counts by the current hop's endpoint. `oldest_ms` is when the oldest unfinished delivery of a route was
    accepted; a route with none is absent.
    """

    created: int
    states: Mapping[State, int]
    routes: Mapping[tuple[str, State], int]
    endpoints: Mapping[tuple[str, State], int]
    dispositions: Mapping[Disposition, int]
    oldest_ms: Mapping[str, int]

    @property
    def conserved(self) -> bool:
        """Whether created equals the sum over all states."""
        return self.created == sum(self.states.values())


class Archive(Protocol):
    """What happened, for reading; never blocks the queue for long."""

    async def body(self, message: int, role: str, part: int = 0) -> Body | None:
        """Return content by role: `raw`, `reply`, `headers`, a rendering, `evidence:<delivery>:<n>`; None when
        purged. StoreCorrupt when the bytes are not what their digest says."""

    async def messages(self, query: Query) -> Sequence[MessageRow]: ...

    async def message(self, identifier: str) -> MessageRow:
        """Return one message by its id or display id; NotFound."""

    async def deliveries(self, query: Query) -> Sequence[DeliveryRow]: ...

    async def attempts(self, delivery: int) -> Sequence[AttemptRow]: ...

    async def tally(self) -> Tally: ...

    async def partner_days(self, since_ms: int) -> Sequence[tuple[str, str, str, int]]:
        """Return (partner, day as YYYY-MM-DD, disposition, count): what a sender can compare with its own."""

    async def purge(self, before_ms: int, limit: int, images: Mapping[str, int] = NO_KINDS) -> int:
        """Drop content (never rows that are not terminal) older than `before_ms`; return how many messages.

        For DICOM instances of the SOP classes and modalities of `images` its moments hold, the class's first.
        """


# --------------------------------------------------------------------------- journal


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One line of the journal: pseudonymous ids only, so that it can outlive the payloads."""

    sequence: int
    commit: int
    at_ms: int
    action: str
    message: int = 0
    delivery: int = 0
    actor: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of walking the chain: `broken_at` is the first commit whose root does not match, None when all do."""

    commits: int
    rows: int
    root: bytes
    broken_at: int | None


class Journal(Protocol):
    """What was done, by whom; chained by SHA-256 per commit (one root per group)."""

    async def append(self, action: str, *, actor: str, detail: str, at_ms: int) -> None:
        """Write a row that goes with no other mutation (operator actions, configuration, security)."""

    async def rows(
        self, *, after: int = 0, limit: int = 500, message: int = 0, delivery: int = 0
    ) -> Sequence[JournalRow]:
        """Return rows in order, of one message or delivery where asked."""

    async def last(self) -> int:
        """Return the sequence of the newest row, 0 when there is none: where following the journal starts."""

    async def verify(self) -> Verification: ...


# --------------------------------------------------------------------------- state, names, life


@dataclass(frozen=True, slots=True)
class Record:
    """A small durable document: pauses, holds, disabled endpoints, alerts, route versions, channel state."""

    kind: str
    name: str
    value: str
    revision: int
    changed_ms: int


class Records(Protocol):
    """Small durable state with compare-and-set; values are JSON text of at most 256 KiB."""

    async def get(self, kind: str, name: str) -> Record | None: ...

    async def all(self, kind: str) -> Sequence[Record]: ...

    async def put(
        self,
        kind: str,
        name: str,
        value: str,
        *,
        at_ms: int,
        revision: int | None = None,
        actor: str = "",
        action: str = "",
    ) -> Record:
        """Write; `revision` 0 = must be new, None = whatever is there; Conflict otherwise. Journalled when `action`."""

    async def delete(
        self, kind: str, name: str, *, at_ms: int, actor: str = "", action: str = ""
    ) -> bool: ...


class Roster(Protocol):
    """Names and the integers behind them."""

    async def enrol(self, kind: str, names: Mapping[str, Sequence[str]]) -> None:
        """Make names of a kind (route, partner, endpoint, listener) known; the value lists `formerly` names, whose
        integer the new name takes over. Idempotent."""

    async def names(self, kind: str) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Health:
    """State of the disk under the store; `commit_ms` is the probe's median write + fsync."""

    writable: bool
    free_bytes: int
    free_share: float
    commit_ms: float
    detail: str = ""
    pragmas: Mapping[str, str] = field(default_factory=dict)


class Store(Queue, Correspondence, Archive, Protocol):
    """The whole store. `open_store(url)` in `engine.store` gives one; leaving `async with` closes it."""

    @property
    def journal(self) -> Journal: ...

    @property
    def records(self) -> Records: ...

    @property
    def roster(self) -> Roster: ...

    @property
    def instances(self) -> Instances: ...

    @property
    def worklists(self) -> Worklists: ...

    @property
    def rebuilding(self) -> Rebuilding: ...

    async def health(self) -> Health: ...

    async def backup(self, target: Path) -> None:
        """Copy a consistent state, bodies included, into the new folder `target` while work goes on."""

    async def recover(self, in_send: Sequence[tuple[int, int]], at_ms: int) -> Sequence[int]:
        """Before lanes start: count an unknown outcome (delivery, attempt number) for what was in a send when the
        process died, once per attempt; return the deliveries changed."""
