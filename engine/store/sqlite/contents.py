"""Content on its way into rows: what came with a message, prepared before the commit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from engine.model import INLINE_LIMIT, Body
from engine.store.protocol import Acceptance, Refusal, Rendering
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.names import Names
from engine.store.sqlite.statements import statements

RAW = "raw"
REPLY = "reply"
ABOUT = "about"
"""JSON object: headers, readable keys and faults, in one row because they are small and always read alone."""
EVIDENCE = "evidence"

_BODY_ADD = statements("accept")["body-add"]


class Content(NamedTuple):
    """One row of content to be: inline bytes, a file (`source` until moved, then `path`), or the raw bytes.

    `sha256` is None for the raw content (its message has it) and where `same` says that the bytes are the raw ones.
    """

    role: str
    part: int
    content_type: str
    sha256: bytes | None
    data: bytes | None
    size: int | None = None
    source: Body | None = None
    path: str | None = None
    same: bool = False


def of_acceptance(acceptance: Acceptance) -> list[Content]:
    """Return what an acceptance brings, raw first."""
    message = acceptance.message
    raw = message.body
    contents = [_content(RAW, 0, message.content_type, raw, None)]
    if acceptance.reply:
        contents.append(_bytes(REPLY, acceptance.reply))
    about: dict[str, object] = {}
    if acceptance.headers:
        about["headers"] = dict(acceptance.headers)
    if acceptance.keys:
        about["keys"] = list(acceptance.keys)
    if about:
        contents.append(_json(about))
    contents.extend(of_renderings(acceptance.renderings, raw.sha256))
    return contents


def of_refusal(refusal: Refusal) -> list[Content]:
    """Return what is kept of a refused message, raw first."""
    message = refusal.message
    faults = [{"path": fault.path, "text": fault.text, "code": fault.code} for fault in refusal.faults]
    contents = [
        _content(RAW, 0, message.content_type, message.body, None),
        _json({"headers": dict(message.headers), "faults": faults}),
    ]
    if refusal.reply:
        contents.append(_bytes(REPLY, refusal.reply))
    return contents


def of_renderings(renderings: Sequence[Rendering], raw: bytes = b"") -> list[Content]:
    """Return renderings; one whose bytes are the raw ones refers to them."""
    return [
        Content(rendering.role, rendering.part, rendering.content_type, None, None, same=True)
        if rendering.body.sha256 == raw
        else _content(
            rendering.role, rendering.part, rendering.content_type, rendering.body, rendering.body.sha256
        )
        for rendering in renderings
    ]


def of_evidence(evidence: bytes) -> Content:
    """Return a partner's bounded answer as content."""
    return _bytes(EVIDENCE, evidence)


def add_contents(
    cursor: Runs,
    names: Names,
    contents: Sequence[Content],
    *,
    first: int,
    message: int,
    bucket: int,
    late: int = 0,
) -> None:
    """Write contents as the rows `first`, `first` + 1, ..."""
    name = names.id
    cursor.executemany(
        _BODY_ADD,
        [
            (
                first + index,
                message,
                name(cursor, "role", content.role),
                content.part,
                name(cursor, "codec", content.content_type),
                bucket,
                late,
                content.size,
                first if content.same else None,
                content.sha256,
                content.data,
                content.path,
            )
            for index, content in enumerate(contents)
        ],
    )


def body_of(content: Content, raw: Body, folder: Path) -> Body:
    """Return the handle on content as it was stored; `raw` is its message's body."""
    if content.same:
        return Body(raw.size, raw.sha256, raw.data, raw.path, content.content_type)
    sha256 = content.sha256 or raw.sha256
    if content.path is not None:
        return Body(content.size or 0, sha256, None, folder / content.path, content.content_type)
    data = content.data or b""
    return Body(len(data), sha256, data, None, content.content_type)


def _content(role: str, part: int, content_type: str, body: Body, sha256: bytes | None) -> Content:
    if body.data is not None and body.size <= INLINE_LIMIT:
        return Content(role, part, content_type, sha256, body.data)
    return Content(role, part, content_type, sha256, None, body.size, body)


def _bytes(role: str, data: bytes) -> Content:
    body = Body.of(data)
    return _content(role, 0, "", body, body.sha256)


def _json(value: object) -> Content:
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return _bytes(ABOUT, data)
