"""Texts in the character sets that an instance declares, code extensions included; read for sight, written strictly.

Source: DICOM PS3.3 C.12.1.1.2 (Specific Character Set); PS3.5 6.1.2 (code extensions, where they end).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from pydicom.charset import CODES_TO_ENCODINGS, ENCODINGS_TO_CODES, python_encoding

TEXTUAL: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Value representations that Specific Character Set governs (PS3.5 6.1.2.2)."""
UNICODE: Final = "ISO_IR 192"
_DEFAULT: Final = "ascii"
_SWITCH: Final = re.compile(rb"\x1b(?:\$[()]?[A-Z]|[()\-.][A-Z])")
_KEEPING: Final = frozenset({"iso2022_jp", "iso2022_jp_2"})
"""Codecs of Python's that read the escape sequence themselves."""
_BREAKS: Final = {"PN": rb"([\\^=\r\n\t\f])"}
_PLAIN_BREAKS: Final = rb"([\\\r\n\t\f])"
_ALONE: Final = frozenset({"ISO_IR 192", "GB18030", "GBK"})


@lru_cache(maxsize=256)
def terms_of(value: bytes) -> tuple[str, ...]:
    """Return the terms of a Specific Character Set, as they stand; the first is "" where extensions begin in ASCII."""
    return tuple(term.strip() for term in value.decode("latin-1").rstrip("\0 ").split("\\"))


def unknown_term(terms: tuple[str, ...]) -> str:
    """Return the first term that no table has, "" where all are known."""
    return next((term for term in terms if term not in python_encoding), "")


def decoded(value: bytes, terms: tuple[str, ...], vr: str) -> str:
    """Return a text for rules and eyes: what its character set does not know becomes U+FFFD."""
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    return _decoded(value, terms, vr, "replace")


def exactly(value: bytes, terms: tuple[str, ...], vr: str) -> str:
    """Return a text of which nothing is lost; UnicodeError where its character set does not know a byte of it."""
    return _decoded(value, terms, vr, "strict")


def encoded(text: str, terms: tuple[str, ...], vr: str) -> bytes:
    """Return a text in these character sets; UnicodeError where none has a character of it."""
    if text.isascii():
        return text.encode("ascii")
    if len(terms) == 1 or terms[0] in _ALONE:
        return text.encode(_codec(terms[0]))
    pieces = re.split(_BREAKS.get(vr, _PLAIN_BREAKS).decode(), text)
    return b"".join(_switched(piece, terms) for piece in pieces)


def _codec(term: str) -> str:
    return _DEFAULT if term in ("", "ISO_IR 6", "ISO 2022 IR 6") else python_encoding.get(term, _DEFAULT)


def _decoded(value: bytes, terms: tuple[str, ...], vr: str, errors: str) -> str:
    first = _codec(terms[0])
    if terms[0] in _ALONE or b"\x1b" not in value:
        if first == _DEFAULT and errors == "replace":
            first = "latin-1"  # what declares nothing and is not ASCII: most often this
        return value.decode(first, errors)
    found = [part.decode(codec, errors) for codec, part in _fragments(value, first, vr)]
    return "".join(found)


def _fragments(value: bytes, first: str, vr: str) -> Iterator[tuple[str, bytes]]:
    """Yield what stands between escape sequences, each with the codec that the one before it chose.

    A delimiter ends what was chosen; within a set of two bytes a character may hold one, and it does not end there.
    """
    breaks = re.compile(_BREAKS.get(vr, _PLAIN_BREAKS))
    codec, start, escape = first, 0, b""
    for switch in [*_SWITCH.finditer(value), None]:
        part = value[start : switch.start() if switch is not None else len(value)]
        delimiter = None if escape else breaks.search(part)
        if delimiter is None:
            yield codec, escape + part
        else:
            yield codec, part[: delimiter.start()]
            yield first, part[delimiter.start() :]
        if switch is not None:
            codec = CODES_TO_ENCODINGS.get(switch[0], _DEFAULT)
            codec = _DEFAULT if codec == "iso8859" else codec
            escape = switch[0] if codec in _KEEPING else b""
            start = switch.end()


def _switched(piece: str, terms: tuple[str, ...]) -> bytes:
    """Return a piece in the first set that has all of it, behind the escape sequence of that set."""
    for index, term in enumerate(terms):
        codec = _codec(term)
        try:
            made = piece.encode(codec)
        except UnicodeError:
            continue
        if index == 0 or (made.isascii() and b"\x1b" not in made):
            return made
        if codec in _KEEPING:
            return made
        return ENCODINGS_TO_CODES.get(codec, b"") + made
    raise UnicodeEncodeError("dicom", piece, 0, len(piece), "no declared character set has it")
