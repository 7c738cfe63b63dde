"""`validate`: refuse a document that does not meet a JSON Schema, naming every path at fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from engine.errors import Rejected
from engine.model import Fault
from engine.spi import Document, Scope
from engine.steps.contract import SchemaCheck, SchemaName, StepConfig, StepType, Workshop


class ValidateConfig(StepConfig):
    """Check the document as it is now."""

    shorthand: ClassVar[str] = "schema_file"

    schema_file: SchemaName
    """A JSON Schema (draft 2020-12): a file, relative to the project, or the name of an event type."""


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


def _build(config: ValidateConfig, workshop: Workshop) -> Validate:
    return Validate(workshop.schema(config.schema_file))


STEP = StepType("validate", ValidateConfig, _build)
