"""A worklist in a store of its own, fed by synthetic orders, for tests of what modalities are answered."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from engine.runtime.worklists.projection import StoredWorklists
from engine.spi import Told
from engine.store.protocol import Store
from engine.store.sqlite.store import open_sqlite
from engine.testing.virtual_clock import VirtualClock
from tests.store.making import NINE, acceptance, message

HOUSE = {"zone": "America/Toronto"}
MONTH_MS = 30 * 86_400_000
_deliveries = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Fed:
    """A worklist `ris` and what feeds it."""

    store: Store
    worklists: StoredWorklists

    async def tell(self, kind: str, data: Mapping[str, Any], *, house: Mapping[str, str] = HOUSE) -> bool:
        """Deliver one event."""
        document = json.dumps({"specversion": "1.0", "type": kind, "data": data}).encode()
        accepted = await self.store.accept(acceptance(of=message(body=document), renderings=()))
        told = Told(document, "", next(_deliveries), accepted.message_id, house, MONTH_MS)
        return await self.worklists.learn("ris", told)


@asynccontextmanager
async def fed(folder: Path) -> AsyncIterator[Fed]:
    """Open a store with an empty worklist."""
    clock = VirtualClock(NINE)
    async with open_sqlite(folder / "store.db", clock=clock, ballast_bytes=0) as store:
        yield Fed(store, StoredWorklists(store, clock))


def order(
    number: str = "1",
    *,
    control: str = "placed",
    at: str = "2026-11-02T08:00:00-05:00",
    start: str | None = "2026-11-03T09:15:00-05:00",
    modality: str = "CT",
    station: str = "CT1",
    patient: str = "700123",
    family: str = "Tremblay",
    given: str = "Am\u00e9lie",
    **more: Any,
) -> dict[str, Any]:
    """Return the data of an order event, as the mapper `imaging-order` makes them."""
    step: dict[str, Any] = {
        "accession": {"value": f"A{number}"},
        "procedureId": {"value": f"RP{number}"},
        "studyUid": {"value": f"1.2.826.0.1.3680043.2.1.{number}"},
        "id": {"value": f"SPS{number}"},
        "modality": {"code": modality},
        "stationAe": [station],
        "protocols": [{"code": "CTCHEST", "text": "CT thorax", "system": "local"}],
        "locations": [{"code": "R1", "text": "Salle 1"}],
    }
    wanted: dict[str, Any] = {
        "control": control,
        "placerId": {"value": f"P{number}", "authority": "DME"},
        "fillerId": {"value": f"F{number}", "authority": "RIS"},
        "at": at,
        "service": {"code": "24627-2", "text": "CT Chest", "system": "loinc"},
        "priority": "routine",
        "orderedBy": {"family": "Prescripteur", "given": "Rose"},
        "reasons": [{"code": "R05", "text": "Toux"}],
        "imaging": {"steps": [step]},
        **more,
    }
    if start is not None:
        wanted["timing"] = {"start": start}
    return {
        "orders": [wanted],
        "patient": {
            "identifiers": [{"value": patient, "authority": "HSJ", "type": "MR"}],
            "names": [{"family": family, "given": given}],
            "birthDate": "1990-05-14",
            "sex": "female",
        },
        "message": {"sentAt": at, "controlId": f"C{number} {control} {at}"},
    }


def query(step: Mapping[str, Any] | None = None, **keys: Any) -> Dataset:
    """Return a query with the usual return keys, and what is asked for."""
    asked, inner = Dataset(), Dataset()
    for keyword in (
        "AccessionNumber", "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
        "RequestedProcedureID", "RequestedProcedureDescription", "ReferringPhysicianName",
    ):  # fmt: skip
        setattr(asked, keyword, "")
    for keyword in (
        "ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime",
        "Modality", "ScheduledProcedureStepID", "ScheduledProcedureStepDescription",
    ):  # fmt: skip
        setattr(inner, keyword, "")
    for keyword, value in (step or {}).items():
        setattr(inner, keyword, value)
    asked.ScheduledProcedureStepSequence = [inner]
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    return asked
