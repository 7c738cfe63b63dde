"""Paths into messages: `PID-3.1`, `PID-3[2].4.2`, `PID-3[.5 == "JHN"].1`, `OBX[3]-5`, `OBX[OBX-2 == "ED"]-5.5`.

What a path gives is all of what it names, so that setting it elsewhere loses nothing:
- `PID-3` the whole field with its repetitions, `PID-3[1]` its first repetition, `PID-3.1` component 1 of the first
  repetition, `PID-3.4` that component with its subcomponents, `PID-3.4.1` one subcomponent.
- Undivided text comes with its escapes decoded; what has parts comes as it stands (`^`, `&`, `~`: a Composite).
- Without an index the first segment of a name, the first repetition once a component is named.
- Absent or empty is "", HL7's null (`""`) is None. What is not divided is its own first part: `PV1-2.1` reads a plain
  `I` and the `I` of `I^Inpatient`.
- `OBX` gives the list of all segments OBX ("" when there is none), `OBX[2]` one, `[*]` always a list, of what is there.
  A segment answers paths of its own name: `it.OBX-3.1`. A repetition answers `it.1`, `it.4.2`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from engine.codecs.hl7v2.getting import Chooser, getter, segment_chooser
from engine.codecs.hl7v2.grammar import Place, compile_place, extent
from engine.codecs.hl7v2.setting import remove_at, set_at
from engine.spi import Getter


@dataclass(frozen=True, slots=True)
class Hl7Path:
    """A compiled path; `get` is a plain function, since it is what expressions call most."""

    text: str
    place: Place
    get: Getter = field(compare=False)
    choose: Chooser = field(compare=False)

    def set(self, root: Any, value: Any) -> None:
        """Write `value`, making segment, fields, components and one more repetition or segment where they lack.

        A text is one value, its delimiters are escaped; what a path gave with parts keeps them, in this message's
        delimiters; None writes HL7's null. Writing what is there already changes no byte.

        Raises:
            Rejected: no such segment or repetition, the delimiters themselves, parts that do not fit, or a value
                that is no text, number or null.
        """
        set_at(root, self.place, self.choose, value, self.text)

    def remove(self, root: Any) -> None:
        """Take segments or repetitions out; empty a field or a part of one, its delimiters stay.

        Raises:
            Rejected: it is the first segment, or its delimiters.
        """
        remove_at(root, self.place, self.choose, self.text)

    def __str__(self) -> str:
        place = self.place
        parts: Sequence[object] = (
            place.segment,
            place.which or "",
            f"-{place.field}" if place.field else "",
            place.repetition or "",
            f".{place.component}" if place.component else "",
            f".{place.subcomponent}" if place.subcomponent else "",
        )
        return "".join(map(str, parts))


@lru_cache(maxsize=4096)
def compile_path(text: str) -> Hl7Path:
    """Compile a path; ExpressionError with the offset of what is wrong."""
    place = compile_place(text)
    return Hl7Path(text, place, getter(place), segment_chooser(place.segment, place.which))


def path_extent(text: str, start: int) -> int:
    """Return where the path that begins at `start` ends; ExpressionError where a bracket never closes."""
    return extent(text, start)
