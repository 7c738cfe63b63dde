"""The same order or appointment feeds a worklist alike, whether it came by HL7 v2 or as FHIR."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.config.two_way import two_way
from engine.spi import Narrow
from tests.channels.dicom.worklists import fed

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "mappings" / "golden"


def events(mapper: str, golden: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the event of a golden folder as it is read from FHIR, and as it was written down."""
    found = two_way(ROOT, mapper)
    assert found is not None
    folder = GOLDEN / mapper / golden
    by_fhir = found.get("fhir", json.loads((folder / "fhir.json").read_text())).data
    by_hl7 = json.loads((folder / "event.json").read_text())
    return [(found.event_type(each), each) for each in (by_fhir, by_hl7)]


@pytest.mark.parametrize(
    ("mapper", "golden", "tags"),
    [
        ("imaging-order", "omi-two-steps", ("00100020", "00100010", "00402016", "00402017")),
        ("appointment", "booking", ("00100020", "00100010", "00100030")),
    ],
)
async def test_fhir_says_what_hl7_says(
    tmp_path: Path, mapper: str, golden: str, tags: tuple[str, ...]
) -> None:
    shown = []
    for number, (kind, data) in enumerate(events(mapper, golden)):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with fed(folder) as house:
            assert await house.tell(kind, data)
            steps = await house.worklists.steps("ris", Narrow(), limit=9)
            first = json.loads(steps[0])
            begins = [first["00400100"]["Value"][0][tag].get("Value") for tag in ("00400002", "00400003")]
            shown.append(({tag: first[tag] for tag in tags}, begins))

    assert shown[0] == shown[1]
    assert shown[0][1][0] is not None
