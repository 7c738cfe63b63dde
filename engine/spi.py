"""What plugs in: channels, codecs, steps and mappers, each a contract of a few methods.

Who calls what, how often, and what happens after which error is said here and proven by the contract suites in
`engine.testing`. The store's contract stands in `engine.store.protocol`: a channel never sees it.
"""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from anyio.abc import TaskStatus

from engine.clock import Clock
from engine.errors import NotFound
from engine.model import (
    Announcement,
    Attempt,
    Body,
    Certificate,
    Confirmation,
    Message,
    Receipt,
    Reply,
    StoredInstance,
    Verdict,
)

# --------------------------------------------------------------------------- documents


class Getter(Protocol):
    """A compiled path: returns the value in a document's root, the codec's "absent" when there is none."""

    def __call__(self, root: Any) -> Any: ...


class CompiledPath(Protocol):
    """A path compiled once by its codec; `text` is as people wrote it."""

    @property
    def text(self) -> str: ...

    @property
    def get(self) -> Getter: ...

    def set(self, root: Any, value: Any) -> None:
        """Write `value` in place, making what is missing on the way; Rejected where the path cannot be."""

    def remove(self, root: Any) -> None:
        """Take the leaf, item or segment out in place; absent is no error."""


class Document(Protocol):
    """A decoded message that steps may change.

    `root` is what paths are read from: for a CloudEvent the event's data, with `envelope` its other attributes.
    """

    codec: str
    root: Any
    envelope: Mapping[str, Any] | None

    def copy(self) -> Document:
        """Return an independent copy: changing one never changes the other."""


class Codec(Protocol):
    """Bytes <-> document for one content type; pure and synchronous, called on the accept path."""

    name: str
    content_type: str

    def decode(self, message: Message) -> Document:
        """Raise MalformedMessage with a position when the body is no document of this type."""

    def encode(self, document: Document) -> bytes:
        """Return the document's bytes; what was not changed keeps its spelling."""

    def notation(self, text: str) -> Any:
        """Return the value that a constant in a route stands for, in this format's own notation (`ADT^A08`)."""

    def path(self, text: str) -> CompiledPath:
        """Compile a path; raise ExpressionError with the offset of what is wrong."""

    def path_extent(self, text: str, start: int) -> int:
        """Return the offset in `text` where the path that begins at `start` ends."""


class LargeCodec(Codec, Protocol):
    """A codec of content that may be too large for memory."""

    def body(self, document: Document, content_type: str) -> Body:
        """Return what `encode` would; what is large as pieces (`Body.pieces`), of which the store makes a file."""


# --------------------------------------------------------------------------- routing


@dataclass(slots=True)
class Scope:
    """What expressions see while one message is routed; `msg` and `it` change from step to step.

    `partner` and `sender` are partner directory entries as plain mappings (`name`, `identifiers`, `contact`, ...),
    `meta` holds id, headers, listener, event (envelope), file name and the like.
    """

    msg: Any
    source: Any
    meta: dict[str, Any]
    now_ms: int
    vars: dict[str, Any] = field(default_factory=dict)
    sender: Mapping[str, Any] | None = None
    partner: Mapping[str, Any] | None = None
    memory: Mapping[str, Any] = field(default_factory=dict)
    reply: Any = None
    it: Any = None
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    new_id: Callable[[], str] | None = None
    carried: tuple[Carried, ...] = ()
    stored: Callable[[Asked], dict[str, Any] | None] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Asks for the complement that a mapper left on one `side` of the message of a business key.

    What is stored is found by `name` and `value` (`event`, the event's id). The answer of `Scope.stored` is the
    complement, an empty mapping where there was one and is no more, None where there is none.
    """

    name: str
    value: str
    mapper: str
    side: str


@dataclass(frozen=True, slots=True)
class Carried:
    """What a two-way mapper did with one document, beside the document that it made.

    `complement` is what the event could not carry of the `source` side, None where the route keeps none. `loss` is
    JSON that holds paths and reasons and never a value; it is made when it is asked for.
    """

    mapper: str
    version: str
    source: str
    complement: dict[str, Any] | None
    loss: Callable[[], Mapping[str, Any]]


class Step(Protocol):
    """A pure transformation: no network, no clock, no disk. [] filters the message, several documents split it.

    It may change the document in place (the runtime gives each destination a copy) and set `scope.vars`,
    `scope.partner`, `scope.meta` (to another mapping) and `scope.carried`. Raises Rejected with the faulty paths.
    """

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]: ...


class Mapper(Protocol):
    """A compiled mapping in the room `engine.mapping`; pure and synchronous."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def apply(self, document: Document, scope: Scope) -> Document:
        """Return a new document of the mapper's target codec; Rejected names the source path at fault."""


class Losses(Protocol):
    """What became of each leaf of one document, by its path in it; never a value."""

    @property
    def opaque(self) -> Sequence[str]:
        """Paths of the leaves that only the complement holds."""

    def as_json(self) -> Mapping[str, Any]: ...


class Decoded(Protocol):
    """What a two-way mapper read: the event's data, and all that the data do not say."""

    @property
    def data(self) -> dict[str, Any]: ...

    @property
    def complement(self) -> dict[str, Any]: ...

    @property
    def report(self) -> Losses: ...


class TwoWay(Protocol):
    """A compiled two-way mapper of the room `engine.mapping`: pure, synchronous, shared by threads.

    `sides` are of `v2`, `event` and `fhir`. `source` and what `put` returns are the root of a document of that side's
    codec. `zone` is where times without an offset belong.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def messages(self) -> tuple[str, ...]:
        """The HL7 messages that it maps, as `SIU^S12`."""

    @property
    def sides(self) -> frozenset[str]: ...

    def get(self, side: str, source: Any, *, zone: str = "UTC") -> Decoded:
        """Read a document; Rejected where it is none of this mapper's."""

    def put(
        self,
        side: str,
        data: dict[str, Any],
        complement: dict[str, Any] | None = None,
        *,
        zone: str = "UTC",
        new_id: Callable[[], str] | None = None,
    ) -> Any:
        """Write an event's data, into what the complement holds where there is one; Rejected names the path."""

    def event_type(self, data: Any) -> str:
        """Return the type of the event (`appointment-booked`), "" where the catalogue has none for it."""


# --------------------------------------------------------------------------- channels


class Exchange(Protocol):
    """The sender's side of one message: how a verdict looks in its own protocol."""

    def reply(self, verdict: Verdict) -> bytes:
        """Render the reply before the commit. The bytes are the channel's own form: it writes them, now or when
        the same message comes again and the stored reply is replayed."""


@runtime_checkable
class Conversation(Exchange, Protocol):
    """An exchange whose sender can be given a partner's own answer (`acknowledge: delivered`)."""

    def relay(self, answer: Reply) -> bytes:
        """Render a partner's answer as the reply, in the channel's own form."""


class Announcing(Exchange, Protocol):
    """An exchange that may answer by an endpoint too (an application acknowledgement on a connection of its own)."""

    def announce(self, verdict: Verdict) -> Announcement | None:
        """Return what is delivered to an endpoint, stored in the commit of the verdict; None where nothing is."""


class Admission(Protocol):
    """A share of the in-flight byte budget, given back on exit."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Intake(Protocol):
    """What an inbound channel hands its messages to."""

    def admit(self, partner: str | None, size: int, selector: str = "") -> Admission:
        """Ask before the body is read; `size` is in bytes, declared or the limit.

        Raises:
            BudgetExceeded: memory, disk or store is short, or the engine drains: answer retryably, with Retry-After.
            Unmatched: no route listens at this selector.
        """

    async def __call__(self, message: Message, exchange: Exchange) -> Receipt:
        """Return once the message and its reply are durable: only now may the reply be written.

        A refusal of content is a Receipt too (disposition REFUSED, its reply rendered and journalled).

        Raises:
            Transient: nothing is durable; answer retryably, or close without a reply.
            CommitUnknown: nobody knows; close without a reply, the sender's copy will meet the duplicate check.
        """


class Inbound(ABC):
    """A listener of one channel type. One instance per configured listener."""

    def __init__(self, config: Any, context: ChannelContext) -> None:
        self.config = config
        self.context = context

    @abstractmethod
    async def serve(self, intake: Intake, *, task_status: TaskStatus[str]) -> None:
        """Listen and hand in messages until `stop()` or cancellation.

        Calls `task_status.started(address)` once it listens, with the bound address (`127.0.0.1:41234`, a folder,
        a queue). An exception restarts the channel alone, with backoff. One task per connection, none per message.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Accept nothing new, finish what was begun, then return; `serve` returns soon after."""


class Outbound(ABC):
    """The sending side for one endpoint; entered once, then `send` runs concurrently up to the endpoint's limit."""

    def __init__(self, config: Any, context: ChannelContext) -> None:
        self.config = config
        self.context = context

    async def __aenter__(self) -> Self:
        """Prepare pools; never fail because the partner is absent."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""

    @abstractmethod
    async def send(self, attempt: Attempt) -> Reply:
        """Deliver once and return the partner's positive answer.

        Must be bounded by `attempt.timeout` seconds, and safe to call again with the same `message_id`.

        Raises:
            Transient: absent, busy or silent; `sent=True` when something was sent and no valid reply came back.
            Permanent: this endpoint will not take it, another may.
            Rejected: the partner refuses this message for its content.
        """

    @abstractmethod
    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        """Check the way to the partner without sending a message: (stage, well, remark) for dns, tcp, tls, ..."""


class SmallState(Protocol):
    """A few durable values of one channel (last file seen, last timer run): at most 64 KiB each."""

    async def get(self, name: str) -> str | None: ...

    async def put(self, name: str, value: str) -> None:
        """Return once the value is durable."""


class Counters(Protocol):
    """Metrics that a channel may move; names and labels come from an allow-list in `engine.observe`."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def observe(self, name: str, value: float, **labels: str) -> None: ...


async def _nobody_waits(confirmation: Confirmation) -> bool:
    return False


class Images(Protocol):
    """The DICOM instances that the store holds, for reading; the newest copy of each SOP Instance UID counts."""

    async def instances(
        self,
        *,
        study: str = "",
        series: str = "",
        instances: Sequence[str] = (),
        limit: int = 10_000,
        offset: int = 0,
    ) -> Sequence[StoredInstance]:
        """Return instances of a study, of a series, or with certain UIDs, in the order in which they came.

        All that is given narrows; nothing given finds nothing. A small body is in memory: page where there are many.
        """

    async def find(
        self, level: str, match: Mapping[str, str], *, limit: int, offset: int = 0
    ) -> Sequence[Mapping[str, Any]]:
        """Return what matches at a level (`study`, `series`, `instance`) in the DICOM JSON model, newest first.

        `match` is by keyword, sequences with a dot (`RequestAttributesSequence.ScheduledProcedureStepID`); each value
        as a query writes it: wildcard, range, list of UIDs (PS3.4 C.2.2.2, PS3.18 8.3.4). Rejected where a keyword is
        none, or none that the store is searched by.
        """


class NoImages:
    """The images of an engine that holds none; implements `Images`."""

    async def instances(
        self,
        *,
        study: str = "",
        series: str = "",
        instances: Sequence[str] = (),
        limit: int = 10_000,
        offset: int = 0,
    ) -> Sequence[StoredInstance]:
        return ()

    async def find(
        self, level: str, match: Mapping[str, str], *, limit: int, offset: int = 0
    ) -> Sequence[Mapping[str, Any]]:
        return ()


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody was shown of the content that the store holds, for the journal, before it is shown.

    `action` is of the journal's vocabulary (`images-read`), `actor` says who (`partner:radiology`), `detail` what, by
    pseudonymous ids only.
    """

    action: str
    actor: str
    detail: str


async def _nobody_writes(access: Access) -> None:
    pass


def _no_listener(name: str) -> Intake:
    raise NotFound(f"there is no listener {name}")


def _nowhere(name: str) -> tuple[Any, ChannelContext]:
    raise NotFound(f"there is no endpoint {name}")


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it was delivered to a worklist.

    `document` is a CloudEvent in JSON, or its data alone and `kind` its type. `delivery` is the store's sequence.
    `house` is what the worklist's own house adds: `zone`, and `modality` and `station` of steps that say none.
    """

    document: bytes
    kind: str
    delivery: int
    message_id: str
    house: Mapping[str, str]
    keep_ms: int


@dataclass(frozen=True, slots=True)
class Narrow:
    """What narrows a search for steps: a range of days (YYYYMMDD, "" is open), and exact texts ("" asks for nothing).

    Of the texts of a tuple one has to fit. `hidden` adds steps that are not to be performed any more.
    """

    first_day: str = ""
    last_day: str = ""
    modalities: tuple[str, ...] = ()
    stations: tuple[str, ...] = ()
    patient: str = ""
    accession: str = ""
    study: str = ""
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Performed:
    """What a modality performs, as a whole, in the DICOM JSON model; `revision` counts its changes, from 0."""

    uid: str
    revision: int
    attributes: Mapping[str, Any]


class Worklists(Protocol):
    """Worklists by name: the steps that follow from what orders, appointments and modalities said."""

    async def learn(self, worklist: str, told: Told) -> bool:
        """Take in what an event says; durable on return. False where it was known, which changes nothing.

        Raises:
            Rejected: it says nothing to a worklist.
        """

    async def steps(self, worklist: str, narrow: Narrow, *, limit: int, offset: int = 0) -> Sequence[str]:
        """Return steps by day and time, each a JSON text in the DICOM JSON model; all that fit, and perhaps more."""

    async def performed(self, worklist: str, uid: str) -> Performed | None:
        """Return what is performed under a UID, None where nothing is."""

    async def announce(self, worklist: str, performed: Performed, message_id: str) -> None:
        """Keep what a modality says until the message that says so is durable; `conclude` then lets it count.

        After a crash between the two, the message is looked for at the next start.
        """

    async def conclude(self, message_id: str, *, durable: bool) -> None:
        """Let what was announced count, or forget it."""


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """What a channel gets from the engine.

    `name` is the listener's or `partner.endpoint`; `folder` is what relative paths start from; `var` is the folder
    for the engine's own files; `tls` is ready to use, or None for plaintext; `connection` is the named connection
    that the endpoint refers to, as configured; `identify` gives the partner a certificate belongs to, `certified` says
    whether a partner has certificates that prove it, so that a stranger's does not speak for it. `confirm` hands on
    what a partner says later of a message that it took (`Reply.awaiting`): True once that is durable, False where
    nothing waits for it. `images` are the DICOM instances that the store holds. `accessed` journals who was shown what
    of them, and returns once that is durable. `reach` gives the configuration of an endpoint (`partner.endpoint`) and
    its context, for a listener that asks it something; NotFound where there is none. `worklists` are the engine's.
    """

    name: str
    clock: Clock
    logger: Logger
    counters: Counters
    state: SmallState
    folder: Path
    var: Path
    new_id: Callable[[], str]
    tls: ssl.SSLContext | None = None
    connection: Any = None
    identify: Callable[[Certificate], str | None] = lambda certificate: None
    certified: Callable[[str], bool] = lambda partner: False
    confirm: Callable[[Confirmation], Awaitable[bool]] = _nobody_waits
    images: Images = field(default_factory=NoImages)
    worklists: Worklists | None = None
    accessed: Callable[[Access], Awaitable[None]] = _nobody_writes
    reach: Callable[[str], tuple[Any, ChannelContext]] = _nowhere
    intake: Callable[[str], Intake] = _no_listener
    selectors: Sequence[str] = ()
    zone: str = "UTC"
    locale: str = "fr-CA"


@dataclass(frozen=True, slots=True)
class ChannelType:
    """One channel type: a module or package under `channels` offers it as `CHANNEL`.

    `listener` and `endpoint` are pydantic models (subclasses of `ListenerConfig` and `EndpointConfig`) whose field
    named like the type holds the address; `inbound` and `outbound` go with them. `connection` is a subclass of
    `ConnectionConfig` where several endpoints may share one way out (`connections: {relay: {smtp: ...}}`). `converses`
    says that its exchanges are a `Conversation`, so that a route may answer with its destination's answer.
    """

    name: str
    listener: type[Any] | None = None
    endpoint: type[Any] | None = None
    inbound: Callable[[Any, ChannelContext], Inbound] | None = None
    outbound: Callable[[Any, ChannelContext], Outbound] | None = None
    connection: type[Any] | None = None
    converses: bool = False
