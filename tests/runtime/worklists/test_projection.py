"""What a worklist makes of events: every order control, re-orders, merges, appointments; and always the same."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Rejected
from engine.spi import Narrow
from tests.channels.dicom.worklists import Fed, fed, order
from tests.runtime.worklists.histories import appointment, deliver, history, merge, moment, shown


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Fed]:
    async with fed(tmp_path) as opened:
        yield opened


async def visible(house: Fed) -> list[dict[str, Any]]:
    return [json.loads(text) for text in await house.worklists.steps("ris", Narrow(), limit=100)]


def text(item: dict[str, Any], tag: str) -> str:
    value = item.get(tag, {}).get("Value", [""])[0]
    return str(value.get("Alphabetic", "")) if isinstance(value, dict) else str(value)


def step(item: dict[str, Any], tag: str) -> str:
    return text(item["00400100"]["Value"][0], tag)


@pytest.mark.parametrize(
    ("control", "status", "seen"),
    [
        ("placed", None, True),
        ("changed", None, True),
        ("change-wanted", None, True),
        ("replacement", None, True),
        ("cancellation-wanted", None, False),
        ("cancelled", None, False),
        ("discontinuation-wanted", None, False),
        ("discontinued", None, False),
        ("replaced", None, False),
        ("held", None, False),
        ("unable-to-cancel", None, True),
        ("status-changed", "scheduled", True),
        ("status-changed", "in-process", True),
        ("status-changed", "completed", False),
        ("status-changed", "cancelled", False),
        ("results-follow", None, True),
    ],
)
async def test_an_order_control_means_what_it_says(
    house: Fed, control: str, status: str | None, seen: bool
) -> None:
    await house.tell("order-placed", order())
    await house.tell("order-modified", order(control=control, status=status, at=moment(5)))

    assert bool(await visible(house)) is seen


async def test_a_change_moves_the_step_and_an_order_that_is_placed_again_is_back(house: Fed) -> None:
    await house.tell("order-placed", order())
    await house.tell(
        "order-modified", order(control="changed", at=moment(1), start="2026-11-09T10:30:00-05:00")
    )
    [moved] = await visible(house)
    assert (step(moved, "00400002"), step(moved, "00400003")) == ("20261109", "103000")

    await house.tell("order-cancelled", order(control="cancellation-wanted", at=moment(2), start=None))
    assert await visible(house) == []

    await house.tell("order-placed", order(at=moment(3), start=None))
    [again] = await visible(house)
    assert text(again, "00080050") == "A1"


async def test_a_late_or_repeated_event_does_no_harm(house: Fed) -> None:
    placed = order()
    await house.tell("order-placed", placed)
    await house.tell("order-cancelled", order(control="cancelled", at=moment(9)))

    assert await house.tell("order-placed", placed) is False
    await house.tell("order-modified", order(control="changed", at=moment(4)))

    assert await visible(house) == []


async def test_merged_patients_are_answered_as_who_they_are_now(house: Fed) -> None:
    await house.tell("order-placed", order(patient="PAT1"))
    await house.tell(*merge("PAT1", "PAT2", 5))

    [found] = await visible(house)
    assert (text(found, "00100020"), text(found, "00100010")) == ("PAT2", "FamilyPAT2^Given")
    assert len(await house.worklists.steps("ris", Narrow(patient="PAT2"), limit=9)) == 1
    assert await house.worklists.steps("ris", Narrow(patient="PAT1"), limit=9) == []

    await house.tell("order-modified", order(patient="PAT1", control="changed", at=moment(8)))
    [found] = await visible(house)
    assert text(found, "00100020") == "PAT2"  # an order that still speaks of who is no more


async def test_ids_of_another_house_are_other_ids(house: Fed) -> None:
    await house.tell("order-placed", order(patient="PAT1"))
    kind, data = merge("PAT1", "PAT2", 5)
    data["merged"]["identifiers"][0]["authority"] = "CHUX"
    await house.tell(kind, data)

    [found] = await visible(house)
    assert text(found, "00100020") == "PAT1"


async def test_what_a_patient_is_called_now_is_answered(house: Fed) -> None:
    await house.tell("order-placed", order(patient="PAT1"))
    data = merge("PAT1", "PAT1", 5)[1]
    del data["merged"]
    await house.tell("patient-modified", data)

    [found] = await visible(house)
    assert text(found, "00100010") == "FamilyPAT1^Given"
    assert text(found, "00100030") == "19900514"  # nothing was said of it


async def test_an_appointment_schedules_the_order_that_it_names(house: Fed) -> None:
    data = order(start=None, modality="MR")
    await house.tell("order-placed", data)
    await house.tell(*appointment("1", "2026-11-05T10:00:00-05:00", 5))

    [found] = await visible(house)
    assert (text(found, "00080050"), step(found, "00400002")) == ("A1", "20261105")
    assert step(found, "00400001") == "MR7"

    await house.tell(*appointment("1", "", 6, kind="cancelled"))
    assert await visible(house) == []


async def test_an_appointment_alone_is_a_step(house: Fed) -> None:
    kind, data = appointment("9", "2026-11-05T10:00:00-05:00", 5)
    del data["appointment"]["placerOrders"]
    await house.tell(kind, data, house={"zone": "UTC", "modality": "US"})

    [found] = await visible(house)
    assert (step(found, "00080060"), step(found, "00400003"), step(found, "00400007")) == (
        "US",
        "150000",
        "IRM",
    )


async def test_orders_of_two_houses_with_one_number_are_two(house: Fed) -> None:
    await house.tell("order-placed", order("1"))
    other = order("1", patient="PAT9")
    for name in ("placerId", "fillerId"):
        other["orders"][0][name]["authority"] = "ELSEWHERE"
    await house.tell("order-placed", other)

    assert len(await visible(house)) == 2


@pytest.mark.parametrize(
    ("kind", "data", "code"),
    [
        ("invoice-created", {"x": 1}, "no_event"),
        ("order-placed", {"orders": [{"control": "placed"}]}, "no_number"),
        ("order-placed", {"orders": None}, "no_number"),
        ("appointment-booked", {"appointment": {}}, "no_number"),
        ("patient-merged", {"patient": {}}, "no_number"),
    ],
)
async def test_what_says_nothing_to_a_worklist_is_rejected(
    house: Fed, kind: str, data: dict[str, Any], code: str
) -> None:
    with pytest.raises(Rejected) as refused:
        await house.tell(kind, data)
    assert refused.value.code == code


@pytest.mark.parametrize("seed", range(6))
async def test_a_history_in_any_order_gives_the_same_worklist(tmp_path: Path, seed: int) -> None:
    events = history(seed)
    shuffled = [*events, *events[::3]]
    random.Random(seed).shuffle(shuffled)
    found = []
    for number, told in enumerate((events, shuffled)):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with fed(folder) as house:
            for event in told:
                await deliver(house.store, house.worklists, event)
            found.append(await shown(house.store))

    assert found[0] == found[1]
    assert len(found[0]) >= 3
