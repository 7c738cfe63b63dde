"""The same steps, the same queries: what DCMTK's wlmscpfs answers, and what we answer.

Where both differ it is on purpose, and stands in `DIFFERENT` with its reason.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association

from channels.dicom.worklist.scheduling import MODALITY_WORKLIST
from engine.codecs.dicom.json_model import from_json, to_json
from engine.spi import Narrow
from tests.channels.dicom.serving import listening
from tests.channels.dicom.worklists import Fed, fed, order, query
from tests.peers.dcmtk import BINARIES
from tests.peers.ports import free_port

CHARSET = "00080005"
STEPS = (
    {"patient": "700001", "family": "Tremblay", "given": "Amélie", "start": "2026-11-03T08:00:00-05:00"},
    {"patient": "700002", "family": "TREMBLAY", "given": "Luc", "start": "2026-11-03T09:30:00-05:00"},
    {"patient": "700003", "family": "Gagnon", "given": "Paul", "start": "2026-11-03T13:15:00-05:00"},
    {"patient": "700004", "family": "Côté", "given": "Noémie", "start": "2026-11-04T07:45:00-05:00"},
    {"patient": "700005", "family": "Roy", "given": "Zoé", "start": "2026-11-04T10:00:00-05:00"},
    {"patient": "700006", "family": "Roy-Tremblay", "given": "Ana", "start": "2026-11-05T16:20:00-05:00"},
    {"patient": "71", "family": "Bélanger", "given": "Guy", "start": "2026-11-05T23:59:59-05:00"},
    {"patient": "700008", "family": "Lavoie", "given": "Ève", "start": "2026-12-01T00:00:00-05:00"},
)
PLACES = (("CT", "CT1"), ("MR", "MR1"), ("CT", "CT2"), ("US", "US1"))

DATES = (
    "20261103",
    "20261103-20261104",
    "20261104-",
    "-20261104",
    "20261201",
    "20250101",
    "20261105-20261105",
)
TIMES = ("080000", "0800-0930", "1300-", "-0800", "235959")
QUERIES: dict[str, Dataset] = {
    "everything": query(),
    **{f"day {day}": query(step={"ScheduledProcedureStepStartDate": day}) for day in DATES},
    **{f"time {time}": query(step={"ScheduledProcedureStepStartTime": time}) for time in TIMES},
    **{
        f"modality {name}": query(step={"Modality": name})
        for name in ("CT", "MR", "US", "XA", "C*", "?R", "*")
    },
    **{f"station {name}": query(step={"ScheduledStationAETitle": name}) for name in ("CT1", "CT2", "NONE")},
    **{
        f"patient {value}": query(PatientID=value)
        for value in ("700001", "7000*", "7?", "70000?", "*1", "none")
    },
    **{
        f"name {name}": query(SpecificCharacterSet="ISO_IR 100", PatientName=name)
        for name in (
            "Roy^Zoé",
            "Roy*",
            "*Tremblay*",
            "Côté^Noémie",
            "C?t?^*",
            "tremblay*",
            "Roy",
            "*",
            "Lavoie^Eve",
        )
    },
    **{f"accession {value}": query(AccessionNumber=value) for value in ("A3", "A?", "A9")},
    "study": query(StudyInstanceUID="1.2.826.0.1.3680043.2.1.2"),
    "procedure": query(RequestedProcedureID="RP5"),
    "modality and day": query(step={"Modality": "CT", "ScheduledProcedureStepStartDate": "20261103"}),
    "station, day and name": query(
        step={"ScheduledStationAETitle": "CT1", "ScheduledProcedureStepStartDate": "20261103-20261105"},
        PatientName="R*",
    ),
    "from a day and time to another": query(
        step={
            "ScheduledProcedureStepStartDate": "20261103-20261105",
            "ScheduledProcedureStepStartTime": "0900-1000",
        }
    ),
    "protocol": query(
        step={"ScheduledProtocolCodeSequence": [Dataset()], "ScheduledProcedureStepLocation": ""}
    ),
    "sex and birth": query(PatientSex="F", PatientBirthDate="19900514"),
}

_WILD = "wlmscpfs knows no wildcards in this attribute (PS3.4 C.2.2.2.4 gives them to its VR)"
_NAMES = "names match whatever their case and accents, as PS3.4 C.2.2.2.1.1 allows; those of wlmscpfs do not"
DIFFERENT: dict[str, str] = {
    **dict.fromkeys(
        ("modality C*", "modality ?R", "patient 7000*", "patient 7?", "patient 70000?", "patient *1"), _WILD
    ),
    **dict.fromkeys(("name *Tremblay*", "name tremblay*", "name Lavoie^Eve"), _NAMES),
    "study": "wlmscpfs does not match by Study Instance UID, and answers every step",
    "protocol": "wlmscpfs adds an empty Coding Scheme Version to each code",
}


@asynccontextmanager
async def wlmscpfs(folder: Path) -> AsyncIterator[int]:
    """Run DCMTK's worklist server over the files of a folder; stopped on leaving."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        BINARIES / "wlmscpfs", "-dfr", "-csk", "-dfp", str(folder), str(port),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(answers, port):
                pass  # each turn is an attempt to connect: nobody tells when DCMTK listens
        yield port
    finally:
        process.terminate()
        await process.wait()


def answers(port: int) -> bool:
    """Say whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def associated(port: int) -> Iterator[Association]:
    entity = AE("CT1")
    entity.add_requested_context(MODALITY_WORKLIST, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title="RIS")
    assert association.is_established
    try:
        yield association
    finally:
        association.release()


def answered(port: int, asked: Dataset) -> list[dict[str, Any]]:
    """Return all answers as JSON, in order of their accession numbers."""
    with associated(port) as association:
        found = [identifier for _, identifier in association.send_c_find(asked, MODALITY_WORKLIST)]
    models = [to_json(each) for each in found if each is not None]
    for model in models:
        model.pop(CHARSET, None)
    return sorted(models, key=lambda model: json.dumps(model, sort_keys=True))


async def written(house: Fed, folder: Path) -> None:
    """Write the steps of our worklist as the files of another."""
    place = folder / "RIS"
    place.mkdir()
    (place / "lockfile").touch()
    for number, text in enumerate(await house.worklists.steps("ris", Narrow(), limit=100)):
        made = from_json({CHARSET: {"vr": "CS", "Value": ["ISO_IR 192"]}, **json.loads(text)})
        latin = Dataset()
        latin.update(made)
        latin.SpecificCharacterSet = "ISO_IR 100"
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = UID(MODALITY_WORKLIST)
        meta.MediaStorageSOPInstanceUID = UID(f"1.2.3.{number}")
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = place / f"{number}.wl"
        FileDataset(str(path), latin, file_meta=meta, preamble=b"\x00" * 128).save_as(
            path, enforce_file_format=True
        )


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Fed]:
    async with fed(tmp_path) as opened:
        for number, step in enumerate(STEPS):
            modality, station = PLACES[number % len(PLACES)]
            await opened.tell("order-placed", order(str(number), modality=modality, station=station, **step))
        yield opened


async def test_the_same_queries_have_the_same_answers(house: Fed, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    await written(house, folder)
    different = {}
    async with (
        wlmscpfs(folder) as theirs,
        listening(worklists=house.worklists, worklist="ris", ae_title="RIS") as door,
    ):
        for name, asked in QUERIES.items():
            one = await asyncio.to_thread(answered, theirs, asked)
            other = await asyncio.to_thread(answered, door.port, asked)
            if one != other:
                different[name] = (len(one), len(other))
    assert len(QUERIES) >= 30
    assert set(different) == set(DIFFERENT), different
