"""What one route writes for one message: the content of its deliveries, each rendered once however many share it.

Roles: `rendered` is the document after the route's steps, `rendered:2` that of the second destination's own steps,
`rendered:2.1` that of its first fallback's. `rendered:as:KIND` is the same content under another event type, for a
newer version that takes the place of an undelivered older one. Where several routes take one message, the later ones
write `rendered@ROUTE...`. `raw` are the bytes as they came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.codecs import codec, written
from engine.config.formats import HL7
from engine.errors import Rejected
from engine.model import Body, Hop, Message, State
from engine.runtime.routing.complements import complement_of, loss_of
from engine.runtime.routing.flow import Flowed
from engine.spi import Carried, Document
from engine.store.protocol import NewDelivery, Rendering

RAW = "raw"
RENDERED = "rendered"
ROUTING = "route"
"""Kind of a delivery that stands for a message still to be routed."""

POISON = "poison"
"""Reason of a delivery whose body made the process die while it was routed."""

UNMADE = ":unmade"
"""Ends the role of content that was refused while it was made: there is none, so a dead letter of it is not released.
The message is reprocessed instead, once what refused it is mended."""

UNREADABLE = "unreadable"
"""Reason of a dead letter that keeps bytes which no codec could read; their sender was refused."""

_EVENT_TYPE = "application/cloudevents+json"


def routing_endpoint(route: str) -> str:
    """Return the name under which a route's own deliveries wait: no partner bears it, since it holds a colon."""
    return f"{ROUTING}:{route}"


class Parts:
    """Numbers the parts of one message over all its routes, and gives each that leaves on its own an id of its own.

    Part 0 is the message itself, under its own id.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._ids = [""]
        self._mapped: list[Carried] = []
        self._left: set[tuple[str, int]] = set()

    def numbers(self, first: int, count: int) -> list[int]:
        """Number the documents that one became: the first keeps its number, the others get fresh ones."""
        if count < 2:
            return [first] * count
        known = len(self._ids)
        self._ids.extend(self._new_id() for _ in range(count - 1))
        return [first, *range(known, len(self._ids))]

    def id(self, part: int) -> str:
        """Return the id under which a part travels, "" for the message's own."""
        return self._ids[part]

    def mapped(self, carried: Carried, part: int) -> list[Rendering]:
        """Return what is kept of a mapping, nothing where that was done: parts share what was mapped before them.

        Where routes map one message by one mapper, what the first of them left is kept.
        """
        if any(known is carried for known in self._mapped):
            return []
        self._mapped.append(carried)
        found = [loss_of(carried, len(self._mapped), part)]
        complement = complement_of(carried, part)
        if complement is not None and (complement.role, part) not in self._left:
            self._left.add((complement.role, part))
            found.append(complement)
        return found


@dataclass(slots=True)
class Paper:
    """Collects the renderings of one message in one route.

    `phi_of` gives what an endpoint may carry, None for one that does not exist. `rerun` runs the route's steps again
    with the event type replaced. `kind` is the message's own event type. `raw` says that the route began with the
    message as it came. `also` are the further ordering keys of every delivery, `keys` name the events that were made.
    `postponed` writes what only a message with older ones in its lane needs. `refusals` say why a form for subscribers
    could not be made.
    """

    route: str
    route_version: str
    message: Message
    kind: str
    now_ms: int
    base: str
    phi_of: Callable[[str], str | None]
    rerun: Callable[[str], list[Flowed]]
    parts: Parts
    raw: bool = True
    also: tuple[str, ...] = ()
    renderings: dict[tuple[str, int], Rendering] = field(default_factory=dict)
    keys: dict[tuple[str, str], None] = field(default_factory=dict)
    postponed: list[Callable[[], None]] = field(default_factory=list)
    refusals: list[Rejected] = field(default_factory=list)
    _reruns: dict[str, list[Flowed]] = field(default_factory=dict)

    @property
    def raw_goes_on(self) -> bool:
        """Whether the bytes may go on as they came: a binary-mode CloudEvent has its attributes in headers."""
        return self.raw and "ce-specversion" not in self.message.headers

    def as_kind(self, kind: str) -> list[Flowed]:
        """Return the route's documents under another event type; none where its steps refuse that."""
        found = self._reruns.get(kind)
        if found is None:
            try:
                found = self.rerun(kind)
            except Rejected:
                found = []  # it then goes out under its own type
            self._reruns[kind] = found
        return found

    def holds(self, role: str, part: int, kind: str) -> bool:
        """Say whether that content is written already, for another endpoint of the same role."""
        return (f"{self.base}{role}:as:{kind}", part) in self.renderings

    def write(
        self, role: str, document: Document, part: int, *, mapped: bool, made: bool = False, kind: str = ""
    ) -> str:
        """Render a document once and return the role under which it is stored; `made` as in `own`.

        Raises:
            Rejected: the document cannot be written in its codec.
        """
        name = f"{self.base}{role}:as:{kind}" if kind else self.base + role
        if (name, part) not in self.renderings:
            content_type = self.content_type(document, mapped=mapped)
            document = self.own(document, part) if made else document
            body = written(document, content_type)
            self.renderings[name, part] = Rendering(name, body, content_type, part)
        return name

    def keep(self, carried: Sequence[Carried], part: int) -> None:
        """Keep what two-way mappers could not put into a document, and what became of each leaf."""
        for each in carried:
            for made in self.parts.mapped(each, part):
                self.renderings[made.role, made.part] = made
            if each.complement is not None:
                self.keys["event", self.parts.id(part) or self.message.id] = None

    def own(self, document: Document, part: int) -> Document:
        """Return what a split or a mapper made, under the id that it travels under: an HL7 message bears it as MSH-10.

        An event of ours bears it as its id. What is only forwarded, changed or not, keeps its sender's.
        Source: HL7 v2.5.1 2.15.9.10.
        """
        if document.envelope is not None and part and document.envelope.get("id") == self.message.id:
            renamed = document.copy()
            renamed.envelope = {**document.envelope, "id": self.parts.id(part)}
            return renamed
        if document.codec != HL7:
            return document
        named = document.copy()
        codec(HL7).path("MSH-10").set(named.root, self.parts.id(part) or self.message.id)
        return named

    def content_type(self, document: Document, *, mapped: bool) -> str:
        """Return the media type of a document as it is written."""
        if document.envelope is not None and document.codec == "json":
            return _EVENT_TYPE
        received = self.message.content_type
        same = not mapped and document.codec == self.message.codec and bool(received)
        if same and not (document.codec == HL7 and "charset=" in received and _is_recoded(document)):
            return received
        return codec(document.codec).content_type

    def enclose(self, role: str, body: Body, part: int) -> str:
        """Keep content that is no document once and return the role under which it is stored."""
        name = self.base + role
        if (name, part) not in self.renderings:
            self.renderings[name, part] = Rendering(name, body, body.content_type, part)
        return name

    def alternates(self) -> list[Rendering]:
        """Write what was postponed and return it."""
        known = set(self.renderings)
        for write in self.postponed:
            write()
        return [rendering for name, rendering in self.renderings.items() if name not in known]

    def filtered(self, destination: str, part: int, reason: str) -> NewDelivery:
        """Return the row of a part that goes nowhere, so that every part is accounted for (G2)."""
        return NewDelivery(
            route=self.route,
            route_version=self.route_version,
            destination=destination,
            chain=(Hop(routing_endpoint(self.route), RAW),),
            lane="",
            due_ms=self.now_ms,
            state=State.FILTERED,
            reason=reason,
            kind=self.kind,
            part=part,
            message_id=self.parts.id(part),
        )


def _is_recoded(document: Document) -> bool:
    from engine.codecs.hl7v2.writing import is_recoded  # most routes carry no HL7

    return is_recoded(document.root)
