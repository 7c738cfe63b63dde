"""Where in a JSON text something is wrong: its path and its offset, worked out only after it was refused.

The fast scanner says neither; here the text is walked once, token by token, without recursion, and no further than
`MAX_WALKED`: a hostile body must not cost more to refuse than to read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.codecs.json.bounds import MAX_DEPTH

MAX_WALKED = 64 * 1024
"""Characters; what is wrong behind them is refused without its path."""
# a string that never closes is matched to the end: a match that fails would be tried again at each of its quotes
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)

Trail = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A character offset, and the keys and indexes that lead there from the root."""

    offset: int
    trail: Trail


@dataclass(slots=True)
class _Container:
    """An object or a list that is open, and where in it the walk stands."""

    at: str | int
    keys: set[str] | None = None
    expects_key: bool = False


@dataclass(slots=True)
class _Walk:
    """The state of one walk; `repeated` says that the key just read was in its object before."""

    open: list[_Container] = field(default_factory=list)
    repeated: bool = False

    @property
    def trail(self) -> Trail:
        return tuple(container.at for container in self.open if container.at != "")


def first_too_deep(text: str) -> Place | None:
    """Return where the nesting first exceeds `MAX_DEPTH`, None where that is too far on to be looked for."""
    walk = _Walk()
    for offset in _walk(text, walk):
        if len(walk.open) > MAX_DEPTH:
            return Place(offset, walk.trail)
    return None


def first_duplicate(text: str) -> Place | None:
    """Return where a key first comes twice in its object, None where that is too far on to be looked for."""
    walk = _Walk()
    for offset in _walk(text, walk):
        if walk.repeated:
            return Place(offset, walk.trail)
    return None


def trail_at(text: str, offset: int) -> Trail:
    """Return the keys and indexes that lead to the value at, or around, `offset`; () where that is too far on."""
    if offset > MAX_WALKED:
        return ()
    walk = _Walk()
    for _ in _walk(text, walk, before=offset):
        pass
    return walk.trail


def _walk(text: str, walk: _Walk, *, before: int = MAX_WALKED) -> Iterator[int]:
    """Bring `walk` up to date after each token that begins `before` there, and yield the token's offset."""
    for match in _TOKEN.finditer(text, 0, MAX_WALKED):
        if match.start() >= before:
            return
        token = match[0]
        walk.repeated = False
        if token in "{[":
            keys: set[str] | None = set() if token == "{" else None
            walk.open.append(_Container("" if token == "{" else 0, keys, token == "{"))
        elif token in "}]":
            if walk.open:
                walk.open.pop()
        elif walk.open:
            _within(walk, walk.open[-1], token)
        yield match.start()


def _within(walk: _Walk, container: _Container, token: str) -> None:
    if token == "," and isinstance(container.at, int):
        container.at += 1
    elif token == ",":
        container.expects_key = True
    elif container.expects_key and container.keys is not None and token.startswith('"'):
        key = _key(token)
        walk.repeated = key in container.keys
        container.keys.add(key)
        container.at = key
        container.expects_key = False


def _key(token: str) -> str:
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return token[1:-1]
