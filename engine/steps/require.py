"""`require`: refuse a message for which an expression does not hold, naming the path at fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import Rejected
from engine.model import Fault
from engine.spi import Document, Scope
from engine.steps.contract import Compiled, ExpressionText, PathText, StepConfig, StepType, Workshop


class RequireConfig(StepConfig):
    """Coherence that JSON Schema cannot say, such as an end before its start."""

    that: ExpressionText
    """A bare expression that must be true."""
    at: PathText
    """The path that the refusal names."""
    message: str
    """What is wrong, in words for the sender; never with values of the message."""


@dataclass(frozen=True, slots=True)
class Require:
    """The compiled step."""

    that: Compiled
    fault: Fault

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        if not self.that.evaluate(scope):
            raise Rejected(f"{self.fault.path}: {self.fault.text}", faults=(self.fault,), code="incoherent")
        return (document,)


def _build(config: RequireConfig, workshop: Workshop) -> Require:
    workshop.path(config.at)
    return Require(workshop.expression(config.that), Fault(config.at, config.message, "incoherent"))


STEP = StepType("require", RequireConfig, _build)
