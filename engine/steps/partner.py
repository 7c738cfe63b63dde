"""`partner`: choose the partner that bears the identifiers found in the message, by an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from engine.errors import Rejected
from engine.model import Fault
from engine.spi import Document, Scope
from engine.steps.contract import Compiled, ExpressionText, PartnerIndex, StepConfig, StepType, Workshop


class PartnerConfig(StepConfig):
    """Look the partner up in the directory; it is `partner` in what follows."""

    where: dict[str, ExpressionText] = Field(min_length=1)
    """Identifier name -> expression that gives its value; all must agree."""
    none: Literal["reject", "filter"] = "reject"
    """What an unknown partner means: `reject` refuses the message naming the path, `filter` filters it."""


@dataclass(frozen=True, slots=True)
class ChoosePartner:
    """The compiled step."""

    directory: PartnerIndex
    where: tuple[tuple[str, Compiled, str], ...]
    rejects: bool

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        wanted = {name: str(value.evaluate(scope) or "") for name, value, _ in self.where}
        found = self.directory.find(**wanted) if all(wanted.values()) else None
        if found is None:
            return self._unknown()
        scope.partner = found
        return (document,)

    def _unknown(self) -> Sequence[Document]:
        if not self.rejects:
            return ()
        faults = tuple(
            Fault(path, f"no partner has this {name}", "unknown_partner") for name, _, path in self.where
        )
        raise Rejected("no partner has these identifiers", faults=faults, code="unknown_partner")


def _build(config: PartnerConfig, workshop: Workshop) -> ChoosePartner:
    where = tuple(
        (name, workshop.expression(text), text.removeprefix("msg.")) for name, text in config.where.items()
    )
    return ChoosePartner(workshop.directory, where, config.none == "reject")


STEP = StepType("partner", PartnerConfig, _build)
