"""`split`: one document per item of a list, each going its own way from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from engine.errors import Rejected
from engine.model import Fault
from engine.spi import CompiledPath, Document, Scope
from engine.steps.contract import PathText, StepConfig, StepType, Workshop


class SplitConfig(StepConfig):
    """Part n of a message is shown as `id-n`; all parts are stored in the message's one commit."""

    shorthand: ClassVar[str] = "of"

    of: PathText
    """Path of the list."""
    into: PathText | None = None
    """Path where each part holds its item beside everything else of the document; without it the item is the
    document."""
    at_most: int = 1000
    """Refuse longer lists: a message must not become an unbounded commit."""


@dataclass(frozen=True, slots=True)
class Split:
    """The compiled step."""

    of: CompiledPath
    into: CompiledPath | None
    at_most: int

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        items = self.of.get(document.root)
        if items in ("", None):
            return ()
        if not isinstance(items, list):
            raise self._fault("is no list")
        if len(items) > self.at_most:
            raise self._fault(f"has more than {self.at_most} items")
        return [self._part(document, index) for index in range(len(items))]

    def _part(self, document: Document, index: int) -> Document:
        part = document.copy()
        item = self.of.get(part.root)[index]
        if self.into is None:
            part.root = item
        else:
            self.of.remove(part.root)
            self.into.set(part.root, item)
        return part

    def _fault(self, text: str) -> Rejected:
        return Rejected(
            f"{self.of.text} {text}",
            faults=(Fault(self.of.text, text, "not_splittable"),),
            code="not_splittable",
        )


def _build(config: SplitConfig, workshop: Workshop) -> Split:
    into = workshop.path(config.into) if config.into else None
    return Split(workshop.path(config.of), into, config.at_most)


STEP = StepType("split", SplitConfig, _build)
