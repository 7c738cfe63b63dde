"""Validation by HL7's own structures: what is told, what never is, and where a route may ask for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.codecs.hl7v2.message import Er7
from engine.codecs.hl7v2.reading import parse
from engine.errors import ConfigurationError, Rejected
from engine.model import Disposition
from engine.runtime.routing import structure
from engine.runtime.routing.structure import Finding, Structures
from tests.runtime.receiving.house import house
from tests.runtime.receiving.project import CONFIG, assembled

GOOD = (
    b"MSH|^~\\&|ADT|HSJ|RIS|LABO|20260114093012||ADT^A01^ADT_A01|MSG00001|P|2.5.1\r"
    b"EVN||20260114093012\rPID|1||000123^^^HSJ^MR||ESSAI^PATIENT||19700131|F\rPV1|1|I|2N^214^1\r"
)
HL7_CONFIG = CONFIG.replace("listen:\n", "listen:\n  labo: {file: labo, codec: hl7v2}\n")
ROUTE = """
route: judged
from: labo
acknowledge: stored
steps: [validate: hl7v2]
to: [clinique-abc.emr]
"""


def message(data: bytes = GOOD) -> Er7:
    return parse(data)


async def test_a_good_message_has_no_findings() -> None:
    assert await Structures().findings(message()) == ()


async def test_what_is_missing_or_in_no_table_is_told_by_its_path_without_values() -> None:
    bad = GOOD.replace(b"000123^^^HSJ^MR||ESSAI^PATIENT", b"||").replace(b"|F\r", b"|SECRET\r")
    found = await Structures().findings(message(bad))
    assert Finding("error", "PID-3", "is required and missing") in found
    assert Finding("error", "PID-5", "is required and missing") in found
    assert Finding("warning", "PID-8", "is not in table HL70001") in found
    assert "SECRET" not in repr(found)


async def test_a_missing_segment_is_told_by_its_name() -> None:
    found = await Structures().findings(message(GOOD.replace(b"EVN||20260114093012\r", b"")))
    assert found == (Finding("error", "EVN", "is required and missing"),)


async def test_a_version_that_hl7apy_does_not_know_is_told() -> None:
    (found,) = await Structures().findings(message(GOOD.replace(b"2.5.1", b"2.9")))
    assert found == Finding("error", "MSH", "cannot be judged by hl7apy: UnsupportedVersion")


async def test_line_ends_make_no_difference() -> None:
    assert await Structures().findings(message(GOOD.replace(b"\r", b"\r\n"))) == ()


async def test_a_slow_judge_is_ended() -> None:
    with pytest.raises(Rejected, match="took longer than"):
        await Structures(deadline=0.001).findings(message())


async def test_a_message_that_is_too_large_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "MOST_BYTES", 100)
    with pytest.raises(Rejected, match="more than 100 bytes"):
        await Structures().findings(message())


async def test_warnings_are_no_reason_to_refuse() -> None:
    await Structures().check(message(GOOD.replace(b"|F\r", b"|Z\r")))


async def test_errors_refuse_and_each_is_a_fault() -> None:
    with pytest.raises(Rejected) as caught:
        await Structures().check(message(GOOD.replace(b"PV1|1|I|", b"PV1|1||")))
    assert [(fault.path, fault.code) for fault in caught.value.faults] == [("PV1-2", "structure")]


@pytest.mark.parametrize(("data", "refused"), [(GOOD, False), (GOOD.replace(b"PV1|1|I|", b"PV1|1||"), True)])
async def test_a_stored_message_is_judged_before_it_is_routed(
    tmp_path: Path, data: bytes, refused: bool
) -> None:
    async with house(tmp_path, assembled(tmp_path, ROUTE, config=HL7_CONFIG)) as inside:
        how = {"listener": "labo", "selector": "", "codec": "hl7v2"}
        receipt = await inside.post(data, content_type="x-application/hl7-v2+er7", **how)
        assert receipt.disposition is Disposition.ACCEPTED
        waiting = await inside.only()
        async with asyncio.timeout(30):
            if refused:
                with pytest.raises(Rejected, match="PV1-2 is required"):
                    await inside.router(waiting)
            else:
                settlement = await inside.router(waiting)
                assert [row.destination for row in settlement.spawn] == ["clinique-abc.emr"]


@pytest.mark.parametrize(
    ("route", "told"),
    [
        (ROUTE.replace("acknowledge: stored\n", ""), "its sender would wait"),
        (ROUTE.replace("from: labo", "from: folder"), "only HL7 v2 has these structures"),
        (ROUTE.replace("from: labo\n", ""), "another route hands on"),
        (
            "route: late\nfrom: labo\nto: [{endpoint: clinique-abc.emr, steps: [validate: hl7v2]}]\n",
            "as it was received",
        ),
    ],
)
def test_where_it_cannot_stand_is_told_by_check(tmp_path: Path, route: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        assembled(tmp_path, route, config=HL7_CONFIG)
