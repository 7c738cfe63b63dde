"""Reads a partner's acknowledgement: what it says of which message, and what it says is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from engine.codecs.hl7v2.header import Header, header
from engine.codecs.hl7v2.message import Er7
from engine.codecs.hl7v2.paths import compile_path
from engine.codecs.hl7v2.reading import parse
from engine.errors import MalformedMessage


@dataclass(frozen=True, slots=True)
class AckError:
    """One thing that the partner names: `location` as `PID-5.1`, `code` of table 0357, `severity` E, F, I or W.

    `text` is the partner's own wording and may hold anything: evidence, never for a log.
    """

    location: str
    code: str
    severity: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Ack:
    """MSA and ERR of an answer; `code` is MSA-1, `control_id` MSA-2 raw, `sequence` MSA-4, `version` its MSH-12."""

    code: str
    control_id: str
    text: str
    sequence: str
    version: str
    errors: tuple[AckError, ...]
    header: Header


_TEXT = compile_path("MSA-3").get
_ERRORS = compile_path("ERR[*]").get


def read_ack(data: bytes, charset: str = "") -> Ack:
    """Read an answer, whatever message it is, by its MSA.

    Raises:
        MalformedMessage: it is no message, or has no MSA.
    """
    first = header(data, charset)
    message = parse(data, charset)
    fields = [*message.find("MSA"), "", "", "", "", ""]
    if fields[0] != "MSA":
        raise MalformedMessage("the answer has no MSA", path="MSA")
    return Ack(
        fields[1].strip(),
        fields[2],
        str(_TEXT(message) or ""),
        fields[4],
        first.version,
        tuple(_errors(message)),
        first,
    )


_OLD = compile_path("ERR-1[*]").get
_PLACES = compile_path("ERR-2[*]").get
_CODE = compile_path("ERR-3.1").get
_SEVERITY = compile_path("ERR-4.1").get
_TEXTS = tuple(compile_path(path).get for path in ("ERR-8", "ERR-7", "ERR-3.2"))
_PARTS = tuple(compile_path(f".{number}").get for number in range(1, 7))
_OLD_CODE = compile_path(".4.1").get
_OLD_TEXT = compile_path(".4.2").get


def _errors(message: Er7) -> list[AckError]:
    """Read ERR in both its forms; a segment may use the two at once (v2.5.1 2.15.5: ERR-1 for compatibility)."""
    found: list[AckError] = []
    for segment in _ERRORS(message):
        code = str(_CODE(segment) or "")
        if code:
            text = next((str(said) for get in _TEXTS if (said := get(segment))), "")
            places = [_place([get(one) for get in _PARTS]) for one in _PLACES(segment)] or [""]
            severity = str(_SEVERITY(segment) or "")
            found += [AckError(place, code, severity, text) for place in places]
            continue
        for one in _OLD(segment):
            parts = [get(one) for get in _PARTS[:3]]
            old = str(_OLD_CODE(one) or "")
            found.append(AckError(_place(parts), old, "E" if old else "", str(_OLD_TEXT(one) or "")))
    return found


def _place(parts: list[str | None]) -> str:
    """Return segment, sequence, field, repetition, component, subcomponent as a path."""
    segment, sequence, field, repetition, component, subcomponent = (
        *(str(part or "") for part in parts),
        *[""] * (6 - len(parts)),
    )
    path = segment + (f"[{sequence}]" if sequence not in ("", "1") else "")
    if not field:
        return path
    path += f"-{field}" + (f"[{repetition}]" if repetition not in ("", "1") else "")
    return path + (f".{component}" if component else "") + (f".{subcomponent}" if subcomponent else "")
