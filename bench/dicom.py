"""C-STORE in, and in and out: 500 CT images of 0.5 MB and 10 multi-frame objects of 50 MB, from DCMTK's storescu.

    python -m bench dicom            kept in bench/figures.json
    python -m bench.dicom            printed only

The same sender sends the same files, one association at a time, to DCMTK's storescp, to Orthanc, to the engine that
stores them, and to the engine that hands them on to another storescp: there the last file at that storescp ends the
time. The engine's commit, its index and its journal are those of every message, with fsync; storescp has none of them.
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from bench import processes
from bench.processes import Failed, Process, free_port

ROUNDS = 3
SECONDS = 300.0
_CT = UID("1.2.840.10008.5.1.4.1.1.2")
_ENHANCED_CT = UID("1.2.840.10008.5.1.4.1.1.2.1")
_CONFIG = """\
engine: {{name: bench}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
listen:
  images: {{dicom: 127.0.0.1:{port}, unmatched: filtered}}
partners:
  archive: {{endpoints: {{pacs: {{dicom: 127.0.0.1:{sink}, ae_title: SINK, phi: full}}}}}}
"""
_ROUTE = "route: images\nfrom: images\nto: [archive.pacs]\n"


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: how many objects of how many frames of 512 x 512 x 16 bits."""

    name: str
    count: int
    frames: int


LOADS = (Load("500 x 0.5 MB", 500, 1), Load("10 x 50 MB", 10, 100))


def measure() -> dict[str, dict[str, float]]:
    """Return seconds by load and receiver (medians), the engine's memory in MB, and how it compares with Orthanc."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as name:
        folder = Path(name)
        for number, load in enumerate(LOADS):
            files = folder / f"load-{number}"
            write(files, load)
            found[load.name] = _one(folder / f"runs-{number}", files, load)
            print(load.name, found[load.name], flush=True)
            shutil.rmtree(files)
    return found


def write(folder: Path, load: Load) -> None:
    """Write made-up objects with the usual private elements of a scanner, whose pixels do not compress."""
    folder.mkdir(parents=True)
    pixels = random.Random(1).randbytes(512 * 512 * 2 * load.frames)
    for number in range(load.count):
        dcmwrite(folder / f"{number:04}.dcm", _image(number, load, pixels), enforce_file_format=True)


def _image(number: int, load: Load, pixels: bytes) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = _CT if load.frames == 1 else _ENHANCED_CT
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    made.StudyInstanceUID, made.SeriesInstanceUID = "2.25.1", "2.25.2"
    made.PatientName, made.PatientID, made.StudyID, made.AccessionNumber = "Essai^Mesure", "TEST1", "1", "A1"
    made.StudyDate, made.StudyTime, made.Modality = "20260102", "101500", "CT"
    made.InstanceNumber, made.SeriesNumber = number + 1, 1
    made.add_new((0x0019, 0x0010), "LO", "SCANNER")
    for element in range(60):
        made.add_new((0x0019, 0x1000 + element), "LO", f"value {element}")
    made.Rows = made.Columns = 512
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    if load.frames > 1:
        made.NumberOfFrames = load.frames
    made.add_new(0x7FE00010, "OW", pixels)
    return made


# --------------------------------------------------------------------------- one load at every receiver


def _one(folder: Path, files: Path, load: Load) -> dict[str, float]:
    seconds: dict[str, list[float]] = {}
    rss = 0.0
    for number in range(ROUNDS):
        for name, receiver in _RECEIVERS.items():
            took, used = receiver(folder / f"{name.replace(' ', '-')}-{number}", files, load)
            seconds.setdefault(name, []).append(took)
            rss = max(rss, used)
            print(f"  {load.name} to {name}: {took:.2f} s", flush=True)
    medians = {f"{name}, s": statistics.median(each) for name, each in seconds.items()}
    orthanc = statistics.median(seconds["orthanc"])
    return {
        **medians,
        "in, of orthanc": orthanc / statistics.median(seconds["engine in"]),
        "in and out, of orthanc": orthanc / statistics.median(seconds["engine in and out"]),
        "engine rss_mb": rss,
    }


def _storescp(folder: Path, files: Path, load: Load) -> tuple[float, float]:
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        port = _sink(stack, folder, "STORE")
        return _sent(files, port, "STORE"), 0.0


def _orthanc(folder: Path, files: Path, load: Load) -> tuple[float, float]:
    folder.mkdir(parents=True)
    port = free_port()
    written = {
        "StorageDirectory": str(folder / "s"),
        "IndexDirectory": str(folder / "s"),
        "HttpServerEnabled": False,
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "DicomAlwaysAllowStore": True,
        "UnknownSopClassAccepted": True,
        "Plugins": [],
    }
    (folder / "o.json").write_text(json.dumps(written))
    with Process(["/usr/sbin/Orthanc", str(folder / "o.json")], folder=folder, reads="stderr") as server:
        server.line_with("Orthanc has started")
        return _sent(files, port, "ORTHANC"), 0.0


def _stores(folder: Path, files: Path, load: Load) -> tuple[float, float]:
    port = _project(folder, sink=9, routed=False)
    with processes.engine(folder) as engine:
        took = _sent(files, port, "PASSERELLE")
        used = engine.use().peak_kb / 1024
        engine.stop()
    return took, used


def _forwards(folder: Path, files: Path, load: Load) -> tuple[float, float]:
    with ExitStack() as stack:
        (folder / "sink").mkdir(parents=True)
        sink = _sink(stack, folder / "sink", "SINK")
        port = _project(folder, sink=sink, routed=True)
        engine = stack.enter_context(processes.engine(folder))
        begun = time.monotonic()
        _sent(files, port, "PASSERELLE")
        took = _until(lambda: len(list((folder / "sink").iterdir())) >= load.count, begun)
        _until(lambda: _delivered(folder) == load.count, begun)
        used = engine.use().peak_kb / 1024
        engine.stop()
    return took, used


_Receiver = Callable[[Path, Path, Load], tuple[float, float]]
_RECEIVERS: Mapping[str, _Receiver] = {
    "storescp": _storescp,
    "orthanc": _orthanc,
    "engine in": _stores,
    "engine in and out": _forwards,
}


def _project(folder: Path, *, sink: int, routed: bool) -> int:
    (folder / "routes").mkdir(parents=True)
    port = free_port()
    (folder / "config.yaml").write_text(_CONFIG.format(port=port, sink=sink))
    if routed:
        (folder / "routes" / "images.yaml").write_text(_ROUTE)
    return port


def _sink(stack: ExitStack, folder: Path, title: str) -> int:
    port = free_port()
    words = ["/usr/bin/storescp", "-od", str(folder), "-aet", title, "--bit-preserving", "--fork", str(port)]
    stack.enter_context(Process(words, folder=folder, reads="stderr"))
    _until(lambda: _greets(port, title), time.monotonic())
    return port


def _greets(port: int, title: str) -> bool:
    words = ["/usr/bin/echoscu", "-aec", title, "127.0.0.1", str(port)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _sent(files: Path, port: int, title: str) -> float:
    words = ["/usr/bin/storescu", "-R", "-aec", title, "+sd", "127.0.0.1", str(port), str(files)]
    begun = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=SECONDS)
    if done.returncode:
        raise Failed(f"storescu ended with {done.returncode}: {done.stderr[-400:]}")
    return time.monotonic() - begun


def _delivered(folder: Path) -> int:
    states = processes.asked(folder, "reconcile")["states"]
    assert isinstance(states, dict)
    return int(states.get("delivered", 0))


def _until(holds: Callable[[], bool], begun: float) -> float:
    while not holds():
        if time.monotonic() - begun > SECONDS:
            raise Failed("what was sent did not arrive")
        time.sleep(0.02)
    return time.monotonic() - begun


if __name__ == "__main__":
    measure()
