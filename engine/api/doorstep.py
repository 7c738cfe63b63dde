"""The unix socket's path: where it is bound and reached, also where the path is longer than the kernel takes.

Light on purpose: the command line imports it before it knows whether an engine runs.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from engine.errors import PasserelleError

_LONGEST = 100
"""Bytes of a socket's path that surely fit (unix(7): 108 with the closing zero)."""


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """Give an address for `bind` or `connect`: the path itself, or a short one through its opened folder."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def bind_private(path: Path) -> socket.socket:
    """Return a listening socket that its owner alone may open; a stale one of an earlier process is replaced.

    Raises:
        PasserelleError: something else than a socket has this name, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
            raise PasserelleError(f"{path} is no socket: choose another `api: {{socket: ...}}`")
        with suppress(FileNotFoundError):
            path.unlink()
        return _bound(path)
    except OSError as error:
        raise PasserelleError(f"the API's socket {path} cannot be made: {error.strerror}") from error


def _bound(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # the mode must be right from the first moment, not from a chmod on
    try:
        with socket_address(path) as address:
            listening.bind(address)
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    listening.listen(64)
    listening.setblocking(False)
    return listening
