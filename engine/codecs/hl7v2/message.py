"""A message in memory: its segments as they came, cut into fields only where somebody looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from engine.codecs.hl7v2.delimiters import Delimiters
from engine.errors import MalformedMessage, Rejected
from engine.model import Fault

MAX_FIELDS: Final = 5_000
"""Fields of one segment; a segment with more is refused when it is read."""


@dataclass(slots=True, eq=False, repr=False)
class Segment:
    """One segment that was cut into fields; `fields[0]` is its name. Equal only to itself, and never printed.

    In a header segment (MSH, FHS, BHS) `fields[1]` is field 2, since field 1 is the separator.
    """

    raw: str
    fields: list[str]
    marks: Delimiters
    changed: bool = False

    @property
    def name(self) -> str:
        return self.fields[0]

    @property
    def first(self) -> Mapping[str, list[str]]:
        """A segment answers the same paths as its message, for its own name only."""
        return {self.fields[0]: self.fields}

    def find(self, name: str) -> list[str]:
        """Return no fields: this is another segment."""
        return NO_FIELDS

    def text(self) -> str:
        """Return the segment as it is written, without its end."""
        return self.marks.field.join(self.fields) if self.changed else self.raw


NO_FIELDS: Final[list[str]] = []


@dataclass(slots=True, eq=False, repr=False)
class Er7:
    """A message in ER7 notation, changeable; unchanged it is written as the bytes it came in.

    `segments` holds text, or a `Segment` once it was cut; `rest` is all that follows them, uncut until somebody looks
    there. `end` is what ends each of them, or `ends` what ends each,
    where they differ. `codec` is Python's name of the character set, "" where the bytes were ASCII; `charset` is what
    the listener declared, `header` the first segment as received. `charset_trouble` says in words what is wrong with
    what was declared, "" when nothing is.
    """

    data: bytes | None
    lead: str
    segments: list[str | Segment]
    rest: str | None
    end: str
    ends: list[str] | None
    marks: Delimiters
    codec: str
    charset: str
    header: str
    charset_trouble: str
    first: dict[str, list[str]] = field(default_factory=dict)
    opened: list[Segment] = field(default_factory=list)

    def find(self, name: str) -> list[str]:
        """Return the fields of the first segment `name`, [] when there is none; remembered in `first`."""
        if self.rest is not None:
            self._cut_rest(name)
        fields = NO_FIELDS
        for position, segment in enumerate(self.segments):
            if isinstance(segment, str):
                if segment.startswith(name) and segment[3:4] in (self.marks.field, ""):
                    fields = self.open(position).fields
                    break
            elif segment.fields[0] == name:
                fields = segment.fields
                break
        self.first[name] = fields
        return fields

    def open(self, position: int) -> Segment:
        """Return the segment at `position`, cut into fields.

        Raises:
            MalformedMessage: it has more fields than `MAX_FIELDS`.
        """
        raw = self.segments[position]
        if isinstance(raw, Segment):
            return raw
        separator = self.marks.field
        fields = raw.split(separator)
        if len(fields) > MAX_FIELDS:
            what = f"segment {position + 1} has more than {MAX_FIELDS} fields"
            raise MalformedMessage(f"{what}: field {MAX_FIELDS}", path=fields[0][:3])
        segment = Segment(raw, fields, self.marks)
        self.segments[position] = segment
        self.opened.append(segment)
        return segment

    def positions(self, name: str) -> Iterator[int]:
        """Yield where the segments `name` are, in order."""
        if self.rest is not None:
            self._cut_rest(name)
        for position, segment in enumerate(self.segments):
            if isinstance(segment, Segment):
                if segment.fields[0] == name:
                    yield position
            elif segment.startswith(name) and segment[3:4] in (self.marks.field, ""):
                yield position

    def _cut_rest(self, name: str = "") -> None:
        """Cut what was left uncut, if a segment of that name may be in it."""
        if self.rest is not None and (self.rest.startswith(name) or self.end + name in self.rest):
            self.segments += self.rest.split(self.end)
            self.rest = None

    def add(self, name: str) -> Segment:
        """Add an empty segment behind the last of its name, else behind the last segment."""
        self._cut_rest()
        last = max(self.positions(name), default=-1)
        if last < 0:
            last = max(position for position, text in enumerate(self.texts()) if text.strip())
        segment = Segment("", [name], self.marks, changed=True)
        self._insert(last + 1, segment)
        return segment

    def _insert(self, position: int, segment: Segment) -> None:
        self.segments.insert(position, segment)
        if self.ends is not None:
            self.ends.insert(
                position - (position == len(self.ends)), self.end
            )  # what ends the message stays last
        self.opened.append(segment)
        self._forget()

    def take_out(self, positions: list[int]) -> None:
        """Remove the segments at these positions; Rejected for the first, which declares the delimiters."""
        if not positions:
            return
        if positions[0] == 0:
            raise refused(self.header[:3], "the first segment cannot be removed")
        gone = set(positions)
        self._cut_rest()
        if self.ends is not None:
            last = self.ends[-1]
            self.ends = [end for at, end in enumerate(self.ends) if at not in gone]
            self.ends[-1] = last
        self.segments = [segment for at, segment in enumerate(self.segments) if at not in gone]
        self._forget()

    def _forget(self) -> None:
        self.data = None
        self.first.clear()

    @property
    def changed(self) -> bool:
        """Whether anything but the bytes that came must be written."""
        if self.data is None:
            return True
        return any(segment.changed for segment in self.opened)

    def texts(self) -> list[str]:
        """Return all segments as they are written, without their ends."""
        self._cut_rest()
        return self._cut_texts()

    def _cut_texts(self) -> list[str]:
        return [segment if isinstance(segment, str) else segment.text() for segment in self.segments]

    def text(self) -> str:
        """Return the whole message as text, as it is now."""
        texts = self._cut_texts()
        if self.rest is not None:
            texts.append(self.rest)
        if self.ends is None:
            return self.lead + self.end.join(texts)
        pairs = zip(texts, self.ends, strict=True)
        return self.lead + "".join(text + end for text, end in pairs)

    def copy(self) -> Er7:
        """Return an independent copy; what was not changed is shared, since texts never change."""
        return Er7(
            None if self.changed else self.data,
            self.lead,
            list(self._cut_texts()) if self.opened else self.segments.copy(),
            self.rest,
            self.end,
            None if self.ends is None else self.ends.copy(),
            self.marks,
            self.codec,
            self.charset,
            self.header,
            self.charset_trouble,
        )


def refused(path: str, why: str) -> Rejected:
    """Return the refusal of a change; `why` holds no value."""
    return Rejected(f"{path}: {why}", faults=(Fault(path, why, "unsettable"),), code="unsettable")
