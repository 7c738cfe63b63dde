"""A worklist of ten thousand steps: each form of query is held by the work that it makes, not by a clock alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from pydicom.dataset import Dataset

from channels._dicom.commands import C_FIND_RQ
from channels._dicom.dialling import dial
from channels._dicom.proposing import Proposal
from channels._dicom.requesting import Answer, Requestor
from channels.dicom.worklist.scheduling import MODALITY_WORKLIST
from engine.codecs.dicom.encoding import encode
from engine.runtime.worklists.projection import StoredWorklists
from engine.spi import Narrow, Page
from engine.store.scheduling import Said, StepRow, Story
from engine.testing.channels import channel_context
from engine.testing.virtual_clock import VirtualClock
from tests.channels.dicom.dispatching import endpoint
from tests.channels.dicom.serving import listening
from tests.channels.dicom.worklists import fed, order, query
from tests.store.making import NINE

WORKLIST = "large"
STEPS, A_DAY = 10_000, 400
MODALITIES = ("CT", "MR", "US", "CR", "DX", "MG", "NM", "PT")
EXPLICIT = "1.2.840.10008.1.2.1"
SECONDS = 5.0
"""Ten times what a query may take: other programs may run beside the tests."""


class Counting(StoredWorklists):
    """Counts the steps that are read as a whole, and those that are judged by some of their attributes."""

    read = judged = 0

    async def page(self, worklist: str, narrow: Narrow, *, limit: int, after: str = "") -> Page:
        if (wanted := narrow.wanted) is not None:

            def judge(found: Mapping[str, Any]) -> bool:
                self.judged += 1
                return wanted(found)

            narrow = replace(narrow, wanted=judge)
        page = await super().page(worklist, narrow, limit=limit, after=after)
        self.read += len(page.steps)
        return page


def derived(story: Story, *, template: StepRow) -> list[StepRow]:
    """Return a day of steps, which differ as those of a hospital do."""
    day = int(json.loads(story.orders[0].content))
    made = []
    for at in range(A_DAY):
        number = str(day * A_DAY + at)
        modality, station = MODALITIES[at % 8], f"{MODALITIES[at % 8]}{at % 3}"
        date, moment = f"2026{11 + day // 30:02}{1 + day % 30:02}", f"{7 + at // 40:02}{at % 40:02}00"
        content = template.content.replace("4711", number).replace("20261103", date).replace("091500", moment)
        content = content.replace('"CT"', f'"{modality}"').replace('"CT1"', f'"{station}"')
        content = content.replace("700123", f"70{number:0>5}").replace("Tremblay", f"Tremblay{number}")
        row = replace(template, number=at + 1, day=date, moment=moment, modality=modality, station=station)
        found: dict[str, Any] = {
            "patient": f"70{number:0>5}",
            "accession": f"A{number}",
            "name": f"=tremblay{number}^amelie=",
        }
        made.append(replace(row, study=f"1.2.826.0.1.3680043.2.1.{number}", content=content, **found))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a store that holds the worklist."""
    made = tmp_path_factory.mktemp("scale")
    asyncio.run(filled(made))
    return made


async def filled(folder: Path) -> None:
    async with fed(folder) as house:
        await house.tell("order-placed", order("4711"))
        [template] = await house.store.worklists.steps("ris", Narrow(), limit=1)
        for day in range(STEPS // A_DAY):
            said = Said((f"day {day}",), (), day, day, 0, day.to_bytes(4, "big"), str(day))
            await house.store.worklists.say(WORKLIST, [said], partial(derived, template=template))


def asked(requestor: Requestor, identifier: Dataset) -> tuple[int, int]:
    """Return how many answers a query has, and its last status."""
    answers: list[Answer] = list(
        requestor.ask(
            C_FIND_RQ,
            MODALITY_WORKLIST,
            data=encode(identifier, EXPLICIT),
            elements={0x0002: MODALITY_WORKLIST.encode(), 0x0700: b"\0\0"},
            seconds=30,
        )
    )
    requestor.release()
    return len(answers) - 1, answers[-1].status


DAY = "20261111"
LOOKED_UP: dict[str, tuple[Dataset, int]] = {
    "day": (query(step={"ScheduledProcedureStepStartDate": DAY}), 400),
    "day and station": (
        query(step={"ScheduledProcedureStepStartDate": DAY, "ScheduledStationAETitle": "CT1"}),
        16,
    ),
    "day and modality": (query(step={"ScheduledProcedureStepStartDate": DAY, "Modality": "CT"}), 50),
    "days, modality": (
        query(step={"ScheduledProcedureStepStartDate": "20261111-20261113", "Modality": "MR"}),
        150,
    ),
    "times of all days": (query(step={"ScheduledProcedureStepStartTime": "0700-0701"}), 50),
    "times of a day": (
        query(step={"ScheduledProcedureStepStartDate": DAY, "ScheduledProcedureStepStartTime": "0700-0759"}),
        40,
    ),
    "patient": (query(PatientID="7004711"), 1),
    "accession": (query(AccessionNumber="A4711"), 1),
    "study": (query(StudyInstanceUID="1.2.826.0.1.3680043.2.1.4711"), 1),
    "name": (query(PatientName="Tremblay4711^Amelie"), 1),
    "beginning of a name": (query(PatientName="TREMBLAY471*"), 11),
    "nobody": (query(PatientID="nobody"), 0),
}
"""Queries that the columns of the store answer, and how many answers they have."""

HELD: dict[str, tuple[Dataset, int]] = {
    "accession with wildcards": (query(AccessionNumber="A47*1"), 11),
    "patient with wildcards": (query(PatientID="700471?"), 10),
    "order": (query(PlacerOrderNumberImagingServiceRequest="P4711"), 1),
    "procedure": (query(RequestedProcedureID="RP4711"), 1),
    "step": (query(step={"ScheduledProcedureStepID": "SPS4711"}), 1),
    "state": (query(step={"ScheduledProcedureStepStatus": "STARTED"}), 0),
    "birth": (query(PatientBirthDate="19800101"), 0),
}
"""Queries whose texts stand in the answers as they are asked for."""

JUDGED: dict[str, tuple[Dataset, int]] = {
    "births": (query(PatientBirthDate="19800101-19801231"), 0),
    "studies": (
        query(StudyInstanceUID=["1.2.826.0.1.3680043.2.1.1", "1.2.826.0.1.3680043.2.1.4711"]),
        2,
    ),
    "days and times as one": (
        query(
            step={
                "ScheduledProcedureStepStartDate": "20261111-20261112",
                "ScheduledProcedureStepStartTime": "1200-0730",
            }
        ),
        231,
    ),
}
"""Queries for which steps are looked at, each by the few attributes that are asked for."""


async def answered(folder: Path, identifier: Dataset) -> tuple[int, Counting]:
    """Return how many answers a query has, and what it took; fails where it takes far too long."""
    async with fed(folder) as house:
        worklists = Counting(house.store, VirtualClock(NINE))
        async with listening(worklists=worklists, worklist=WORKLIST) as door:
            config = endpoint(door.port, calling="CT1").model_copy(update={"ae_title": "PASSERELLE"})
            proposal = Proposal(MODALITY_WORKLIST, (EXPLICIT,))
            requestor = await dial(config, channel_context(folder), [proposal])
            begun = monotonic()
            try:
                count, status = await asyncio.to_thread(asked, requestor, identifier)
            finally:
                requestor.close()
            assert monotonic() - begun < SECONDS
            assert status == 0x0000
            return count, worklists


@pytest.mark.parametrize("form", sorted(LOOKED_UP))
async def test_what_columns_say_is_looked_up(folder: Path, form: str) -> None:
    identifier, expected = LOOKED_UP[form]
    count, work = await answered(folder, identifier)
    assert (count, work.read, work.judged) == (expected, expected, 0)


@pytest.mark.parametrize("form", sorted(HELD))
async def test_what_stands_in_a_step_is_judged_where_it_stands(folder: Path, form: str) -> None:
    identifier, expected = HELD[form]
    count, work = await answered(folder, identifier)
    assert (count, work.read) == (expected, expected + 1), "one step shows what the worklist knows"
    assert work.judged <= STEPS // 50


@pytest.mark.parametrize("form", sorted(JUDGED))
async def test_no_step_is_read_that_is_not_answered(folder: Path, form: str) -> None:
    identifier, expected = JUDGED[form]
    count, work = await answered(folder, identifier)
    assert count == expected
    assert work.read <= expected + 1
    assert work.judged <= STEPS


async def test_pages_give_every_step_once_in_order(folder: Path) -> None:
    shown: list[str] = []
    async with fed(folder) as house:
        after = ""
        while len(shown) <= STEPS:
            page = await house.worklists.page(WORKLIST, Narrow(), limit=499, after=after)
            shown += page.steps
            after = page.following
            if not after:
                break
    places = [
        (step["00400002"]["Value"][0], step["00400003"]["Value"][0])
        for step in (json.loads(text)["00400100"]["Value"][0] for text in shown)
    ]
    assert (len(shown), len(set(shown))) == (STEPS, STEPS)
    assert places == sorted(places)


async def test_a_step_that_goes_takes_no_other_with_it(tmp_path: Path) -> None:
    async with fed(tmp_path) as house:
        for number in range(6):
            await house.tell("order-placed", order(str(number), start=f"2026-11-03T0{number}:00:00-05:00"))

        first = await house.worklists.page("ris", Narrow(), limit=3)
        await house.tell("order-cancelled", order("0", control="cancelled", at="2026-11-02T09:00:00-05:00"))
        second = await house.worklists.page("ris", Narrow(), limit=3, after=first.following)

    shown = [json.loads(text)["00080050"]["Value"][0] for text in (*first.steps, *second.steps)]
    assert shown == [f"A{number}" for number in range(6)]
