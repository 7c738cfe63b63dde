"""A message to bytes: those that came in where nothing was changed, else its text in its character set."""

from __future__ import annotations

from typing import Literal

from engine.codecs.hl7v2.charsets import codecs_of, has, transliterated
from engine.codecs.hl7v2.delimiters import HEADERS
from engine.codecs.hl7v2.message import Er7
from engine.codecs.hl7v2.reading import charset_field, parse
from engine.errors import Rejected
from engine.model import Fault

Unmappable = Literal["error", "transliterate"]


def write(message: Er7, unmappable: Unmappable = "error") -> bytes:
    """Return the bytes; `unmappable` says what becomes of new characters that the character set lacks.

    A message whose MSH-18 was changed is written in the new set. Pure ASCII under an empty MSH-18 stays ASCII, as
    the standard has it, unless the listener declared a set.

    Raises:
        Rejected: a character cannot be written (`transliterate` replaces what has a plainer form), or MSH-18 was set
            to a name that is not known; the fault names the field.
    """
    if not message.changed and message.data is not None:
        return message.data
    text = message.text()
    if text.isascii():
        return text.encode("ascii")
    codec = _codec(message)
    if unmappable == "transliterate" and not has(codec, text):
        text = transliterated(text, codec, message.marks.write)
    try:
        return text.encode(codec)
    except UnicodeEncodeError as error:
        path = _path_at(message, error.start) if unmappable == "error" else ""
        what = f"a character does not exist in the message's character set ({codec})"
        at = f"{path}: " if path else ""
        raise Rejected(f"{at}{what}", faults=(Fault(path, what, "unwritable"),), code="unwritable") from None


def recode(data: bytes, charset: str, *, told: str = "", unmappable: Unmappable = "error") -> bytes:
    """Return a message in another character set, MSH-18 saying so; `charset` is a name of table 0211.

    `told` is the set that its listener declares. A message whose MSH-18 names `charset` already, but lies, is written
    in it, too.

    Raises:
        MalformedMessage: the bytes are no message.
        Rejected: the set is not known, or lacks a character.
    """
    message = parse(data, told)
    fields = message.find("MSH")
    if not fields:
        raise Rejected("MSH: a batch has no character set of its own", code="unwritable")
    fields.extend([""] * (18 - len(fields)))
    fields[17] = charset
    message.opened[0].changed = True
    message.codec = next(iter(codecs_of(charset)), message.codec)
    return write(message, unmappable)


def is_recoded(message: Er7) -> bool:
    """Say whether MSH-18 was changed, so that what was declared of the bytes that came does not hold any more."""
    return message.changed and charset_field(message.header) != charset_field(message.texts()[0])


def _codec(message: Er7) -> str:
    """Return the codec to write in: that of a changed MSH-18, the one the bytes were read in, or what is declared."""
    declared, repetition = charset_field(message.header)
    now, _ = charset_field(message.texts()[0])
    if now != declared:
        name = now.split(repetition)[0] if repetition else now
        codecs = codecs_of(name) if name else ("ascii",)
        if not codecs:
            text = "this character set is not known"
            raise Rejected(
                f"MSH-18: {text}", faults=(Fault("MSH-18", text, "unwritable"),), code="unwritable"
            )
        return codecs[0]
    if message.codec:
        return message.codec
    names = [message.charset, *(declared.split(repetition) if repetition else [declared])]
    return next((codec for name in names if name for codec in codecs_of(name)[:1]), "ascii")


def _path_at(message: Er7, offset: int) -> str:
    """Return the path of the field at an offset in the message's text."""
    end = len(message.lead)
    counts: dict[str, int] = {}
    for position, text in enumerate(message.texts()):
        start = end
        end += len(text) + len(message.end if message.ends is None else message.ends[position])
        name = text[:3]
        counts[name] = counts.get(name, 0) + 1
        if offset < end:
            field = text[: offset - start].count(message.marks.field) + (name in HEADERS)
            return f"{name}[{counts[name]}]-{field}" if counts[name] > 1 else f"{name}-{field}"
    return ""
