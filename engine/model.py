"""The nouns of Passerelle: frozen values that every room shares, on the standard library only.

A `Message` is what arrived. A `Delivery` is the duty to bring one part of one message to one destination; its
`Attempt`s are the tries, each at one endpoint. `Receipt` is the engine's promise to the sender; `Reply` is the
partner's evidence. Times are UTC milliseconds since the epoch; order comes from sequences, never from a clock.
"""

from __future__ import annotations

import enum
import errno
import hashlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

INLINE_LIMIT = 128 * 1024
"""Bytes: a body above this size lives in a file, below it in the row."""

CHUNK = 256 * 1024
"""Bytes: as much of a file as is in memory at once where content is read piece by piece."""

NOTHING: Mapping[str, str] = MappingProxyType({})


class State(enum.IntEnum):
    """State of a delivery; every value from `DELIVERED` on is terminal (predicates read `state < 10`).

    Only `PENDING` and `RETRYING` may be sent. `IN_FLIGHT` lives in memory and in the flight file, never in a row.
    """

    PENDING = 0
    RETRYING = 1
    IN_FLIGHT = 2
    AWAITING = 3
    HELD = 4
    PARKED = 5
    DELIVERED = 10
    DELIVERED_BY_FALLBACK = 11
    FILTERED = 12
    SUPERSEDED = 13
    RECALLED = 14
    EXPIRED = 15
    DEAD = 16

    @property
    def word(self) -> str:
        """The word used in store, API, console, metrics, journal and documentation."""
        return self.name.lower()

    @property
    def terminal(self) -> bool:
        return self >= State.DELIVERED


class Disposition(enum.IntEnum):
    """What became of a message at the door."""

    ACCEPTED = 0
    FILTERED = 1
    REFUSED = 2
    DUPLICATE = 3
    COLLISION = 4

    @property
    def word(self) -> str:
        return self.name.lower()


class Result(enum.IntEnum):
    """What one attempt came to; `UNKNOWN` means that something was sent and no valid reply came back (G3)."""

    DELIVERED = 0
    TRANSIENT = 1
    UNKNOWN = 2
    PERMANENT = 3
    REJECTED = 4
    BUG = 5

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Extent:
    """A stretch of a file that never changes: `size` bytes from `offset` on."""

    path: Path
    offset: int
    size: int

    def chunks(self) -> Generator[bytes]:
        """Yield the bytes, at most `CHUNK` at a time; blocks on the disk, OSError where the file has become shorter."""
        left = self.size
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            while left > 0:
                chunk = file.read(min(left, CHUNK))
                if not chunk:
                    raise OSError(errno.EIO, "a file has become shorter")
                left -= len(chunk)
                yield chunk


@dataclass(frozen=True, slots=True)
class Body:
    """A handle on content: inline below `INLINE_LIMIT`, else a file that is already synced to disk.

    `sha256` is the digest (32 bytes) of the content and `size` its length in bytes. `content_type` is filled where
    the store gives a rendering back, for the attempt that carries it. `pieces` are what a large body is to be put
    together from, before the store has written it to a file: its digest is b"" until then.
    """

    size: int
    sha256: bytes
    data: bytes | None = None
    path: Path | None = None
    content_type: str = ""
    pieces: tuple[bytes | Extent, ...] = ()

    @classmethod
    def of(cls, data: bytes, content_type: str = "") -> Body:
        """Wrap bytes in memory, whatever their size; the store moves large ones to a file."""
        return cls(len(data), hashlib.sha256(data).digest(), data, None, content_type)

    def read(self) -> bytes:
        """Return the whole content; blocks on the disk when the body is a file."""
        if self.data is not None:
            return self.data
        if self.pieces:
            return b"".join(self.chunks())
        if self.path is None:
            raise ValueError("a body has neither bytes nor a path")
        return self.path.read_bytes()

    def chunks(self) -> Generator[bytes]:
        """Yield the whole content; what is in files, at most `CHUNK` at a time, as `Extent.chunks` does."""
        if self.data is not None:
            yield self.data
        elif self.path is not None:
            yield from Extent(self.path, 0, self.size).chunks()
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from piece.chunks()


@dataclass(frozen=True, slots=True)
class Certificate:
    """Identity that a peer proved by TLS: issuer, SAN entries such as `dns:host` or `uri:urn:x`, SHA-256 in hex.

    The common name is no identity (RFC 6125 6.4.4) and is not kept.
    """

    issuer: str
    names: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection, as far as the channel knows it; `address` is `host:port` or a path."""

    address: str
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Gathering:
    """Asks for one message about all instances of a study or a series (`by`), once none has come for `quiet_ms`."""

    by: str
    quiet_ms: int


@dataclass(frozen=True, slots=True)
class Instance:
    """What a DICOM instance says of itself: what it is found by as long as the store holds it.

    `attributes` are the attributes of its study, its series and itself that people search for, in the DICOM JSON model
    (PS3.18 F.2). `sought` are kinds and texts by which its study is looked up, as `engine.codecs.dicom.searching` makes
    them. Source: DICOM PS3.3 A.1.2 (information entities).
    """

    study: str
    series: str
    instance: str
    sop_class: str
    modality: str
    attributes: Mapping[str, object]
    gathering: Gathering | None = None
    sought: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Gathered:
    """Says that a message is about a gathering of the store, as it was at `revision`: the commit ends it.

    `study` is the Study Instance UID, by which the message is found.
    """

    gathering: int
    revision: int
    study: str = ""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """A DICOM instance that the store holds; `body` is a Part 10 file, `attributes` are in the DICOM JSON model."""

    message_id: str
    listener: str
    partner: str
    study: str
    series: str
    instance: str
    sop_class: str
    transfer_syntax: str
    received_ms: int
    body: Body
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """What a channel received, before anything was decided about it.

    `selector` is the channel's own door within a listener (`POST /v1/appointments`), "" where it has none.
    `control_id` is the sender's id as text ("" when unknown): CloudEvents `source` + space + `id`, MSH-10,
    AMQP message_id. `headers` is bounded and allow-listed by the channel, keys in lower case. `faults` are what the
    channel itself holds against the message: the intake refuses it, journals that, and keeps the bytes. `instance` is
    what a DICOM instance says of itself, `gathered` what a message about several of them completes.
    """

    id: str
    listener: str
    body: Body
    codec: str
    received_ms: int
    selector: str = ""
    partner: str | None = None
    control_id: str = ""
    peer: Peer | None = None
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    meta: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    replay_of: str | None = None
    faults: tuple[Fault, ...] = ()
    instance: Instance | None = None
    gathered: Gathered | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a message: `path` in the document's own notation, `text` free of payload."""

    path: str
    text: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the engine decided, from which an exchange renders the reply bytes before the commit.

    `code` is what the route says that its protocol should answer where its content is at fault (`on_reject: {reply:
    AE}`), "" for the protocol's own choice. An ACCEPTED message with `faults` is one of which a part became a dead
    letter: the sender is answered well all the same.
    """

    disposition: Disposition
    message_id: str
    faults: tuple[Fault, ...] = ()
    retry_after: float | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The engine's promise to the sender: `reply` are the bytes that its exchange rendered, committed or replayed."""

    disposition: Disposition
    message_id: str
    reply: bytes


@dataclass(frozen=True, slots=True)
class Announcement:
    """An answer to a sender that goes to an endpoint (`partner.endpoint`) instead of back on its connection."""

    endpoint: str
    body: Body


@dataclass(frozen=True, slots=True)
class Reply:
    """The partner's evidence: `code` in its own protocol (`202`, `AA`, `250`), bounded body, seconds taken aside.

    `awaiting` says that the partner took the message but confirms later (HTTP 202 where the endpoint says so);
    `reference` is what it may say then instead of the message's id (a SOP Instance UID).
    """

    code: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    awaiting: bool = False
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A partner's later word on what it took before: an application acknowledgement, a commitment of storage.

    `reference` is the id under which the message travelled (MSA-2), or that of the reply by which it was taken;
    `endpoint` where it was sent (`partner.endpoint`), "" where only the partner is known because it came on its own
    connection. `reply` is the evidence; `refusal` is None where the partner confirmed, else what the same answer would
    have raised from `Outbound.send`.
    """

    reference: str
    reply: Reply
    partner: str | None = None
    endpoint: str = ""
    refusal: Exception | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one delivery at one endpoint, as an outbound channel sees it.

    `message_id` is the id that travels (webhook-id, MSH-10, message_id): the same on every attempt and on the
    fallback. `number` counts from 1 over the whole delivery. `timeout` is in seconds, for this attempt as a whole.
    `kind` is what the message means (`appointment-booked`), "" when unknown. `priority` is what the route says of it
    (`low`, `medium`, `high`), "" when nothing.
    """

    delivery: int
    message_id: str
    number: int
    endpoint: str
    body: Body
    content_type: str
    timeout: float
    kind: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    priority: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """One place in a delivery's frozen chain: an endpoint (`partner.endpoint`) and the role of the body it gets."""

    endpoint: str
    rendering: str = "rendered"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of duty, as the dispatcher takes it from the store.

    `sequence` is the store's integer and gives the order within a lane. `revision` grows with every change and is
    what compare-and-set compares; `generation` grows when a dead letter is released. `hop` indexes `chain`;
    `fallback` says that the chain's first endpoint is not the route's first choice. `unknown` counts the unknown
    outcomes so far, `attempts` the attempts of this generation, `hop_attempts` those at this hop, `hop_ms` when
    this hop's budget began (0: not yet).
    `version` and `recalls` serve supersede and recall; `kind` is the rendering's event type.
    `body` is filled where the store still has it at hand; otherwise ask the archive for `rendering` of `part`.
    `trace` are the message's headers that travel on (`trace_of`); None where there are some, but not at hand. `also`
    are the further lanes in which it stands, beside `lane`: it is sent when it is the first of all of them.
    """

    sequence: int
    message: int
    message_id: str
    route: str
    route_version: str
    destination: str
    lane: bytes
    chain: tuple[Hop, ...]
    hop: int
    state: State
    due_ms: int
    accepted_ms: int
    revision: int = 0
    generation: int = 0
    attempts: int = 0
    hop_attempts: int = 0
    hop_ms: int = 0
    unknown: int = 0
    deadline_ms: int | None = None
    expire_ms: int | None = None
    version: int | None = None
    supersedes: bool = False
    recalls: bool = False
    fallback: bool = False
    kind: str = ""
    reason: str = ""
    body: Body | None = None
    part: int = 0
    trace: Mapping[str, str] | None = field(default_factory=lambda: NOTHING)
    also: tuple[bytes, ...] = ()

    @property
    def endpoint(self) -> str:
        """The endpoint that the current hop names, `partner.endpoint`."""
        return self.chain[self.hop].endpoint


TRACING = ("traceparent", "tracestate", "correlation-id")
"""Headers that go on to the partner: W3C Trace Context 3 (Recommendation, 2021), and the sender's own thread."""


def trace_of(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return those of a message's headers that travel on with it."""
    found = {name: headers[name] for name in TRACING if name in headers} if headers else None
    return found or NOTHING
