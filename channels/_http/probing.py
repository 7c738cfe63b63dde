"""Looks at the way to a partner's HTTP server without sending a message: one stage after the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from channels._http.client import ClientConnection
from channels._http.pool import CONNECT_SECONDS
from channels._tcp.dial import Destination, Stages, probed, reach, secured_by, wrap

_STAGES: Final = ("dns", "tcp", "tls", "http")


async def probed_by_options(destination: Destination, head: bytes) -> Sequence[tuple[str, bool, str]]:
    """Return (stage, well, remark) for name, connection, TLS and an OPTIONS request.

    `head` is what a POST to the same place begins with, without the empty line.
    """
    return await probed(partial(_look, destination, head), _STAGES, seconds=CONNECT_SECONDS)


async def _look(destination: Destination, head: bytes, found: Stages) -> None:
    """Add what each stage shows; a stage that fails raises."""
    sock = await reach(destination, found)
    connection = await wrap(destination, sock, ClientConnection, seconds=CONNECT_SECONDS)
    try:
        found.append(("tls", True, secured_by(connection.tls)))
        asked = head.replace(b"POST ", b"OPTIONS ", 1) + b"content-length: 0\r\n\r\n"
        response = await connection.exchange(asked, b"", seconds=CONNECT_SECONDS)
        found.append(("http", True, f"answered {response.status} to OPTIONS"))
    finally:
        connection.abort()
