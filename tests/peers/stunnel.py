"""Start stunnel in front of a server that speaks no TLS: TLS 1.3, and nobody without a certificate of the authority."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from engine.security.tls import TlsFiles
from tests.peers.ports import free_port, listens

SERVER = Path("/usr/bin/stunnel4")
SECONDS = 20.0


@asynccontextmanager
async def stunnel(folder: Path, to: int, tls: TlsFiles) -> AsyncIterator[int]:
    """Run one in front of a port of this machine until the end of the block; gives the port that it listens on."""
    port = free_port()
    config = folder / "stunnel.conf"
    config.write_text(
        f"foreground = yes\npid =\n[front]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{to}\n"
        f"cert = {tls.cert}\nkey = {tls.key}\nCAfile = {tls.ca}\nverifyChain = yes\nrequireCert = yes\n"
        "sslVersionMin = TLSv1.3\n"
    )
    with (folder / "stunnel.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(SERVER, config, stdout=log, stderr=subprocess.STDOUT)
    try:
        async with asyncio.timeout(SECONDS):
            while not listens(port):
                assert process.returncode is None, (folder / "stunnel.log").read_text()
                await asyncio.sleep(0.01)
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
