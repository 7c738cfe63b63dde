"""Reads the text of a path into its steps, with the offset of what is wrong."""

from __future__ import annotations

import json
import re
from decimal import Decimal

from engine.codecs.json.steps import NAME, Condition, Every, Index, Key, Literal, PathStep, Where
from engine.errors import ExpressionError

MAX_STEPS = 32
_BRACKET = re.compile(r"""\[(?:[^\[\]"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*\]""")
_INDEX = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""")
_SINGLE = re.compile(r'\\.|"', re.DOTALL)
_AND = re.compile(r"\s+and\s+")
_BLANKS = re.compile(r"\s*")
_COMPARISON = re.compile(r"\s*(==|!=)\s*")
_WORDS: dict[str, bool | None] = {
    "True": True,
    "true": True,
    "False": False,
    "false": False,
    "None": None,
    "null": None,
}
_HELP = 'write [0], [*], ["odd key"] or [.code == "X"]'


def extent(text: str, start: int) -> int:
    """Return the offset where the path that begins at `start` ends."""
    position = start
    name = NAME.match(text, position)
    if name:
        position = name.end()
    while position < len(text):
        if text[position] == "[":
            position = _closed(text, position).end()
        elif text[position] == "." and position > start and (name := NAME.match(text, position + 1)):
            position = name.end()
        else:
            break
    return position


def compile_steps(text: str) -> tuple[PathStep, ...]:
    """Return the steps of a whole path; ExpressionError where it is none."""
    steps: list[PathStep] = []
    position = 0
    while position < len(text):
        if text[position] == "[":
            bracket = _closed(text, position)
            steps.append(_within(text, position + 1, bracket.end() - 1))
            position = bracket.end()
        else:
            if steps and text[position] == ".":
                position += 1
            name = NAME.match(text, position)
            if not name or (steps and text[position - 1] != "."):
                raise ExpressionError("a name is missing here", offset=position, help=_HELP)
            steps.append(Key(name[0]))
            position = name.end()
        if len(steps) > MAX_STEPS:
            raise ExpressionError(f"a path has at most {MAX_STEPS} steps", length=len(text))
    if not steps:
        raise ExpressionError("a path is missing", help="write a name, for example appointment.start")
    return tuple(steps)


def _closed(text: str, position: int) -> re.Match[str]:
    bracket = _BRACKET.match(text, position)
    if bracket is None:
        raise ExpressionError("this [ is never closed", offset=position, help=_HELP)
    return bracket


def _within(text: str, start: int, end: int) -> PathStep:
    """Read what stands between the brackets at `start` and `end`."""
    inner = text[start:end].strip()
    if inner == "*":
        return Every()
    if _INDEX.fullmatch(inner):
        return Index(int(inner))
    if quoted := _QUOTED.fullmatch(inner):
        return Key(_unquoted(quoted[0], start))
    conditions: list[Condition] = []
    position = start
    while True:
        condition, position = _condition(text, position, end)
        conditions.append(condition)
        joint = _AND.match(text, position, end)
        if joint is None:
            break
        position = joint.end()
    if text[position:end].strip():
        raise ExpressionError("this is no selector", offset=position, length=end - position, help=_HELP)
    return Where(tuple(conditions))


def _condition(text: str, position: int, end: int) -> tuple[Condition, int]:
    """Read `.code == "X"`; the leading point may be missing."""
    blank = _BLANKS.match(text, position)
    start = position = blank.end() if blank else position
    keys: list[Key] = []
    while name := NAME.match(text, position + (text[position : position + 1] == "."), end):
        keys.append(Key(name[0]))
        position = name.end()
        if text[position : position + 1] != ".":
            break
    comparison = _COMPARISON.match(text, position, end)
    if not keys or comparison is None:
        raise ExpressionError("this is no selector", offset=start, length=max(1, end - start), help=_HELP)
    literal, position = _literal(text, comparison.end(), end)
    return Condition(tuple(keys), literal, comparison[1] == "=="), position


def _literal(text: str, position: int, end: int) -> tuple[Literal, int]:
    if quoted := _QUOTED.match(text, position, end):
        return _unquoted(quoted[0], position), quoted.end()
    if number := _NUMBER.match(text, position, end):
        return Decimal(number[0]) if number[1] else int(number[0]), number.end()
    if (word := NAME.match(text, position, end)) and word[0] in _WORDS:
        return _WORDS[word[0]], word.end()
    raise ExpressionError("a value is missing here", offset=position, help='quote it: [.code == "X"]')


def _unquoted(quoted: str, offset: int) -> str:
    """Return the text between quotes; escapes are those of JSON, and \\' in single quotes."""
    inner = quoted[1:-1] if quoted[0] == '"' else _SINGLE.sub(_as_in_double, quoted[1:-1])
    try:
        return str(json.loads(f'"{inner}"', strict=False))
    except ValueError:
        raise ExpressionError("an escape is wrong here", offset=offset, length=len(quoted)) from None


def _as_in_double(found: re.Match[str]) -> str:
    return {"\\'": "'", '"': '\\"'}.get(found[0], found[0])
