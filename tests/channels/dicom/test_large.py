"""One multi-frame object of a gigabyte, in and out, as it is and changed: the engine holds a small part of it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.crash.child import Child, await_ready
from tests.instances import part10
from tests.peers.dcmtk import BINARIES
from tests.peers.ports import free_port
from tests.peers.storescp import storescp

MIB = 1 << 20
FRAMES, FRAME_BYTES = 2048, 512 * 1024
SECONDS = 300.0
CHANGES = {
    "as it is": "",
    "a tag set": "steps: [{set: {PatientID: REGION-7}}]",
    "de-identified": "steps: [{deidentify: {secret: '${file:secret}', patient: empty}}]",
}
_PIXELS = b"\xe0\x7f\x10\x00OW"
_CONFIG = """\
engine: {{name: large}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
listen:
  images: {{dicom: 127.0.0.1:{port}}}
partners:
  archive: {{endpoints: {{pacs: {{dicom: 127.0.0.1:{sink}, ae_title: STORE, timeout: 10m, phi: full}}}}}}
"""
_ROUTE = """\
route: images
from: images
to:
  - endpoint: archive.pacs
    {steps}
"""


def write_large(path: Path, frames: int) -> None:
    """Write a multi-frame object whose frames are all the same, a piece at a time."""
    small = part10("2.25.1", pixels=0, NumberOfFrames=frames, Rows=512, Columns=512)
    frame = os.urandom(FRAME_BYTES)
    with path.open("wb") as file:
        file.write(small[: small.rindex(_PIXELS)] + _PIXELS + bytes(2))
        file.write((frames * FRAME_BYTES).to_bytes(4, "little"))
        for _ in range(frames):
            file.write(frame)


def pixels_of(path: Path, frames: int) -> str:
    """Return the digest of the end of a file, which is its pixels."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(-frames * FRAME_BYTES, os.SEEK_END)
        while piece := file.read(MIB):
            digest.update(piece)
    return digest.hexdigest()


def memory_of(pid: int, name: str) -> float:
    """Return what a process holds (`VmRSS`) or held at most (`VmHWM`), in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


async def _through(folder: Path, frames: int, steps: str) -> tuple[float, float, Path]:
    """Send a large object through an engine; return its idle and its highest memory, and what came out."""
    sent, port = folder / "large.dcm", free_port()
    await asyncio.to_thread(write_large, sent, frames)
    (folder / "routes").mkdir()
    (folder / "routes" / "images.yaml").write_text(_ROUTE.format(steps=steps))
    (folder / "secret").write_text("a secret of more than sixteen characters")
    async with storescp(folder) as sink:
        (folder / "config.yaml").write_text(_CONFIG.format(port=port, sink=sink.port))
        child = Child(folder / "config.yaml")
        child.start()
        try:
            await asyncio.to_thread(await_ready, child)
            idle = memory_of(child.running.pid, "VmRSS")
            await asyncio.to_thread(_store, sent, port)
            async with asyncio.timeout(SECONDS):
                while child.ask("reconcile")["states"]["delivered"] < 1:  # noqa: ASYNC110  another process tells nobody
                    await asyncio.sleep(0.2)
            most = memory_of(child.running.pid, "VmHWM")
            child.stop()
        finally:
            child.end()
        (received,) = sink.received.iterdir()
    return idle, most, received


def _store(path: Path, port: int) -> None:
    words: list[str | Path] = [
        BINARIES / "storescu",
        "-ts",  # it gives up after a minute without an answer, and a gigabyte is synced twice beside other work
        f"{SECONDS:.0f}",
        "-R",
        "-aec",
        "PASSERELLE",
        "127.0.0.1",
        str(port),
        path,
    ]
    subprocess.run(words, check=True, capture_output=True, timeout=SECONDS)


async def _is_cheap(folder: Path, frames: int, change: str) -> Dataset:
    """Assert that pixels go through untouched and in pieces; return the head of what came out."""
    idle, most, received = await _through(folder, frames, CHANGES[change])
    print(f"{change}, {frames * FRAME_BYTES // MIB} MiB: idle {idle:.0f} MiB, at most {most:.0f} MiB")

    assert pixels_of(received, frames) == pixels_of(folder / "large.dcm", frames)
    assert most - idle < 100
    return dcmread(received, stop_before_pixels=True)


def _is_changed(head: Dataset, change: str) -> None:
    """Assert that what came out is what the change makes of the original."""
    told = (head.SOPInstanceUID == "2.25.1", head.PatientID)
    assert told == {
        "as it is": (True, "TEST0001"),
        "a tag set": (True, "REGION-7"),
        "de-identified": (False, ""),
    }.get(change)
    assert head.file_meta.MediaStorageSOPInstanceUID == head.SOPInstanceUID
    assert head.NumberOfFrames


@pytest.mark.parametrize("change", ["as it is", "de-identified"])
async def test_a_large_object_in_and_out_costs_less_than_100_mib(tmp_path: Path, change: str) -> None:
    _is_changed(await _is_cheap(tmp_path, 64, change), change)


@pytest.mark.soak
@pytest.mark.parametrize("change", CHANGES)
async def test_a_gigabyte_in_and_out_costs_less_than_100_mib(tmp_path: Path, change: str) -> None:
    _is_changed(await _is_cheap(tmp_path, FRAMES, change), change)
