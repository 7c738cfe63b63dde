"""Runs DCMTK's senders against a listener: other people's code, which knows nothing of ours."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

BINARIES = Path("/usr/bin")
SECONDS = 60.0


class DcmtkFailed(Exception):
    """A tool ended with another exit code than 0; the text holds what it said."""


async def run_dcmtk(tool: str, *arguments: str | Path) -> str:
    """Run `storescu`, `dcmsend`, `echoscu` or `dcmdump` and return what it printed; DcmtkFailed where it failed."""
    process = await asyncio.create_subprocess_exec(
        BINARIES / tool, *map(str, arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    text = said.decode(errors="replace")
    if process.returncode:
        raise DcmtkFailed(f"{tool} ended with {process.returncode}: {text}")
    return text


def tls_arguments(certs: Path, name: str) -> list[str | Path]:
    """Return what makes a sender use TLS with the certificate `name` of a folder."""
    return ["+tls", certs / f"{name}.key", certs / f"{name}.pem", "+cf", certs / "ca.pem"]
