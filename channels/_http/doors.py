"""The doors of an HTTP listener: which method and path a route listens at.

A door is written `POST /v1/appointments`; an empty one, or none at all, takes every POST of the listener.

Source: RFC 9110 9.1 (methods), 15.5.5 (404), 15.5.6 (405); RFC 9112 3.2 (request target).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from channels._http.replies import Answer, problem

_DOOR = re.compile(r"(POST|PUT|PATCH) (/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)", re.ASCII)
_ABSOLUTE = re.compile(rb"https?://[^/?#]+", re.IGNORECASE)


def is_door(selector: str) -> bool:
    """Say whether a selector names a door: `POST /v1/appointments`."""
    return _DOOR.fullmatch(selector) is not None


class Doors:
    """Finds the door of a request; a sequence of doors that changes while the listener runs is followed."""

    def __init__(self, selectors: Sequence[str]) -> None:
        self._selectors = selectors
        self._read()

    def find(self, method: bytes, url: bytes) -> str | Answer:
        """Return the selector, or what to answer instead: 404, 405 with Allow, or what OPTIONS asked."""
        found = self._by_request.get((method, url))
        if found is not None:
            return found
        path = target_path(url)
        found = self._by_request.get((method, path))
        if found is not None:
            return found
        if self._seen != tuple(self._selectors):
            self._read()
            return self.find(method, url)
        methods = self._by_path.get(path, self._everywhere)
        if url == b"*" and method == b"OPTIONS":
            return _options({"POST"})
        if not methods:
            return problem(404, "No route listens at this path.")
        if method == b"OPTIONS":
            return _options(methods)
        if method == b"POST" and "POST" in self._everywhere:
            return ""
        return problem(
            405, "This path does not take this method.", lines=b"allow: " + _allow(methods) + b"\r\n"
        )

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The selectors that name no door: not `METHOD /path` with POST, PUT or PATCH."""
        return tuple(text for text in self._seen if text and not is_door(text))

    def _read(self) -> None:
        self._seen = tuple(self._selectors)
        self._by_request: dict[tuple[bytes, bytes], str] = {}
        self._by_path: dict[bytes, set[str]] = {}
        self._everywhere: set[str] = {"POST"} if "" in self._seen or not self._seen else set()
        for text in self._seen:
            match = _DOOR.fullmatch(text)
            if match:
                path = match[2].encode("ascii")
                self._by_request[match[1].encode("ascii"), path] = text
                self._by_path.setdefault(path, set(self._everywhere)).add(match[1])


def target_path(url: bytes) -> bytes:
    """Return the path of a request target in origin or absolute form (RFC 9112 3.2.2), without its query."""
    if not url.startswith(b"/"):
        match = _ABSOLUTE.match(url)
        url = (url[match.end() :] or b"/") if match else b""
        if url.startswith(b"?"):
            url = b"/" + url
    return url.partition(b"#")[0].partition(b"?")[0]


def _allow(methods: set[str]) -> bytes:
    return ", ".join(sorted({*methods, "OPTIONS"})).encode("ascii")


def _options(methods: set[str]) -> Answer:
    return Answer(204, lines=b"allow: " + _allow(methods) + b"\r\n")
