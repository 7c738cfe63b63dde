"""Start DCMTK's archive dcmqrscp: it stores, finds, moves to AE titles that it knows, and answers C-GET."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.dcmtk import BINARIES, run_dcmtk
from tests.peers.ports import free_port, listens

SECONDS = 20.0
TITLE = "ARCHIVE"


@dataclass(frozen=True, slots=True)
class DcmQrScp:
    """One archive."""

    port: int

    async def store(self, *files: Path) -> None:
        """Have it take files."""
        for path in files:
            await run_dcmtk("storescu", "-xv", "-aec", TITLE, "127.0.0.1", str(self.port), path)


@asynccontextmanager
async def dcmqrscp(folder: Path, *, movers: Mapping[str, int] | None = None) -> AsyncIterator[DcmQrScp]:
    """Run one until the end of the block; `movers` are the AE titles on this machine that it may send to, by port."""
    port = free_port()
    kept = folder / "archive"
    kept.mkdir()
    hosts = "".join(f"{title.lower()} = ({title}, 127.0.0.1, {at})\n" for title, at in (movers or {}).items())
    config = folder / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\n{hosts}HostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\n{TITLE} {kept} RW (500, 1024mb) ANY\nAETable END\n"
    )
    process = await asyncio.create_subprocess_exec(
        BINARIES / "dcmqrscp",
        "-c",
        config,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(SECONDS):
            while not listens(port):
                assert process.returncode is None, "dcmqrscp ended at once"
                await asyncio.sleep(0.01)
        yield DcmQrScp(port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
