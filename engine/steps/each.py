"""`each`: do the same to every item of a list: all segments of a name, all objects of an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, model_validator

from engine.errors import Rejected
from engine.model import Fault
from engine.spi import CompiledPath, Document, Scope
from engine.steps.assigning import Assignment, assignments
from engine.steps.contract import (
    Compiled,
    ExpressionText,
    ItemExpressionText,
    ItemTemplateText,
    PathText,
    StepConfig,
    StepType,
    Workshop,
)


class EachConfig(StepConfig):
    """In its texts `it` is the item; paths are the item's own: `OBX-3.4` of a segment OBX, `code` of an object."""

    of: ExpressionText
    """A bare expression that gives the items: `msg.OBX`, `msg.lines`. None at all is no error."""
    when: ItemExpressionText | None = None
    """Only items for which this holds: `it.OBX-2 == "ST"`."""
    set: dict[PathText, ItemTemplateText] = Field(default_factory=dict)
    """Path -> template; all templates see the item as it was before this step."""
    remove: list[PathText] = Field(default_factory=list)
    """Paths to take out of each item, after `set`."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.set and not self.remove:
            raise ValueError("each does nothing: say what to `set` or `remove`")
        return self


@dataclass(frozen=True, slots=True)
class Each:
    """The compiled step; `name` is what a refusal calls the list."""

    of: Compiled
    when: Compiled | None
    set: tuple[Assignment, ...]
    remove: tuple[CompiledPath, ...]
    name: str

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        before = scope.it
        try:
            for item in self._items(self.of.evaluate(scope)):
                scope.it = item
                if self.when is None or self.when.evaluate(scope):
                    self._change(item, scope)
        finally:
            scope.it = before
        return (document,)

    def _items(self, found: Any) -> Sequence[Any]:
        if found in ("", None):
            return ()
        if isinstance(found, str | int):
            text = "has items that are plain values: set them by their paths"
            raise Rejected(
                f"{self.name} {text}", faults=(Fault(self.name, text, "unsettable"),), code="unsettable"
            )
        return found if isinstance(found, list) else (found,)

    def _change(self, item: Any, scope: Scope) -> None:
        fresh = [(path, evaluate(scope)) for path, evaluate in self.set]
        for path, value in fresh:
            path.set(item, value)
        for path in self.remove:
            path.remove(item)


def _build(config: EachConfig, workshop: Workshop) -> Each:
    inside = workshop.within()
    return Each(
        of=workshop.expression(config.of),
        when=None if config.when is None else inside.expression(config.when),
        set=assignments(config.set, inside, workshop),
        remove=tuple(workshop.path(path) for path in config.remove),
        name=config.of.removeprefix("msg."),
    )


STEP = StepType("each", EachConfig, _build)
