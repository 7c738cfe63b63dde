"""`keep`: go on with messages for which an expression holds, filter the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from engine.spi import Document, Scope
from engine.steps.contract import Compiled, ExpressionText, StepConfig, StepType, Workshop


class KeepConfig(StepConfig):
    """Filter: what does not hold is counted as filtered, never lost."""

    shorthand: ClassVar[str] = "that"

    that: ExpressionText
    """A bare expression; the message goes on where it is true."""


@dataclass(frozen=True, slots=True)
class Keep:
    """The compiled step."""

    that: Compiled

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        return (document,) if self.that.evaluate(scope) else ()


def _build(config: KeepConfig, workshop: Workshop) -> Keep:
    return Keep(workshop.expression(config.that))


STEP = StepType("keep", KeepConfig, _build)
