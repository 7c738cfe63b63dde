"""Which messages a route takes, and whether an event is what its type promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.errors import Rejected
from engine.model import Fault
from engine.spi import Document
from engine.steps.contract import SchemaCheck


@dataclass(frozen=True, slots=True)
class Accept:
    """The compiled `accept:` of a route; without `kinds` it takes everything.

    `kinds` are event types, in the order of the file; `schemas` holds the compiled schema of each that has one.
    """

    kinds: tuple[str, ...] = ()
    schemas: Mapping[str, SchemaCheck] = field(default_factory=dict)

    def takes(self, document: Document) -> bool:
        """Say whether the message is for this route; its content may still be at fault."""
        return not self.kinds or kind_of(document) in self.kinds

    def check(self, document: Document) -> None:
        """Check an event's data against the schema of its type.

        Raises:
            Rejected: each fault names its path in the data.
        """
        schema = self.schemas.get(kind_of(document))
        found = schema.faults(document.root) if schema else ()
        if found:
            faults = tuple(Fault(path, text, "schema") for path, text in found)
            raise Rejected(f"{faults[0].path}: {faults[0].text}", faults=faults, code="schema")


def kind_of(document: Document) -> str:
    """Return what a message means: the type of a CloudEvent, "" for anything else."""
    return str(document.envelope.get("type", "")) if document.envelope else ""


def unmatched(accepts: Iterable[Accept]) -> Rejected:
    """Return the refusal of a message that no route of its door takes, naming the path that decided."""
    known = sorted({kind for accept in accepts for kind in accept.kinds})
    text = "this door takes " + (", ".join(known) if known else "no such messages")
    return Rejected(f"type: {text}", faults=(Fault("type", text, "unmatched"),), code="unmatched")
