"""Speaks to a running engine: HTTP/1.0 over its unix socket or TCP, in a few lines so that a verb starts quickly.

HTTP/1.0 means one request per connection and no chunks: an answer ends where the connection does, and a stream is
read line by line.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from engine.api.doorstep import socket_address
from engine.api.problems import error_of
from engine.errors import Transient

if TYPE_CHECKING:
    import ssl

View = dict[str, Any]
PREFIX = "/api/v1/"
PATIENCE = 60.0
"""Seconds without a byte after which an engine is called silent."""
_LONGEST_LINE = 65_536


class Unreachable(Transient):
    """Nobody answers at this address (exit code 4)."""


class Connector(Protocol):
    """Opens a connection to one engine; `host` goes into the request, `token` too where there is one."""

    @property
    def host(self) -> str: ...

    @property
    def token(self) -> str: ...

    def connect(self, timeout: float) -> socket.socket:
        """Return a connected socket; OSError when that fails."""


@dataclass(frozen=True, slots=True)
class LocalSocket:
    """An engine on this machine, by its unix socket."""

    path: Path
    host: str = "passerelle"
    token: str = ""

    def connect(self, timeout: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            with socket_address(self.path) as address:
                connection.connect(address)
        except OSError:
            connection.close()
            raise
        return connection


@dataclass(frozen=True, slots=True)
class RemoteAddress:
    """An engine anywhere, by TCP with a token; in clear only to this machine."""

    address: str
    port: int
    token: str
    tls: ssl.SSLContext | None

    @property
    def host(self) -> str:
        return f"{self.address}:{self.port}"

    def connect(self, timeout: float) -> socket.socket:
        connection = socket.create_connection((self.address, self.port), timeout)
        if self.tls is None:
            return connection
        try:
            return self.tls.wrap_socket(connection, server_hostname=self.address)
        except OSError:
            connection.close()
            raise


class Wire:
    """Calls one running engine."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        patience: float = PATIENCE,
    ) -> View:
        """Return the answer; a problem is raised as the error that it tells of.

        Raises:
            Unreachable: nobody answers.
        """
        with self._exchange(method, path, query, body, patience) as reply:
            status = _head(reply)
            view = _view(_all(reply))
        if status != 200:
            raise error_of(view)
        return view

    def stream(self, path: str, query: Mapping[str, Any] | None = None) -> Generator[View, None, None]:
        """Give the lines of a stream as they come, until either side ends it.

        Raises:
            Unreachable: nobody answers.
        """
        with self._exchange("GET", path, query, None, PATIENCE) as reply:
            if _head(reply) != 200:
                raise error_of(_view(_all(reply)))
            while line := _line(reply):
                if line.strip():
                    yield _view(line)

    def _exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
        patience: float,
    ) -> closing[IO[bytes]]:
        content = json.dumps(_given(body or {})).encode() if body is not None else b""
        lines = [f"{method} {_target(path, query or {})} HTTP/1.0", f"Host: {self._connector.host}"]
        if self._connector.token:
            lines.append(f"Authorization: Bearer {self._connector.token}")
        if content:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        head = "\r\n".join([*lines, "", ""]).encode()
        try:
            with self._connector.connect(patience) as connection:
                connection.sendall(head + content)
                return closing(connection.makefile("rb"))
        except OSError as error:
            raise Unreachable(
                f"no engine answers at {_place(self._connector)}: {error.strerror or error}"
            ) from error


def _target(path: str, query: Mapping[str, Any]) -> str:
    from urllib.parse import quote, urlencode

    given = urlencode(_given(query))
    return PREFIX + quote(path) + (f"?{given}" if given else "")


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given: a call refuses names that it does not know, so nothing empty is sent."""
    return {
        name: "true" if value is True else value
        for name, value in values.items()
        if value not in (None, "", False)
    }


def _head(reply: IO[bytes]) -> int:
    """Return the status and leave the body to be read."""
    words = _line(reply).split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise Unreachable("what answers there is no engine")
    while _line(reply).strip():
        pass
    return int(words[1])


def _line(reply: IO[bytes]) -> bytes:
    try:
        line = reply.readline(_LONGEST_LINE * 16)
    except TimeoutError as error:
        raise Unreachable("the engine fell silent") from error
    except OSError as error:
        raise Unreachable(f"the connection broke: {error.strerror or error}") from error
    return line


def _all(reply: IO[bytes]) -> bytes:
    try:
        return reply.read()
    except TimeoutError as error:
        raise Unreachable("the engine fell silent; what was asked may still be done") from error
    except OSError as error:
        raise Unreachable(f"the connection broke: {error.strerror or error}") from error


def _view(text: bytes) -> View:
    try:
        view = json.loads(text)
    except ValueError:
        raise Unreachable("the engine's answer broke off") from None
    if not isinstance(view, dict):
        raise Unreachable("what answers there is no engine")
    return view


def _place(connector: Connector) -> str:
    return str(connector.path) if isinstance(connector, LocalSocket) else connector.host
