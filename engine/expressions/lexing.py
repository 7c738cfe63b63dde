"""Cuts the text of an expression into tokens; where a path ends is asked of its codec, before anything else is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.errors import ExpressionError
from engine.spi import Codec

_BLANKS = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"\d+(\.\d+)?(?![\w.])", re.ASCII)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|' + r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_OPERATOR = re.compile(r"==|!=|<=|>=|//|[<>+\-*/%()\[\],.=}]")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[\\'\"nrt])")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
FOREIGN = {
    "&": 'write "and"',
    "|": 'write "or"',
    "!": 'write "not"',
    "=": 'write "==" to compare',
    "{": "braces stand in templates only; here write the expression without them",
    ".": "only msg, source, it, reply, vars, meta, sender, partner and memory have paths",
    "`": "quote a text with ' or \"",
}


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is `name`, `path`, `number`, `text`, `operator` or `end`; `text` as written, a text without quotes."""

    kind: str
    text: str
    start: int
    end: int


def tokens(text: str, start: int, readers: Mapping[str, Codec]) -> Iterator[Token]:
    """Yield the tokens from `start` on; after a closing brace, or at the end, nothing more is looked at.

    `readers` maps a name that has paths to the codec that lexes them.

    Raises:
        ExpressionError: at the first character that begins no token, with its offset.
    """
    position = start
    while True:
        blank = _BLANKS.match(text, position)
        position = blank.end() if blank else position
        token = (
            _token(text, position, readers) if position < len(text) else Token("end", "", position, position)
        )
        yield token
        if token.kind == "end" or (token.kind == "operator" and token.text == "}"):
            return
        position = token.end


def _token(text: str, position: int, readers: Mapping[str, Codec]) -> Token:
    if name := _NAME.match(text, position):
        end = name.end()
        if name[0] in readers and text[end : end + 1] in (".", "["):
            start = end + 1 if text[end] == "." else end
            end = readers[name[0]].path_extent(text, start)
            return Token("path", text[position:end], position, end)
        return Token("name", name[0], position, end)
    if number := _NUMBER.match(text, position):
        return Token("number", number[0], position, number.end())
    if quoted := _QUOTED.match(text, position):
        inner = quoted[1] if quoted[1] is not None else quoted[2]
        return Token("text", _ESCAPE.sub(_unescaped, inner), position, quoted.end())
    if operator := _OPERATOR.match(text, position):
        return Token("operator", operator[0], position, operator.end())
    raise _no_token(text, position)


def _unescaped(escape: re.Match[str]) -> str:
    """Read one escape; a backslash before anything else stays, so that patterns read as they are written."""
    code = escape[1]
    return chr(int(code[1:], 16)) if code[0] == "u" else _ESCAPED.get(code, code)


def _no_token(text: str, position: int) -> ExpressionError:
    character = text[position]
    if character in "\"'":
        return ExpressionError(
            "this text is never closed",
            offset=position,
            length=len(text) - position,
            help="end it with the same quote",
        )
    if character.isdigit():
        end = position + 1
        while end < len(text) and (text[end].isalnum() or text[end] in "._"):
            end += 1
        return ExpressionError(
            "this is no number", offset=position, length=end - position, help="quote it if it is text"
        )
    return ExpressionError(f'unexpected "{character}"', offset=position, help=FOREIGN.get(character, ""))
