"""What happens to a document on its way: the scope of expressions, steps, and mappers of one and of two ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.spi.documents import Document


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
    complement, an empty mapping where there was one and is no more, None where there is none. Where only another mapper
    kept one it is that one's `mapper` and `version`.
    """

    name: str
    value: str
    mapper: str
    side: str


@dataclass(frozen=True, slots=True)
class Carried:
    """What a two-way mapper did with one document, beside the document that it made.

    `complement` is what the event could not carry of the `source` side, None where the route keeps none. `loss` is
    JSON that holds paths and reasons and never a value, as it is kept; it is made when it is asked for.
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

    def as_stored(self) -> Mapping[str, Any]:
        """The same in few bytes, as the runtime keeps it: made of every message before it is answered."""


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
