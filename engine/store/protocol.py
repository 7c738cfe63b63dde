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

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from engine.errors import PasserelleError
from engine.model import NOTHING, Body, Delivery, Disposition, Fault, Hop, Message, Result, State


class StoreRefused(PasserelleError):
    """This place or file can hold no store: a network file system, settings that do not stick, a newer schema."""


# --------------------------------------------------------------------------- what is written


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery as the intake rendered it.

    `lane` is the ordering key as text ("" = a lane of its own), namespaced; together with the chain's first
    endpoint it makes the lane. `also` are further keys: the delivery stands in their lanes as well, leaves when it is
    the first of all, and then frees all; supersede and recall look at the first only. `state` is normally PENDING;
    FILTERED, DEAD and HELD are stored as given, with `reason`; a DEAD one that `parks` stops its lanes. `kind` "route"
    in `destination` "" marks a message that is still to be routed. `message_id` is the id that travels, for a part
    that leaves as a message of its own ("" = the message's). `remembers` says that its partner's answer may teach
    something to later messages of `lane`.
    """

    route: str
    route_version: str
    destination: str
    chain: tuple[Hop, ...]
    lane: str
    due_ms: int
    state: State = State.PENDING
    reason: str = ""
    deadline_ms: int | None = None
    expire_ms: int | None = None
    version: int | None = None
    supersedes: bool = False
    recalls: bool = False
    fallback: bool = False
    kind: str = ""
    part: int = 0
    parks: bool = False
    message_id: str = ""
    also: tuple[str, ...] = ()
    remembers: bool = False


@dataclass(frozen=True, slots=True)
class Rendering:
    """Content made from a message: `role` as a hop names it (`rendered`, `rendered:mail`).

    `<role>:as:<kind>` is what a hop with that role sends once its delivery took over `kind` (`Settlement.pass_kind`):
    the store then puts that role into the hop, so a body is always asked for by the role that its hop names.
    """

    role: str
    body: Body
    content_type: str
    part: int = 0


@dataclass(frozen=True, slots=True)
class Acceptance:
    """All that one message brings, for one commit.

    `reply` is what its sender gets (rendered beforehand). `dedup_window_ms` 0 asks for no duplicate check.
    `collision` says what a known id with another body becomes: "accept" (flagged) or "refuse"; `collision_reply` is
    the reply in that case. `keys` are business keys (name, value), for search.
    `headers` holds what the Archive should give back: allow-listed headers, envelope, trace. `alternates` makes the
    renderings `<role>:as:<kind>`: they can only be wanted where a delivery finds older ones in its lane, so the store
    calls it then, at most once and before the commit, and else never.
    """

    message: Message
    disposition: Disposition
    reply: bytes
    deliveries: Sequence[NewDelivery] = ()
    renderings: Sequence[Rendering] = ()
    keys: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    dedup_window_ms: int = 0
    collision: str = "accept"
    collision_reply: bytes = b""
    alternates: Callable[[], Sequence[Rendering]] | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the commit made of an acceptance.

    For a DUPLICATE `message_id` is the first copy's and `reply` the stored reply, byte for byte; nothing was queued.
    `ready` are the new deliveries that head their lanes (in order), with `body` filled.
    `nudged` are waiting heads that this acceptance supersedes or recalls: they are due now, so that the owner decides.
    """

    disposition: Disposition
    message: int
    message_id: str
    reply: bytes
    ready: Sequence[Delivery] = ()
    nudged: Sequence[Delivery] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that was turned away for its content; journalled with its faults, the bytes kept for retention.

    `deliveries` are dead letters that tell people of it, where nobody else would see that it came.
    """

    message: Message
    reply: bytes
    faults: Sequence[Fault]
    route: str = ""
    deliveries: Sequence[NewDelivery] = ()


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try as it is kept: times in UTC ms and whole ms of duration; `evidence` is the partner's bounded answer."""

    endpoint: str
    number: int
    started_ms: int
    took_ms: int
    result: Result
    code: str
    remark: str = ""
    evidence: bytes = b""


class LaneEffect(enum.IntEnum):
    """What a settlement does to its lane."""

    KEEP = 0
    """The delivery stays the head (retry, fallback, hold)."""
    FREE = 1
    """The next of the lane becomes the head."""
    PARK = 2
    """The lane stops behind this dead letter until it is released, discarded or recalled."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The change of one delivery after an attempt or a decision; compare-and-set on `revision`.

    `spawn`, `renderings` and `keys` serve a delivery of kind route: what its message became, in the same commit.
    `pass_kind` hands this kind on to the next of the lane (supersede with kind: keep_first). `remember` are names and
    values for later messages of the delivery's ordering key (`NewDelivery.remembers`).
    `attempts` etc. are the new values, not differences. A terminal state always leaves the lane: KEEP then is FREE.
    PARK is for DEAD. A delivery that left its lane without an end (AWAITING with FREE) may be sent again beside it.
    """

    delivery: int
    revision: int
    state: State
    reason: str = ""
    due_ms: int = 0
    deadline_ms: int | None = None
    hop: int = 0
    hop_ms: int = 0
    attempts: int = 0
    hop_attempts: int = 0
    unknown: int = 0
    lane: LaneEffect = LaneEffect.KEEP
    attempt: AttemptRow | None = None
    pass_kind: str = ""
    remember: Sequence[tuple[str, str]] = ()
    spawn: Sequence[NewDelivery] = ()
    renderings: Sequence[Rendering] = ()
    keys: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """`revision` is the row's new one; `next` the delivery that became head of its lane, `ready` what was spawned.

    `heads` became heads of the further lanes of one that stood in several.
    """

    revision: int
    next: Delivery | None = None
    ready: Sequence[Delivery] = ()
    heads: Sequence[Delivery] = ()


@dataclass(frozen=True, slots=True)
class Overtaking:
    """What waits behind a head in its lane, as far as supersede and recall care."""

    version: int | None
    recalled: bool


class Verb(enum.StrEnum):
    """What an operator may do to deliveries."""

    RELEASE = "release"
    DISCARD = "discard"
    RESEND = "resend"
    RETRY_NOW = "retry"
    HOLD = "hold"
    UNHOLD = "unhold"


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator's action on one delivery, journalled with its actor and reason.

    RELEASE reopens a dead letter at the same place (generation + 1, revision + 1); Conflict when a later one of its
    lane was delivered, unless `out_of_order`. DISCARD closes a dead letter (it stays dead) and unparks its lane.
    RESEND makes the same bytes due again under the same id, or under `new_id`. RETRY_NOW makes a waiting one due now.
    """

    verb: Verb
    delivery: int
    actor: str
    reason: str
    at_ms: int
    out_of_order: bool = False
    new_id: str = ""


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

    async def purge(self, before_ms: int, limit: int) -> int:
        """Drop content (never rows that are not terminal) older than `before_ms`; return how many messages."""


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

    async def health(self) -> Health: ...

    async def backup(self, target: Path) -> None:
        """Copy a consistent state, bodies included, into the new folder `target` while work goes on."""

    async def recover(self, in_send: Sequence[tuple[int, int]], at_ms: int) -> Sequence[int]:
        """Before lanes start: count an unknown outcome (delivery, attempt number) for what was in a send when the
        process died, once per attempt; return the deliveries changed."""
