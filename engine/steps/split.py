"""`split`: one document per item of a list, per message of a batch or per group of segments, each on its own way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from pydantic import model_validator

from engine.errors import ExpressionError, Rejected
from engine.model import Fault
from engine.spi import CompiledPath, Document, Scope, Step
from engine.steps.contract import PathText, StepConfig, StepType, Workshop

if TYPE_CHECKING:
    from engine.codecs.hl7v2 import Hl7Document


class SplitConfig(StepConfig):
    """Part n of a message is shown as `id-n`; all parts are stored in the message's one commit. Say one of `of`,
    `batch` and `group`."""

    shorthand: ClassVar[str] = "of"

    of: PathText | None = None
    """Path of the list."""
    into: PathText | None = None
    """With `of`: path where each part holds its item beside everything else of the document; without it the item is
    the document."""
    batch: bool = False
    """HL7: each message of a batch file (FHS, BHS, MSH..., BTS, FTS); a wrong count refuses the whole file."""
    group: str | None = None
    """HL7: one message per segment of this name (`OBR`) with what belongs to it, the segments above repeated."""
    at_most: int = 1000
    """Refuse longer lists: a message must not become an unbounded commit."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.of is not None) + self.batch + (self.group is not None) != 1:
            raise ValueError("say one of `of`, `batch: true` and `group`")
        if self.into is not None and self.of is None:
            raise ValueError("`into` goes with `of`")
        return self


@dataclass(frozen=True, slots=True)
class Split:
    """The compiled step, for the items of a list."""

    of: CompiledPath
    into: CompiledPath | None
    at_most: int

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        items = self.of.get(document.root)
        if items in ("", None):
            return ()
        if not isinstance(items, list):
            raise _refused(self.of.text, "is no list")
        if len(items) > self.at_most:
            raise _refused(self.of.text, f"has more than {self.at_most} items")
        return self._parts(document)

    def _parts(self, document: Document) -> list[Document]:
        """Return the parts; the whole is copied once, so that a long list costs what it is long."""
        rest = document.copy()
        items = self.of.get(rest.root)
        if self.into is None:
            rest.root = None
            return [_with_root(rest.copy(), item) for item in items]
        self.of.remove(rest.root)
        parts = [rest.copy() for _ in items]
        for part, item in zip(parts, items, strict=True):
            self.into.set(part.root, item)
        return parts


def _with_root(document: Document, root: Any) -> Document:
    document.root = root
    return document


@dataclass(frozen=True, slots=True)
class SplitMessages:
    """The compiled step, for HL7: `cut` gives the messages that one becomes; `name` is what a refusal calls them."""

    cut: Callable[[Document], Sequence[Document]]
    name: str
    at_most: int

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        parts = self.cut(document)
        if len(parts) > self.at_most:
            raise _refused(self.name, f"is there more than {self.at_most} times")
        return parts


def _refused(name: str, text: str) -> Rejected:
    return Rejected(f"{name} {text}", faults=(Fault(name, text, "not_splittable"),), code="not_splittable")


def _build(config: SplitConfig, workshop: Workshop) -> Step:
    if config.of is not None:
        into = workshop.path(config.into) if config.into else None
        return Split(workshop.path(config.of), into, config.at_most)
    if workshop.codec.name != "hl7v2":
        what = "batch" if config.batch else "group"
        raise ExpressionError(f"only HL7 messages are split by `{what}`", help="write `split: PATH`")
    if config.group is None:
        return SplitMessages(_messages, "MSH", config.at_most)
    workshop.path(config.group)  # a name that is none is told here, not at the first message
    return SplitMessages(_groups(config.group), config.group, config.at_most)


def _groups(name: str) -> Callable[[Document], Sequence[Document]]:
    from engine.codecs.hl7v2.grouping import groups  # most routes carry no HL7

    return lambda document: groups(cast("Hl7Document", document), name)


def _messages(document: Document) -> Sequence[Document]:
    from engine.codecs.hl7v2 import Hl7Document, batch, reading, writing  # as above

    whole = document.root
    members = batch.split(writing.write(whole))
    return [Hl7Document(reading.parse(member, whole.charset), document.envelope) for member in members]


STEP = StepType("split", SplitConfig, _build)
