"""`set`: write values at paths of the document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from engine.spi import Document, Scope
from engine.steps.assigning import Assignment, assignments
from engine.steps.contract import PathText, StepConfig, StepType, TemplateText, Workshop


class SetConfig(StepConfig):
    """Path -> template; all templates see the document as it was before this step."""

    shorthand: ClassVar[str] = "values"

    values: dict[PathText, TemplateText] = Field(min_length=1)
    """Path -> text with `{expression}` parts; a text that is one `{expression}` keeps the value's type."""


@dataclass(frozen=True, slots=True)
class Set:
    """The compiled step."""

    values: tuple[Assignment, ...]

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        fresh = [(path, evaluate(scope)) for path, evaluate in self.values]
        for path, value in fresh:
            path.set(document.root, value)
        return (document,)


def _build(config: SetConfig, workshop: Workshop) -> Set:
    return Set(assignments(config.values, workshop, workshop))


STEP = StepType("set", SetConfig, _build)
