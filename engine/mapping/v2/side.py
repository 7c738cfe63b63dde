"""The v2 side of a mapper: a message to event data and complement, and back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from engine.errors import Rejected
from engine.mapping.leaves import Marks
from engine.mapping.rules import Definition
from engine.mapping.v2.cells import wire_of
from engine.mapping.v2.emitting import V2Program
from engine.mapping.v2.reading import Reading, TakingPlans
from engine.mapping.v2.shapes import HOLE, scanned
from engine.mapping.v2.structure import flattened, walk
from engine.mapping.v2.writing import GivingPlans, written
from engine.model import Fault

Complement = dict[str, Any]
_CONTROL: Final = bytes([*range(9), *range(11, 13), *range(14, 32)])
_CONTROL_AND_FEED: Final = _CONTROL + b"\n"
_HOLES: Final = "\x1f\x1e\x1d\x1c\u0091\ue000\ue001\ue002"
NONE: Final = "\r"


class V2Parts(Protocol):
    """A message taken apart by its codec: see `engine.codecs.hl7v2.rebuilding.Parts`."""

    @property
    def lead(self) -> str: ...
    @property
    def texts(self) -> list[str]: ...
    @property
    def end(self) -> str: ...
    @property
    def ends(self) -> list[str] | None: ...
    @property
    def marks(self) -> Any: ...
    @property
    def codec(self) -> str: ...
    @property
    def charset(self) -> str: ...
    @property
    def declared(self) -> str: ...


class V2Codec(Protocol):
    """What the v2 side needs of the codec, handed in by whoever wires."""

    def take_apart(self, root: Any) -> V2Parts: ...

    def parts_of(self, text: str, lead: str, codec: str, charset: str, declared: str) -> V2Parts: ...

    def put_together(self, parts: Any) -> Any: ...


class V2Side:
    """Compiled once; pure and thread-safe."""

    def __init__(self, definition: Definition, codec: V2Codec) -> None:
        self._name = definition.name
        self._version = definition.version
        self._create = definition.create
        self._codec = codec
        self.program = V2Program(definition.name, definition.scope, definition.order)
        self._taking = TakingPlans(definition.name, self.program)
        self._giving = GivingPlans(definition.name, self.program)

    def get(self, root: Any) -> tuple[dict[str, Any], Complement]:
        """Return data and complement of a message; one whose delimiters are letters or digits is all complement."""
        data, complement, _ = self.read(self._codec.take_apart(root))
        return data, complement

    def read(self, parts: V2Parts) -> tuple[dict[str, Any], Complement, Callable[[], str | None]]:
        """Return data and complement of a message, and what gives its outline, as `Reading.outline` does."""
        data: dict[str, Any] = {}
        texts, hole, outline = parts.texts, free_hole("".join(parts.texts)), _unknown
        if parts.marks.regular:
            reading = self._reading(parts, hole)
            reading.read(data)
            texts, outline = reading.rest, reading.outline
        text = parts.end.join(texts) if parts.ends is None else "".join(map(str.__add__, texts, parts.ends))
        complement: Complement = {
            "mapper": self._name, "version": self._version, "side": "v2", "codec": parts.codec,
            "charset": parts.charset, "declared": parts.declared, "hole": hole, "lead": parts.lead,
            "rest": parts.lead + text,
        }  # fmt: skip
        return data, complement, outline

    def forced(self, parts: V2Parts) -> tuple[list[str], str]:
        """Return the segments with a hole for all that the event has, and the hole."""
        texts, hole = parts.texts, free_hole("".join(parts.texts))
        if not parts.marks.regular:
            return texts, hole
        wire = wire_of(parts.marks, hole, simple=False, force=True)
        reading = Reading(self.program, self._taking, texts, None, wire)
        reading.read({})
        return reading.rest, hole

    def _reading(self, parts: V2Parts, hole: str) -> Reading:
        texts, marks = parts.texts, parts.marks
        scan = scanned(texts) if hole == HOLE else None
        simple = is_simple("".join(texts), marks, parts.end) if scan is None else not scan.odd
        return Reading(self.program, self._taking, texts, scan, wire_of(marks, hole, simple=simple))

    def put(
        self, data: dict[str, Any], complement: Complement | None, fresh: Callable[[], str] | None
    ) -> Any:
        """Return the message of event data: made in the complement's, or new.

        Raises:
            BadValue: a value is outside of its rule's type.
        """
        if complement is None:
            parts = self._codec.parts_of(self._create, "", "utf-8", "", "")
            hole = "\0"
        else:
            said = complement
            parts = self._codec.parts_of(
                said["rest"], said["lead"], said["codec"], said["charset"], said["declared"]
            )
            hole = said["hole"]
        if not parts.marks.regular:
            return self._codec.put_together(parts)
        wire = wire_of(parts.marks, hole, simple=False)
        wire.fresh, wire.made = fresh, complement is None
        texts, ends = parts.texts, parts.ends
        if complement is not None and hole == HOLE:
            planned = written(texts, self.program.root, self._giving, data, wire)
            if planned is not None:
                return self._codec.put_together(replaced(parts, planned, ends))
        blank = len(texts)
        while blank and not texts[blank - 1]:
            blank -= 1
        top, before = walk(texts[:blank], self.program.root, parts.marks.field)
        self.program.give(top, data, wire)
        after = flattened(top, [])
        join = parts.marks.field.join
        made = [join(fields) for fields in after]
        if NONE in (wire.component, wire.repetition, wire.subcomponent) and any(NONE in one for one in made):
            what = "the event needs parts for which this message declares no delimiter"
            raise Rejected(f"MSH-2: {what}", faults=(Fault("MSH-2", what, "unwritable"),), code="unwritable")
        if ends is not None:
            ends = _ends(before, after, ends, parts.end, len(texts) - blank)
        return self._codec.put_together(replaced(parts, made + texts[blank:], ends))


def _unknown() -> str | None:
    """Tell no outline: of a message of which nothing is read."""
    return None


def replaced(parts: V2Parts, texts: list[str], ends: list[str] | None = None) -> Any:
    """Return the parts of a message with other segments."""
    return type(parts)(
        parts.lead, texts, parts.end, ends, parts.marks, parts.codec, parts.charset, parts.declared
    )  # type: ignore[call-arg]  # the codec's own class


def is_simple(text: str, marks: Marks, end: str) -> bool:
    """Say whether every leaf stands for itself: no escape but the one declared, no null, no control character."""
    if '""' in text or (marks.escape != NONE and text.count(marks.escape) > 1):
        return False
    if marks.truncation != NONE and text.count(marks.truncation) > 1:
        return False
    data = text.encode("utf-8", "surrogatepass")
    return len(data.translate(None, _CONTROL_AND_FEED if end == "\r" else _CONTROL)) == len(data)


def free_hole(text: str) -> str:
    """Return a character that does not occur in a message."""
    for hole in _HOLES:
        if hole not in text:
            return hole
    return next(
        hole
        for hole in map(chr, itertools.chain(range(0xE010, 0xF8FF), range(0xF0000, 0x10FFFE)))
        if hole not in text
    )


def _ends(
    before: Sequence[list[str]], after: Sequence[list[str]], ends: Sequence[str], end: str, blank: int
) -> list[str]:
    """Return the end of each segment: its own, `end` for a new one; what ended the message still does."""
    known = {id(fields): one for fields, one in zip(before, ends, strict=False)}
    made = [known.get(id(fields), end) or end for fields in after]
    tail = list(ends[len(before) :]) if blank else []
    if not tail:
        made[-1] = ends[len(before) - 1]
    return made + tail
