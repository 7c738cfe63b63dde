"""The PROXY protocol, version 2: a header before the first byte of a connection that tells where it really comes from.

Source: "The PROXY protocol", versions 1 & 2 (HAProxy Technologies), 2.2 and 4.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from channels._tcp.caller import listed
from channels._tcp.server import BadSource
from engine.config.models import HostPort

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = 16
_LENGTH_MAX = 2048
"""Bytes of addresses and their options; Unix socket addresses take 216, options seldom a hundred."""

_SECONDS = 10.0
"""How long a new connection may take to tell its source."""

_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21


class BadProxyHeader(BadSource):
    """A connection did not begin with a header that tells its source; the text is free of what it did begin with."""


async def read_source(sock: socket.socket, address: str, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """Read the header from a new connection, and no byte more; return the source as `host:port`.

    `address` is the other end as `host:port`; a proxy's own connection (LOCAL, a health check) keeps it.

    Raises:
        BadProxyHeader: the other end is no listed proxy, or what it sent is no header, or it did not come in time.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            return await _read(sock, address, proxies)
    except TimeoutError:
        raise BadProxyHeader("the PROXY protocol header did not come in time") from None


async def _read(sock: socket.socket, address: str, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    if not listed(address, proxies):
        raise BadProxyHeader("this address is no proxy of the listener's")
    fixed = await _exactly(sock, _FIXED)
    if fixed[:12] != SIGNATURE:
        raise BadProxyHeader("the connection does not begin with a PROXY protocol header, version 2")
    size = int.from_bytes(fixed[14:16], "big")
    if size > _LENGTH_MAX:
        raise BadProxyHeader("the PROXY protocol header is too long")
    return source_of(fixed[12], fixed[13], await _exactly(sock, size)) or address


def source_of(command: int, family: int, block: bytes) -> str:
    """Return the source that a header tells, "" for the proxy's own connections; BadProxyHeader where it tells none."""
    if command == _LOCAL:
        return ""
    if command != _PROXY:
        raise BadProxyHeader("the PROXY protocol header has an unknown version or command")
    if family == _TCP4 and len(block) >= 12:
        return str(HostPort(str(IPv4Address(block[:4])), int.from_bytes(block[8:10], "big")))
    if family == _TCP6 and len(block) >= 36:
        return str(HostPort(str(IPv6Address(block[:16])), int.from_bytes(block[32:34], "big")))
    raise BadProxyHeader("the PROXY protocol header tells no TCP address")


async def _exactly(sock: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        piece = await loop.sock_recv(sock, size - len(data))
        if not piece:
            raise BadProxyHeader("the connection was closed before its PROXY protocol header was complete")
        data += piece
    return data
