"""`copy`: write values of the document to other places of it, as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from engine.spi import CompiledPath, Document, Scope
from engine.steps.contract import PathText, StepConfig, StepType, Workshop


class CopyConfig(StepConfig):
    """Path -> path that it is copied from; all are read before the first is written. What is not there leaves the place
    as it is."""

    shorthand: ClassVar[str] = "values"

    values: dict[PathText, PathText] = Field(min_length=1)
    """Where to, and where from: `PatientComments: StudyDescription`."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The compiled step."""

    pairs: tuple[tuple[CompiledPath, CompiledPath], ...]

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        found = [(target, source.get(document.root)) for target, source in self.pairs]
        for target, value in found:
            if value not in ("", []):
                target.set(document.root, value)
        return (document,)


def _build(config: CopyConfig, workshop: Workshop) -> Copy:
    return Copy(
        tuple((workshop.path(target), workshop.path(source)) for target, source in config.values.items())
    )


STEP = StepType("copy", CopyConfig, _build)
