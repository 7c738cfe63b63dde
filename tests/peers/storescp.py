"""Start DCMTK's storescp: it takes instances of every class and syntax, and writes them bit by bit as they came."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.security.tls import TlsFiles
from tests.peers.dcmtk import BINARIES
from tests.peers.ports import free_port, listens

SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class StoreScp:
    """One server; `received` is where its files are."""

    port: int
    received: Path

    def files(self) -> list[bytes]:
        """Return the instances that came, as Part 10 files."""
        return [path.read_bytes() for path in sorted(self.received.iterdir())]


@asynccontextmanager
async def storescp(
    folder: Path, *arguments: str, tls: TlsFiles | None = None, every_syntax: Sequence[str] = ("+xa",)
) -> AsyncIterator[StoreScp]:
    """Run one until the end of the block; `every_syntax` is what it accepts, by its options."""
    port = free_port()
    received = folder / "received"
    received.mkdir()
    secured = ["+tls", str(tls.key), str(tls.cert), "+cf", str(tls.ca), "+px"] if tls is not None else []
    command: list[str | Path] = [
        BINARIES / "storescp",
        *secured,
        *every_syntax,
        "+B",
        "-aet",
        "STORE",
        *arguments,
    ]
    process = await asyncio.create_subprocess_exec(
        *command, "-od", str(received), str(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(SECONDS):
            while not listens(port):  # noqa: ASYNC110  a port tells nobody that it opened
                await asyncio.sleep(0.01)
        yield StoreScp(port, received)
    finally:
        process.kill()
        await process.wait()
