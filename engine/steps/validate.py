"""`validate`: refuse a document that does not meet a JSON Schema, or HL7's structures, naming every path at fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from engine.errors import Rejected
from engine.model import Fault
from engine.spi import Document, Scope, Step
from engine.steps.contract import SchemaCheck, SchemaName, StepConfig, StepType, Workshop

STRUCTURES: Final = "hl7v2"
"""What is written instead of a schema."""
VALIDATED: Final = "validated"
"""Key of `meta` that says by what the message was judged."""


class ValidateConfig(StepConfig):
    """Check the document as it is now."""

    shorthand: ClassVar[str] = "schema_file"

    schema_file: SchemaName
    """A JSON Schema (draft 2020-12): a file, relative to the project, or the name of an event type. `hl7v2` means the
    message structures of HL7 v2, for the message as it was received; it takes its time, so it stands in `steps` of a
    route that says `acknowledge: stored`."""

    @property
    def by_standard(self) -> bool:
        """Whether HL7's own structures are meant, not a schema."""
        return self.schema_file == STRUCTURES


@dataclass(frozen=True, slots=True)
class Validate:
    """The compiled step."""

    schema: SchemaCheck

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        found = self.schema.faults(document.root)
        if found:
            faults = tuple(Fault(path, text, "schema") for path, text in found)
            raise Rejected(f"{faults[0].path}: {faults[0].text}", faults=faults, code="schema")
        return (document,)


@dataclass(frozen=True, slots=True)
class Validated:
    """The compiled step for HL7: the router has judged the message before, aside, since that takes its time."""

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        if scope.meta.get(VALIDATED) != STRUCTURES:
            text = "cannot be validated while its sender waits: say `acknowledge: stored`"
            raise Rejected(text, faults=(Fault("", text, "not_validated"),), code="not_validated")
        return (document,)


def _build(config: ValidateConfig, workshop: Workshop) -> Step:
    if config.by_standard:
        return Validated()
    return Validate(workshop.schema(config.schema_file))


def judged_by_standard(steps: Iterable[Mapping[str, object]]) -> bool:
    """Say whether one of these steps judges a message by HL7's own structures."""
    return any(
        isinstance(config, ValidateConfig) and config.by_standard
        for step in steps
        for config in step.values()
    )


STEP = StepType("validate", ValidateConfig, _build)
