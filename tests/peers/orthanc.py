"""Start a private Orthanc: DIMSE with or without mutual TLS 1.3, its REST interface, and DICOMweb.

`async with orthanc(folder) as server` gives one to a test, which may stop and start it again in mid-flight: what it
stored stays. Debian's build crashes at its first HTTPS request, so its HTTP is plain; a front does TLS.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.security.tls import TlsFiles
from tests.peers.ports import free_port, listens

SERVER = Path("/usr/sbin/Orthanc")
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
START_SECONDS = 30.0


class OrthancFailed(Exception):
    """It is not installed, or did not start; the text quotes its log."""


@dataclass(slots=True)
class Orthanc:
    """One server; `modalities` are the AEs that it knows, as Orthanc writes them; `settings` override its keys."""

    folder: Path
    aet: str = "ORTHANC"
    tls: TlsFiles | None = None
    modalities: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    dicom_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its REST interface is; DICOMweb is below `/dicom-web`."""
        return f"http://127.0.0.1:{self.http_port}"

    async def start(self) -> None:
        """Start and return once both ports are open."""
        await asyncio.to_thread(self._configure)
        with (self.folder / "orthanc.log").open("ab") as log:
            self.process = await asyncio.to_thread(
                subprocess.Popen, [str(SERVER), str(self.folder / "orthanc.json")], stdout=log, stderr=log
            )
        try:
            async with asyncio.timeout(START_SECONDS):
                while not (listens(self.dicom_port) and listens(self.http_port)):
                    if self.process.poll() is not None:
                        raise OrthancFailed(self._said())
                    await asyncio.sleep(0.02)
        except TimeoutError:
            await self.stop()
            raise OrthancFailed(self._said()) from None

    async def stop(self) -> None:
        """Stop, and return once it has ended; harmless where it has."""
        process, self.process = self.process, None
        if process is not None:
            process.terminate()
            await asyncio.to_thread(process.wait)

    async def kill(self) -> None:
        """End it at once, as a power cut would: it takes seconds to stop in good order."""
        if self.process is not None:
            self.process.kill()
        await self.stop()

    async def ask(self, path: str, body: object = None, *, method: str = "") -> Any:
        """Ask its REST interface; a body makes it a POST. Returns JSON, or bytes where the answer is none."""
        return await asyncio.to_thread(self._ask, path, body, method)

    async def instances(self) -> dict[str, bytes]:
        """Return the files that it holds, by SOP Instance UID."""
        found: dict[str, bytes] = {}
        for each in await self.ask("/instances"):
            tags = await self.ask(f"/instances/{each}/simplified-tags")
            found[tags["SOPInstanceUID"]] = await self.ask(f"/instances/{each}/file")
        return found

    async def until_stored(self, count: int, seconds: float = 60.0) -> None:
        """Return once it holds so many instances; TimeoutError where it does not."""
        async with asyncio.timeout(seconds):
            while len(await self.ask("/instances")) < count:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.05)

    def _ask(self, path: str, body: object, method: str) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method or None)
        with urllib.request.urlopen(request, timeout=30) as response:  # our own server on loopback
            content = response.read()
            kind = response.headers.get("content-type", "")
        return json.loads(content) if kind.startswith("application/json") else content

    def _configure(self) -> None:
        if not SERVER.exists():
            raise OrthancFailed(
                f"{SERVER} is missing: this test needs a real Orthanc. "
                "Run as root: apt-get install --no-install-recommends orthanc orthanc-dicomweb"
            )
        written: dict[str, Any] = {
            "Name": self.aet,
            "StorageDirectory": str(self.folder / "orthanc"),
            "IndexDirectory": str(self.folder / "orthanc"),
            "HttpPort": self.http_port,
            "HttpBindAddresses": ["127.0.0.1"],
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAet": self.aet,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "UnknownSopClassAccepted": True,
            "OverwriteInstances": False,
            "StorageCompression": False,
            "DicomModalities": dict(self.modalities),
            "Plugins": [str(DICOMWEB)],
            **self.settings,
        }
        if self.tls is not None:
            written |= {
                "DicomTlsEnabled": True,
                "DicomTlsCertificate": str(self.tls.cert),
                "DicomTlsPrivateKey": str(self.tls.key),
                "DicomTlsTrustedCertificates": str(self.tls.ca),
            }
        (self.folder / "orthanc.json").write_text(json.dumps(written))

    def _said(self) -> str:
        return (self.folder / "orthanc.log").read_text(errors="replace")[-2000:]


@asynccontextmanager
async def orthanc(folder: Path, **keys: Any) -> AsyncIterator[Orthanc]:
    """Run an Orthanc over a folder until the end of the block."""
    server = Orthanc(folder, **keys)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
