"""Character sets: which one a message is in, found so that the bytes that go out are those that came in.

The order: what the listener declares, MSH-18, UTF-8, windows-1252. A character set is used only if it reads the bytes
and gives the same bytes back; else the next is tried, and at last ISO 8859-1, which reads anything.
Source: HL7 table 0211 (v2.8.2 2C); v2.5.1 2.15.9.18.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

LAST: Final = "latin-1"
BOM: Final = b"\xef\xbb\xbf"
_C1: Final = re.compile(rb"[\x80-\x9f]")
_UTF16_STARTS: Final = (
    b"\xff\xfe",
    b"\xfe\xff",
    b"M\0S\0",
    b"\0M\0S",
    b"F\0H\0",
    b"B\0H\0",
    b"\0\0\0M",
    b"\0\0\xfe\xff",
)
_TABLE: Final[dict[str, tuple[str, ...]]] = {
    "ASCII": ("ascii",),
    "UNICODE": ("utf-8",),
    "UNICODEUTF8": ("utf-8",),
    "UTF8": ("utf-8",),
    "ISOIR6": ("ascii",),
    "ISOIR14": ("shift_jis", "cp932"),
    "ISOIR87": ("iso2022_jp", "iso2022_jp_2", "iso2022_jp_ext"),
    "ISOIR159": ("iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_ext"),
    "GB180302000": ("gb18030",),
    "GB18030": ("gb18030",),
    "KSX1001": ("euc_kr", "cp949"),
    "BIG5": ("big5", "cp950", "big5hkscs"),
    "WINDOWS1252": ("cp1252",),
    "CP1252": ("cp1252",),
    "WINDOWS1250": ("cp1250",),
    "WINDOWS1251": ("cp1251",),
    "CP850": ("cp850",),
    "IBM850": ("cp850",),
    "MACINTOSH": ("mac_roman",),
    "USASCII": ("ascii",),
    "SHIFTJIS": ("shift_jis", "cp932"),
    "ISO2022JP": ("iso2022_jp", "iso2022_jp_2", "iso2022_jp_ext"),
    "EUCKR": ("euc_kr", "cp949"),
}
_LATIN = re.compile(r"(?:ISO)?8859(\d{1,2})")
_REPLACED: Final = {
    "œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ß": "ss", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th",
    "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "‘": "'", "’": "'", "‚": "'", "“": "'", "”": "'", "„": "'", "«": "'",
    "»": "'",
    "‹": "'", "›": "'", "–": "-", "—": "-", "‐": "-", "‑": "-", "…": "...", "€": "EUR", "£": "GBP", "°": "deg",
    "µ": "u", "×": "x", "•": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "±": "+/-", "≤": "<=", "≥": ">=",
}  # fmt: skip


@lru_cache(maxsize=256)
def codecs_of(name: str) -> tuple[str, ...]:
    """Return Python's codecs for a name of table 0211 or IANA, best first; () for one that is not known here."""
    plain = re.sub(r"[^A-Z0-9]", "", name.upper())
    if plain in _TABLE:
        return _TABLE[plain]
    latin = _LATIN.fullmatch(plain)
    if latin and int(latin[1]) in {*range(1, 12), *range(13, 17)}:
        return (f"iso8859-{int(latin[1])}",)
    return ()


def is_utf16(data: bytes) -> bool:
    """Say whether the bytes are UTF-16 or UTF-32, which no ER7 reader can split (v2.5.1 2.15.9.18 forbids UCS-2)."""
    return data.startswith(_UTF16_STARTS)


def decoded(data: bytes, charset: str, declared: str, repetition: str) -> tuple[str, str, str]:
    """Return the text, Python's codec for it, and what is wrong with what was declared ("" when nothing is).

    `charset` is the listener's, `declared` the raw MSH-18, whose repetitions name further sets.
    """
    names = [charset] if charset else []
    names += [name for name in (declared.split(repetition) if repetition else [declared]) if name]
    if data.startswith(BOM) and (text := _read(data, "utf-8")) is not None and not charset:
        return text, "utf-8", ""
    for codec in _candidates(names, data, charset):
        if (text := _read(data, codec)) is not None:
            meant = names[:1] if charset else names
            said = any(codec in codecs_of(name) for name in meant)
            return text, codec, "" if said else _trouble(names, codec)
    for codec in ("utf-8", "cp1252"):
        if (text := _read(data, codec)) is not None:
            return text, codec, "" if codec == "utf-8" and not names else _trouble(names, codec)
    return data.decode(LAST), LAST, _trouble(names, LAST)


def _candidates(names: list[str], data: bytes, charset: str) -> Iterator[str]:
    """Yield codecs of what is declared; sets that switch by escape sequences first, since they include ASCII."""
    switching = [name for name in names if codecs_of(name)[:1] and codecs_of(name)[0].startswith("iso2022")]
    for name in [*switching, *names]:
        for codec in codecs_of(name):
            if codec == "iso8859-1" and name != charset:
                yield from _behind_latin_1(data)
            yield codec


def _behind_latin_1(data: bytes) -> Iterator[str]:
    """Yield what really is sent under MSH-18 `8859/1`: UTF-8, which no text in 8859/1 looks like, or windows-1252,
    which uses the codes 80-9F where 8859/1 has no letters."""
    yield "utf-8"
    if _C1.search(data):
        yield "cp1252"


def _read(data: bytes, codec: str) -> str | None:
    try:
        text = data.decode(codec)
        return text if codec == "utf-8" or text.encode(codec) == data else None
    except UnicodeError:
        return None


def _trouble(names: list[str], codec: str) -> str:
    what = "the declared character set does not fit the bytes" if names else "no character set is declared"
    return f"{what}: read as {codec}"


def transliterated(text: str, codec: str, write: Callable[[str], str]) -> str:
    """Return `text` with each character that `codec` lacks replaced by plainer ones, where there are any.

    `write` escapes what replaces it: a wide bar must not become a delimiter. What has no plainer form (another
    script) stays, so that encoding it still fails: nothing becomes a question mark.
    """
    lacking = {character for character in set(text) if not character.isascii() and not has(codec, character)}
    return text.translate({ord(character): write(_plainer(character, codec)) for character in lacking})


def _plainer(character: str, codec: str) -> str:
    plain = _REPLACED.get(character)
    if plain is None:
        whole = unicodedata.normalize("NFKD", character)
        plain = "".join(one for one in whole if not unicodedata.combining(one))
    return plain if plain and plain != character and has(codec, plain) else character


def has(codec: str, text: str) -> bool:
    """Say whether the text can be written in the codec."""
    try:
        text.encode(codec)
    except UnicodeError:
        return False
    return True
