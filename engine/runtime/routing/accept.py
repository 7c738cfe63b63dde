"""Which messages a route takes, and whether an event is what its type promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache

from engine.codecs import codec
from engine.config.formats import HL7
from engine.config.message_types import Types
from engine.errors import Rejected
from engine.model import Fault
from engine.spi import Document, Getter
from engine.steps.contract import SchemaCheck

_LONGEST = 7
"""Characters of `ADT^A01`; what is no type of message is not kept as one."""


@dataclass(frozen=True, slots=True)
class Accept:
    """The compiled `accept:` of a route; without `kinds` it takes everything.

    `kinds` are event types, or HL7 types as they are written, in the order of the file; `types` are the latter for
    one look-up; `schemas` holds the compiled schema of each event that has one.
    """

    kinds: tuple[str, ...] = ()
    schemas: Mapping[str, SchemaCheck] = field(default_factory=dict)
    types: Types | None = None

    def takes(self, document: Document) -> bool:
        """Say whether the message is for this route; its content may still be at fault."""
        if self.types is None:
            return not self.kinds or kind_of(document) in self.kinds
        return self.types.take(*type_of(document))

    def check(self, document: Document) -> None:
        """Check an event's data against the schema of its type.

        Raises:
            Rejected: each fault names its path in the data.
        """
        schema = self.schemas.get(kind_of(document)) if self.schemas else None
        found = schema.faults(document.root) if schema else ()
        if found:
            faults = tuple(Fault(path, text, "schema") for path, text in found)
            raise Rejected(f"{faults[0].path}: {faults[0].text}", faults=faults, code="schema")


def kind_of(document: Document) -> str:
    """Return what a message means: the type of a CloudEvent, `ADT^A01` for HL7 v2, "" for anything else."""
    if document.envelope:
        return str(document.envelope.get("type", ""))
    return type_of(document)[0] if document.codec == HL7 else ""


def type_of(document: Document) -> tuple[str, str]:
    """Return an HL7 message's kind (`ADT^A01`, `ADT` where it names no event) and its structure; "" for neither.

    Before version 2.3 the event stands in EVN-1, beside a MSH-9 that is a type and nothing else.
    Source: HL7 v2.5.1 2.15.9.9; v2.1 II.5.1, EVN-1.
    """
    root = document.root
    written = _getter("MSH-9")(root)
    if not written:
        return "", ""
    kind, structure = _read_type(str(written), root.marks.component)
    if len(kind) == 3 and (event := _getter("EVN-1")(root)):
        return _read_type(f"{kind}{root.marks.component}{event}", root.marks.component)
    return kind, structure


@cache
def _getter(path: str) -> Getter:
    return codec(HL7).path(path).get


@lru_cache(maxsize=1024)
def _read_type(written: str, mark: str) -> tuple[str, str]:
    """Read MSH-9, whose components `mark` divides."""
    parts = [part.strip() for part in written.split(mark)]
    kind = "^".join(parts[:2]).rstrip("^")
    plain = kind.isascii() and kind.replace("^", "").isalnum() and len(kind) <= _LONGEST
    return (kind, parts[2] if len(parts) > 2 else "") if plain else ("", "")


def unmatched(accepts: Iterable[Accept], document: Document) -> Rejected:
    """Return the refusal of a message that no route of its door takes, naming the path that decided."""
    known = sorted({kind for accept in accepts for kind in accept.kinds})
    text = "this door takes " + (", ".join(known) if known else "no such messages")
    path = "type"
    if document.codec == HL7:
        own = type_of(document)[0][:3]
        path = "MSH-9.2" if own and any(kind[:3] == own for kind in known) else "MSH-9.1"
    return Rejected(f"{path}: {text}", faults=(Fault(path, text, "unmatched"),), code="unmatched")
