"""Tells systemd how the engine stands, and that it is alive: the notify protocol in a few lines.

Source: sd_notify(3), sd_watchdog_enabled(3), systemd.service(5).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

import anyio

READY = "READY=1"
STOPPING = "STOPPING=1"
RELOADING = "RELOADING=1"
_ALIVE = "WATCHDOG=1"


class Notifier:
    """Sends states to `$NOTIFY_SOCKET`; does nothing where no supervisor asked for them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog = _watchdog_seconds(environ)

    def __call__(self, *states: str) -> None:
        """Send states in one datagram; a supervisor that went away is no reason to fail."""
        if not self._address:
            return
        lines = list(states)
        if RELOADING in lines:
            lines.append(f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")  # Type=notify-reload asks for it
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.connect(self._address)
                sender.send("\n".join(lines).encode())
            except OSError:
                return

    async def beat(self) -> None:
        """Say from the event loop that it turns, twice per watchdog interval, until cancelled."""
        while self._watchdog:
            self(_ALIVE)
            await anyio.sleep(self._watchdog / 2)


def _watchdog_seconds(environ: Mapping[str, str]) -> float:
    """Return the interval that the supervisor set for this process, 0 for none."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    meant = environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or (meant and meant != str(os.getpid())):
        return 0.0
    return int(microseconds) / 1_000_000
