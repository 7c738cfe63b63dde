"""`prefix`: put a text before values, so that identifiers of several houses do not meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from engine.errors import Rejected
from engine.model import Fault
from engine.spi import CompiledPath, Document, Scope
from engine.steps.contract import PathText, Rendered, StepConfig, StepType, TemplateText, Workshop


class PrefixConfig(StepConfig):
    """Path -> text to put before what stands there, before each of several values. What is empty stays empty, and what
    begins so already is left alone."""

    shorthand: ClassVar[str] = "values"

    values: dict[PathText, TemplateText] = Field(min_length=1)
    """Where, and which text: `AccessionNumber: HSJ-`."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """The compiled step."""

    values: tuple[tuple[CompiledPath, Rendered], ...]

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        texts = [(path, text.render(scope)) for path, text in self.values]
        for path, text in texts:
            known = path.get(document.root)
            if known not in ("", None, []):
                path.set(document.root, _prefixed(known, text, path.text))
        return (document,)


def _prefixed(known: Any, text: str, path: str) -> Any:
    if isinstance(known, list):
        return [_prefixed(each, text, path) for each in known]
    if not isinstance(known, str | int) or isinstance(known, bool):
        told = "only texts and whole numbers take a prefix"
        raise Rejected(f"{path}: {told}", faults=(Fault(path, told, "unsettable"),), code="unsettable")
    written = str(known)
    return written if written.startswith(text) else text + written


def _build(config: PrefixConfig, workshop: Workshop) -> Prefix:
    return Prefix(
        tuple((workshop.path(path), workshop.template(text)) for path, text in config.values.items())
    )


STEP = StepType("prefix", PrefixConfig, _build)
