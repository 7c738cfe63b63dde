"""Pick free ports below 45000 that no other test process picks at the same time.

The range lies below the kernel's ephemeral ports, so an outgoing connection cannot take one between the pick and the
server's bind. A lock file per port keeps parallel test runs apart; it lasts as long as this process.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

LOWEST, HIGHEST = 20_000, 31_999
ATTEMPTS = 500
_held: dict[int, int] = {}


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on; it is this process's until it ends.

    Raises:
        RuntimeError: none was found.
    """
    for _ in range(ATTEMPTS):
        port = random.randint(LOWEST, HIGHEST)
        if port not in _held and _reserve(port):
            return port
    raise RuntimeError(f"no free port between {LOWEST} and {HIGHEST} on 127.0.0.1 in {ATTEMPTS} attempts")


def listens(port: int) -> bool:
    """Say whether something accepts connections on that port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _reserve(port: int) -> bool:
    folder = Path(tempfile.gettempdir()) / f"passerelle-test-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder / str(port), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        os.close(lock)
        return False
    _held[port] = lock
    return True
