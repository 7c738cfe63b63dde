"""`map`: replace the document by what a mapper makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from engine.spi import Document, Mapper, Scope
from engine.steps.contract import MapperName, StepConfig, StepType, Workshop


class MapConfig(StepConfig):
    """Apply a mapper of the project's `mappings/` folder, else of the shipped ones."""

    shorthand: ClassVar[str] = "mapper"

    mapper: MapperName
    """The mapper's name, as its file says."""


@dataclass(frozen=True, slots=True)
class Map:
    """The compiled step."""

    mapper: Mapper

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        return (self.mapper.apply(document, scope),)


def _build(config: MapConfig, workshop: Workshop) -> Map:
    return Map(workshop.mapper(config.mapper))


STEP = StepType("map", MapConfig, _build)
