"""What is written: the values that cross the store's border on their way in, and what a commit made of them.

Part of the contract in `engine.store.protocol`, which gives these names, too.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.model import NOTHING, Body, Delivery, Disposition, Fault, Hop, Message, Result, State


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

    `deliveries` are dead letters that tell people of it, where nobody else would see that it came, and answers that go
    to an endpoint, with their `renderings`.
    """

    message: Message
    reply: bytes
    faults: Sequence[Fault]
    route: str = ""
    deliveries: Sequence[NewDelivery] = ()
    renderings: Sequence[Rendering] = ()


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
    values for later messages of the delivery's ordering key (`NewDelivery.remembers`). `reference` is by what else than
    its id an AWAITING delivery is found.
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
    reference: str = ""


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
