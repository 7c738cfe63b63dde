"""What a step did to a document: its text before and after, and the leaves in which they differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from engine.codecs import codec
from engine.spi import Document

HL7: Final = "hl7v2"
DICOM: Final = "dicom"
_JSON: Final = frozenset({"json", "fhir"})


@dataclass(frozen=True, slots=True)
class Change:
    """One leaf that differs, in the document's own notation; None on the side that lacks it."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Picture:
    """A document at one moment, as bytes, so that steps may go on and change it."""

    codec: str
    data: bytes
    event: bool = False

    @classmethod
    def of(cls, document: Document) -> Picture:
        """Write a document down; Rejected where its codec cannot."""
        data = codec(document.codec).encode(document)
        return cls(document.codec, data, document.envelope is not None)

    def lines(self) -> list[str]:
        """Return it as people read it: JSON indented, one segment of HL7 a line."""
        if self.codec in _JSON:
            return indented(self.data.decode())
        if self.codec == HL7:
            from engine.codecs.hl7v2.reading import parse

            return [line for line in re.split(r"[\r\n]+", parse(self.data).text()) if line]
        if self.codec == DICOM:
            return [f"{path} {value}" for path, value in _of_instance(self).items()]
        return self.data.decode("utf-8", "replace").splitlines()


def changes(before: Picture, after: Picture) -> list[Change]:
    """Return the leaves that differ between two pictures of one format, in the order of the document."""
    if before == after:
        return []
    if before.codec in _JSON and after.codec == before.codec:
        return list(_of_leaves(_flat(before), _flat(after)))
    if before.codec == HL7 and after.codec == HL7:
        return _of_messages(before.data, after.data)
    if before.codec == DICOM and after.codec == DICOM:
        return list(_of_leaves(_of_instance(before), _of_instance(after)))
    return list(_of_lines(before.lines(), after.lines()))


def indented(text: str) -> list[str]:
    """Return the lines of a JSON text, two blanks a level; numbers stay as they are spelled."""
    return list(_written(_read(text), ""))


class _Number(str):
    """A number as it is spelled."""

    __slots__ = ()


def _read(text: str) -> Any:
    return json.loads(text, parse_float=_Number, parse_int=_Number)


def _scalar(value: Any) -> str:
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)


def _written(value: Any, margin: str) -> Iterator[str]:
    """Yield the lines of a value; the first has no margin, since it follows its key."""
    if not isinstance(value, dict | list) or not value:
        yield _scalar(value)
        return
    pairs = value.items() if isinstance(value, dict) else ((None, each) for each in value)
    inner = margin + "  "
    yield "{" if isinstance(value, dict) else "["
    for number, (key, each) in enumerate(pairs, start=1):
        lines = list(_written(each, inner))
        lines[0] = inner + ("" if key is None else f"{_scalar(key)}: ") + lines[0]
        lines[-1] += "," if number < len(value) else ""
        yield from lines
    yield margin + ("}" if isinstance(value, dict) else "]")


def _flat(picture: Picture) -> dict[str, str]:
    """Return the leaves by the paths that routes read them by: those of an event's data, and `meta.event`."""
    value = _read(picture.data.decode())
    if not picture.event:
        return dict(_leaves(value))
    data = value.pop("data", None)
    return dict(_leaves(data)) | dict(_leaves(value, "meta.event"))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the text of every value that holds no other."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for index, each in enumerate(value):
            yield from _leaves(each, f"{path}[{index}]")
    else:
        yield path, _scalar(value)


def _of_leaves(before: dict[str, str], after: dict[str, str]) -> Iterator[Change]:
    for path in [*before, *(path for path in after if path not in before)]:
        if before.get(path) != after.get(path):
            yield Change(path, before.get(path), after.get(path))


def _of_instance(picture: Picture) -> dict[str, str]:
    from engine.codecs.dicom.dumping import texts
    from engine.codecs.dicom.instances import open_instance
    from engine.codecs.dicom.source import Source

    return texts(open_instance(Source(picture.data)))


def _of_messages(before: bytes, after: bytes) -> list[Change]:
    from engine.cli.hl7.diff import differences
    from engine.cli.hl7.files import Stored

    found = differences(Stored("", 1, 1, before), Stored("", 1, 1, after))
    return [
        Change(
            each.path,
            None if each.left is None else each.left.shown(clear=True),
            None if each.right is None else each.right.shown(clear=True),
        )
        for each in found
    ]


def _of_lines(before: list[str], after: list[str]) -> Iterator[Change]:
    for kind, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind != "equal":
            old, new = before[a:b], after[c:d]
            yield Change(f"line {a + 1}", "\n".join(old) if old else None, "\n".join(new) if new else None)
