"""TCP settings that every connection of Passerelle carries: a dead peer is noticed in half a minute.

Source: tcp(7), TCP_USER_TIMEOUT (RFC 5482), TCP_KEEPIDLE.
"""

from __future__ import annotations

import socket

USER_TIMEOUT_MS = 30_000
_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": USER_TIMEOUT_MS}


def harden(sock: socket.socket) -> None:
    """Set keepalive, the user timeout and no delay; what a platform does not know is left out."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
