"""`remove`: take paths out of the document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from engine.spi import CompiledPath, Document, Scope
from engine.steps.contract import PathText, StepConfig, StepType, Workshop


class RemoveConfig(StepConfig):
    """What is not there is no error."""

    shorthand: ClassVar[str] = "paths"

    paths: list[PathText] = Field(min_length=1)
    """Paths of leaves, lists or whole branches."""


@dataclass(frozen=True, slots=True)
class Remove:
    """The compiled step."""

    paths: tuple[CompiledPath, ...]

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        for path in self.paths:
            path.remove(document.root)
        return (document,)


def _build(config: RemoveConfig, workshop: Workshop) -> Remove:
    return Remove(tuple(workshop.path(text) for text in config.paths))


STEP = StepType("remove", RemoveConfig, _build)
