"""Content on its way into rows: what came with a message, prepared before the commit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic_core import from_json, to_json

from engine.model import INLINE_LIMIT, Body
from engine.store.protocol import Acceptance, Refusal, Rendering
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.names import Names

RAW = "raw"
REPLY = "reply"
ABOUT = "about"
"""JSON object: headers, readable keys and faults, in one row because they are small and always read alone."""
LATE_KEYS = "about:keys"
"""The same, for keys that a message got when it was routed, after it was stored."""
EVIDENCE = "evidence"
ATTRIBUTES = "attributes"
"""What a DICOM instance says of itself, in the DICOM JSON model."""
MEMORY = "memory"
"""A value of a partner's answer, for later messages of the same ordering key."""


class Content(NamedTuple):
    """One row of content to be: inline bytes, or a body on its way to a file (`source`, then `path` and `size`).

    `sha256` is None for the raw content (its message has it) and where `same` says that the bytes are the raw ones.
    """

    role: str
    part: int
    content_type: str
    sha256: bytes | None
    data: bytes | None
    same: bool = False
    size: int | None = None
    source: Body | None = None
    path: str | None = None


def of_acceptance(acceptance: Acceptance) -> list[Content]:
    """Return what an acceptance brings, raw first."""
    message = acceptance.message
    contents = [_content(RAW, 0, message.content_type, message.body, None)]
    if acceptance.reply:
        contents.append(of_bytes(REPLY, acceptance.reply))
    if acceptance.headers or acceptance.keys:
        about: dict[str, object] = {}
        if acceptance.headers:
            about["headers"] = dict(acceptance.headers)
        if acceptance.keys:
            about["keys"] = acceptance.keys
        contents.append(of_bytes(ABOUT, to_json(about)))
    if message.instance is not None:
        contents.append(inline(ATTRIBUTES, to_json(message.instance.attributes)))
    if acceptance.renderings:
        contents += of_renderings(acceptance.renderings, message.body.sha256)
    return contents


def of_refusal(refusal: Refusal) -> list[Content]:
    """Return what is kept of a refused message, raw first."""
    message = refusal.message
    faults = [{"path": fault.path, "text": fault.text, "code": fault.code} for fault in refusal.faults]
    contents = [
        _content(RAW, 0, message.content_type, message.body, None),
        of_bytes(ABOUT, to_json({"headers": dict(message.headers), "faults": faults})),
    ]
    if refusal.reply:
        contents.append(of_bytes(REPLY, refusal.reply))
    return contents + of_renderings(refusal.renderings)


def of_renderings(renderings: Iterable[Rendering], raw: bytes = b"") -> list[Content]:
    """Return renderings; one whose digest is the raw content's refers to that."""
    return [
        Content(rendering.role, rendering.part, rendering.content_type, None, None, True)
        if raw and rendering.body.sha256 == raw
        else _content(
            rendering.role, rendering.part, rendering.content_type, rendering.body, rendering.body.sha256
        )
        for rendering in renderings
    ]


def headers_in(about: bytes | None) -> Mapping[str, str]:
    """Return the headers in content of role `about`; none where there is no such content."""
    found: Mapping[str, str] = from_json(about).get("headers", {}) if about else {}
    return found


def has_files(contents: Sequence[Content]) -> bool:
    """Whether some of the content is too large for a row."""
    return any(content.source is not None for content in contents)


def of_keys(keys: Sequence[tuple[str, str]]) -> Content:
    """Return readable keys that became known after their message was stored."""
    return of_bytes(LATE_KEYS, to_json({"keys": keys}))


def of_bytes(role: str, data: bytes) -> Content:
    """Return the engine's own or a partner's bytes as content."""
    if len(data) > INLINE_LIMIT:
        body = Body.of(data)
        return _content(role, 0, "", body, body.sha256)
    return inline(role, data)


def inline(role: str, data: bytes) -> Content:
    """Return bytes as content that stands in its row whatever their size: who gives them bounds them."""
    return _new(Content, (role, 0, "", hashlib.sha256(data).digest(), data, False, None, None, None))


def rows_of(
    cursor: Runs,
    names: Names,
    contents: Sequence[Content],
    *,
    first: int,
    message: int,
    bucket: int,
    late: int = 0,
) -> list[object]:
    """Return contents as the rows `first`, `first` + 1, ... of bodies (accept.sql, `body-add`), one after the other."""
    flat: list[object] = []
    number = first
    for role, part, content_type, sha256, data, same, size, _, path in contents:
        kind, codec = names.together(cursor, _KINDS, (role, content_type))
        shared = first if same else None
        flat += (number, message, kind, part, codec, bucket, late, size, shared, sha256, data, path)
        number += 1
    return flat


_KINDS = ("role", "codec")
_new = tuple.__new__
"""Makes a named tuple from all its values in half the time; for what every message has."""


def _content(role: str, part: int, content_type: str, body: Body, sha256: bytes | None) -> Content:
    if body.data is not None and body.size <= INLINE_LIMIT:
        return _new(Content, (role, part, content_type, sha256, body.data, False, None, None, None))
    return Content(role, part, content_type, sha256, None, False, body.size, body)
