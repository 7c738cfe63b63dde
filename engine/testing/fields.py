"""Compares HL7 v2 messages leaf by leaf, so that a golden test says which field differs and how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from engine.codecs.hl7v2.delimiters import HEADERS, Delimiters
from engine.codecs.hl7v2.reading import parse
from engine.errors import MalformedMessage


def is_hl7(content: bytes) -> bool:
    """Say whether the bytes begin as a message does."""
    return content.lstrip()[:3] == b"MSH"


def is_instance(content: bytes) -> bool:
    """Say whether the bytes are a DICOM instance in a file (PS3.10 7.1)."""
    return content[128:132] == b"DICM"


def field_differences(golden: bytes, sent: bytes, ignored: Sequence[str]) -> list[str]:
    """Return what differs as `PV1-3.1: expected 4EST, found 5EST`; none where the bytes are the same.

    `ignored` are paths whose fields, and what is below them, may differ; `OBX-14` is that of every OBX.
    """
    if golden == sent:
        return []
    try:
        one, other = dict(_leaves(golden)), dict(_leaves(sent))
    except MalformedMessage as error:
        return [f"cannot be compared by field: {error}"]
    found = [
        f"{path}: expected {_told(one.get(path))}, found {_told(other.get(path))}"
        for path in [*one, *(path for path in other if path not in one)]
        if one.get(path) != other.get(path) and not _is_ignored(path, ignored)
    ]
    if found or ignored:
        return found
    return ["the fields say the same, but segment ends, escapes or character set are written otherwise"]


def _leaves(content: bytes) -> Iterator[tuple[str, str]]:
    """Give every leaf that holds something, with its path; delimiters as MSH-1 and MSH-2 say."""
    message = parse(content)
    seen: Counter[str] = Counter()
    for text in message.texts():
        name = text[:3]
        if not name.strip():
            continue
        seen[name] += 1
        segment = name if seen[name] == 1 else f"{name}[{seen[name]}]"
        fields = text.split(message.marks.field)
        shift = 1 if name in HEADERS else 0
        yield segment, name
        for number, field in enumerate(fields[1:], 1 + shift):
            if number == 2 and shift:
                yield f"{segment}-2", field
            elif field:
                yield from _parts(f"{segment}-{number}", field, message.marks)


def _parts(path: str, field: str, marks: Delimiters) -> Iterator[tuple[str, str]]:
    for index, repetition in enumerate(field.split(marks.repetition), 1):
        place = path if index == 1 else f"{path}[{index}]"
        components = repetition.split(marks.component)
        for number, component in enumerate(components, 1):
            below = f"{place}.{number}" if len(components) > 1 else place
            leaves = component.split(marks.subcomponent)
            for part, leaf in enumerate(leaves, 1):
                yield f"{below}.{part}" if len(leaves) > 1 else below, leaf


def _is_ignored(path: str, ignored: Sequence[str]) -> bool:
    segment, _, rest = path.partition("-")
    every = f"{segment.partition('[')[0]}-{rest}"
    return any(
        each == text or each.startswith((f"{text}.", f"{text}["))
        for text in ignored
        for each in (path, every)
    )


def _told(leaf: str | None) -> str:
    return "nothing" if leaf is None else f'"{leaf}"'
