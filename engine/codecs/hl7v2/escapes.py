r"""Escape sequences within a leaf: decoded where they stand for a character, kept where they say how to show it.

Read: `\F\ \S\ \R\ \T\ \E\`, `\P\` where the message declares a truncation character, and `\X..\` whose bytes are
all ASCII. Kept as written: highlighting `\H\ \N\`, formatting `\.br\`, local `\Z..\`, character set `\C....\` and
`\M......\`, `\X..\` beyond ASCII, and a lone escape character. `read(write(text)) == text` for every text.
Source: HL7 v2.5.1 2.7; v2.7 2.7 (truncation).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping


class Unwritable(ValueError):
    """A value cannot stand in the message; the text says why, without the value."""


def reader(marks: Mapping[str, str]) -> Callable[[str], str]:
    """Return the function that decodes a leaf; `marks` maps escape letters (`F S R T E P`) to delimiters."""
    if "E" not in marks:
        return lambda raw: raw
    escape = re.escape(marks["E"])
    letters = "".join(marks)
    sequence = re.compile(
        f"{escape}(?:(?P<mark>[{letters}])|X(?P<hex>(?:[0-7][0-9A-Fa-f])+)|{_kept(marks)}){escape}"
    )

    def decoded(found: re.Match[str]) -> str:
        if mark := found["mark"]:
            return marks[mark]
        return bytes.fromhex(found["hex"]).decode("ascii") if found["hex"] else found[0]

    return lambda raw: sequence.sub(decoded, raw)


def writer(marks: Mapping[str, str], *, can_escape: bool) -> Callable[[str], str]:
    """Return the function that makes a text a leaf: delimiters, `""` and control characters but tab are escaped.

    A sequence that reading keeps is kept, so that formatted text can be copied. Without an escape character, or with
    letters for delimiters, a text that needs one raises Unwritable.
    """
    if not can_escape:
        dividing = "".join(mark for letter, mark in marks.items() if letter in "FSRT")
        unsafe = re.compile(f"[{re.escape(dividing)}\\x00-\\x08\\x0a-\\x1f]")
        return lambda text: _only_plain(text, unsafe)
    everywhere = "".join(mark for letter, mark in marks.items() if letter != "P")
    special = f"[{re.escape(everywhere)}\\x00-\\x08\\x0a-\\x1f]"
    if "P" in marks:
        special += f"|{re.escape(marks['P'])}\\Z"  # it means a cut text at its end only (v2.7 2.5.5.2)
    escape = marks["E"]
    names = {mark: f"{escape}{letter}{escape}" for letter, mark in marks.items()}
    null = f"{escape}X22{escape}" * 2
    parts = re.compile(f"{re.escape(escape)}(?:{_kept(marks)}){re.escape(escape)}|{special}")

    def encoded(found: re.Match[str]) -> str:
        part = found[0]
        if len(part) > 1:
            return part
        return names.get(part) or f"{escape}X{ord(part):02X}{escape}"

    def write(text: str) -> str:
        return null if text == '""' else parts.sub(encoded, text)

    return write


def _kept(marks: Mapping[str, str]) -> str:
    """Return the pattern of what may stand between two escape characters and stays as it is."""
    no_mark = f"[^{re.escape(''.join(marks.values()))}\\x00-\\x1f]"
    high = "X(?:[0-7][0-9A-Fa-f])*[89A-Fa-f][0-9A-Fa-f](?:[0-9A-Fa-f]{2})*"
    return f"[HN]|\\.[A-Za-z]{{2}}[+-]?[0-9]{{0,4}}|Z{no_mark}*|C[0-9A-Fa-f]{{4}}|M[0-9A-Fa-f]{{4,6}}|{high}"


def _only_plain(text: str, unsafe: re.Pattern[str]) -> str:
    if text == '""' or unsafe.search(text):
        raise Unwritable("it holds a delimiter, and this message declares no usable escape character")
    return text
