"""What a destination sends instead of its document, or under a name: `body:` and `name:` of an entry of `to:`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from engine.codecs import written
from engine.errors import Rejected
from engine.model import Body, Fault
from engine.runtime.routing.flow import Flowed
from engine.runtime.routing.paper import Paper
from engine.steps.contract import Compiled, Rendered

_TEXT: Final = "text/plain; charset=utf-8"
_PLAIN: Final = re.compile(r"[A-Za-z0-9 ._~+=@,()-]+")
_LONGEST_NAME: Final = 200
"""Characters: a file's name has at most 255 bytes, and the channel adds to it while the file is written."""


@dataclass(frozen=True, slots=True)
class Value:
    """An expression whose value must be of a kind; `path` is what a refusal names."""

    expression: Compiled
    path: str

    def rejected(self, text: str) -> Rejected:
        """Return the refusal of a message in which the value is not what it must be."""
        return Rejected(f"{self.path}: {text}", faults=(Fault(self.path, text, "unusable"),), code="unusable")


@dataclass(frozen=True, slots=True)
class Enclosure:
    """The content and the name of what a destination sends; None for the document itself, and for no name.

    The name travels as the parameter `name` of the content type (RFC 2045 5; `name*` beyond ASCII, RFC 2231 4).
    """

    body: Value | None
    name: Rendered | None

    def write(self, role: str, flowed: Flowed, part: int, paper: Paper, *, mapped: bool) -> str:
        """Keep what is sent and return the role under which it is stored.

        Raises:
            Rejected: there is no such content, it is none, or the document cannot be written.
        """
        document, scope = flowed
        name = "" if self.name is None else _parameter(self.name.render(scope))
        if self.body is None:
            body = written(document, paper.content_type(document, mapped=mapped) + name)
        else:
            content, kind = _content(self.body, self.body.expression.evaluate(scope))
            body = Body.of(content, kind + name)
        return paper.enclose(role, body, part)


def _content(body: Value, found: object) -> tuple[bytes, str]:
    """Return the bytes and the media type of what `extract` took out, or of a text."""
    if isinstance(found, str) and found:
        return found.encode(), _TEXT
    if isinstance(found, Mapping):
        content, kind = found.get("content"), found.get("type")
        if isinstance(content, bytes) and isinstance(kind, str):
            return content, kind
    raise body.rejected("gives no content: say `when`, so that only messages that have it come here")


def _parameter(name: str) -> str:
    """Return the parameter of a content type that says a name; characters that no file name should have are encoded."""
    short = name[:_LONGEST_NAME]
    if not short:
        return ""
    if _PLAIN.fullmatch(short):
        return f'; name="{short}"'
    return f"; name*=UTF-8''{quote(short, safe='')}"
