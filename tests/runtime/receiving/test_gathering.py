"""Studies told of as a whole: after their quiet time, once, again when something comes late, and over a crash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.codecs.dicom.searching import instance_of
from engine.codecs.json import Schema
from engine.model import Disposition, Gathering, Receipt
from engine.runtime.images.gathering import Gatherer
from engine.store.protocol import Acceptance, Query
from tests.instances import CT, SERIES, STUDY, part10
from tests.runtime.receiving.house import House, JsonExchange, house
from tests.runtime.receiving.project import CONFIG, REPOSITORY, assembled

QUIET_MS = 30_000
ROUTE = """
route: studies
from: {images: study}
accept: {events: [imaging-study-stored]}
to: [clinique-abc.emr]
"""
LISTENER = "  images: {dicom: 127.0.0.1:0, unmatched: filtered, group: {by: study, quiet: 30s}}\n"


@asynccontextmanager
async def gathering(folder: Path) -> AsyncIterator[House]:
    """Give a house that stores images and tells of studies."""
    config = CONFIG.replace("listen:\n", "listen:\n" + LISTENER)
    async with house(folder, assembled(folder, ROUTE, config=config)) as inside, telling(inside) as whole:
        yield whole


@asynccontextmanager
async def telling(inside: House) -> AsyncIterator[House]:
    """Give the same house with a gatherer that runs."""
    gatherer = Gatherer(
        inside.store.instances, lambda name: inside.reception.intake(name), inside.clock, inside.ids.next
    )
    whole = replace(inside, reception=replace(inside.reception, gathers=gatherer.expect))
    task = asyncio.create_task(gatherer.run())
    try:
        yield whole
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def stored(inside: House, uid: str, by: str = "study", **more: Any) -> Receipt:
    """Let an instance come in."""
    content = part10(uid, **more)
    base = inside.message(content, listener="images", selector="", codec="dicom", control_id=uid)
    says = instance_of(content, gathering=Gathering(by, QUIET_MS))
    return await inside.reception.intake("images")(replace(base, instance=says), JsonExchange())


async def pass_time(inside: House, ms: int) -> None:
    """Move the clock, and let the gatherer do what it then does."""
    await settled(inside)
    end = inside.clock.now_ms() + ms
    while (wakes := inside.clock.next_wake_ms()) is not None and wakes <= end:
        inside.clock.advance_to(wakes)
        await settled(inside)
    inside.clock.advance_to(end)
    await settled(inside)


async def settled(inside: House) -> None:
    """Return once the gatherer sleeps."""
    for _ in range(2_000):
        await asyncio.sleep(0)
        if inside.clock.next_wake_ms() is not None:
            await asyncio.to_thread(lambda: None)
            if inside.clock.next_wake_ms() is not None:
                return
        else:
            await asyncio.to_thread(lambda: None)
    raise TimeoutError("the gatherer does not come to rest")


async def told(inside: House) -> list[dict[str, Any]]:
    """Return the events that were delivered, oldest first."""
    rows = await inside.rows(route="studies")
    found = []
    for row in rows:
        body = await inside.store.body(row.delivery.message, "raw")
        assert body is not None
        found.append(json.loads(body.read()))
    return found


async def test_a_study_is_told_once_after_its_quiet_time(tmp_path: Path) -> None:
    async with gathering(tmp_path) as inside:
        await stored(inside, "2.25.1")
        await pass_time(inside, QUIET_MS - 1_000)
        await stored(inside, "2.25.2", InstanceNumber=2)
        await pass_time(inside, QUIET_MS - 1_000)
        assert await told(inside) == []
        await pass_time(inside, 1_000)
        await pass_time(inside, 10 * QUIET_MS)

        (event,) = await told(inside)

    assert (event["type"], event["id"]) == ("imaging-study-stored", f"{STUDY}/1")
    assert [each["uid"] for each in event["data"]["study"]["series"][0]["instances"]] == ["2.25.1", "2.25.2"]


async def test_the_event_meets_its_schema_and_says_what_the_instances_say(tmp_path: Path) -> None:
    schema = Schema(json.loads((REPOSITORY / "mappings/events/imaging-study-stored.json").read_text()))
    async with gathering(tmp_path) as inside:
        await stored(inside, "2.25.1")
        await stored(inside, "2.25.2", SeriesInstanceUID="2.25.21", Modality="SR", SeriesNumber=3)
        await pass_time(inside, QUIET_MS)
        (event,) = await told(inside)

    study, patient = event["data"]["study"], event["data"]["patient"]
    assert list(schema.faults(event["data"])) == []
    assert (study["uid"], study["startedAt"]) == (STUDY, "2026-11-02T09:15:00.250-05:00")
    assert (study["seriesCount"], study["instanceCount"], study["modalities"]) == (2, 2, ["CT", "SR"])
    assert (study["accessionNumber"], study["description"], study["id"]) == ("A26-1", "Thorax", "7")
    assert study["series"][0]["uid"] == SERIES
    assert study["series"][0]["instances"][0]["sopClass"] == CT
    assert patient["names"] == [{"family": "Essai", "given": "Zoé", "middle": "Marie"}]
    assert patient["identifiers"] == [{"value": "TEST0001", "authority": "CHUX"}]
    assert (patient["birthDate"], patient["sex"]) == ("1984-03-02", "female")


async def test_a_late_instance_makes_a_further_version(tmp_path: Path) -> None:
    async with gathering(tmp_path) as inside:
        await stored(inside, "2.25.1")
        await pass_time(inside, QUIET_MS)
        await stored(inside, "2.25.2")
        await pass_time(inside, QUIET_MS)

        first, second = await told(inside)

    assert [first["data"]["study"]["version"], second["data"]["study"]["version"]] == [1, 2]
    assert [first["data"]["study"]["instanceCount"], second["data"]["study"]["instanceCount"]] == [1, 2]
    assert second["id"] == f"{STUDY}/2"


async def test_a_copy_of_an_instance_tells_nobody_anything_new(tmp_path: Path) -> None:
    async with gathering(tmp_path) as inside:
        await stored(inside, "2.25.1")
        await pass_time(inside, QUIET_MS)
        copy = await stored(inside, "2.25.1")
        await pass_time(inside, 2 * QUIET_MS)

        assert copy.disposition is Disposition.DUPLICATE
        assert len(await told(inside)) == 1


async def test_another_content_under_the_same_uid_is_kept_flagged_and_told(tmp_path: Path) -> None:
    async with gathering(tmp_path) as inside:
        await stored(inside, "2.25.1")
        await pass_time(inside, QUIET_MS)
        other = await stored(inside, "2.25.1", StudyDescription="Thorax, corrigé")
        await pass_time(inside, QUIET_MS)

        _, second = await told(inside)

    assert other.disposition is Disposition.COLLISION
    assert (second["data"]["study"]["instanceCount"], second["data"]["study"]["description"]) == (
        1,
        "Thorax, corrigé",
    )


async def test_each_series_is_told_for_itself_where_series_are_gathered(tmp_path: Path) -> None:
    async with gathering(tmp_path) as inside:
        await stored(inside, "2.25.1", by="series")
        await stored(inside, "2.25.2", by="series", SeriesInstanceUID="2.25.21")
        rows = await inside.store.instances.ripe(inside.clock.now_ms() + QUIET_MS, 10)

    assert [row.by for row in rows] == ["series", "series"]


async def test_a_study_whose_listener_is_gone_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = CONFIG.replace("listen:\n", "listen:\n" + LISTENER)
    with_it = assembled(tmp_path, ROUTE, config=config).board
    without = assembled(tmp_path, ROUTE.replace("{images: study}", "public")).board
    async with (
        house(tmp_path, assembled(tmp_path, ROUTE, config=config)) as inside,
        telling(inside) as whole,
    ):
        await stored(whole, "2.25.1")
        whole.reception.current.board = without
        await pass_time(whole, 10 * 60_000)
        tries = len(caplog.records)
        whole.reception.current.board = with_it
        await pass_time(whole, 60_000)

        assert len(await told(whole)) == 1
    assert 5 < tries < 30, "it is tried less and less often"


async def test_a_study_that_waited_at_a_crash_is_told_by_the_next_process(tmp_path: Path) -> None:
    config = CONFIG.replace("listen:\n", "listen:\n" + LISTENER)
    async with house(tmp_path, assembled(tmp_path, ROUTE, config=config)) as before:
        await stored(before, "2.25.1")  # nobody gathers: the process dies
    async with gathering(tmp_path) as inside:
        await pass_time(inside, QUIET_MS)
        assert len(await told(inside)) == 1


async def test_a_study_that_no_route_wants_is_not_tried_for_ever(tmp_path: Path) -> None:
    config = CONFIG.replace("listen:\n", "listen:\n" + LISTENER.replace("unmatched: filtered, ", ""))
    everything = ROUTE.replace(
        "from: {images: study}\naccept: {events: [imaging-study-stored]}", "from: public"
    )
    async with (
        house(tmp_path, assembled(tmp_path, everything, config=config)) as inside,
        telling(inside) as whole,
    ):
        await whole.store.accept(_accepted(whole))
        await pass_time(whole, 2 * QUIET_MS)
        assert await whole.store.instances.next_ms() is None


async def test_a_study_is_found_by_its_uid_with_its_instances(tmp_path: Path) -> None:
    async with gathering(tmp_path) as inside:
        await stored(inside, "2.25.1")
        await stored(inside, "2.25.2", SeriesInstanceUID="2.25.21")
        await pass_time(inside, QUIET_MS)

        of_study = await inside.store.messages(Query(key=("study", STUDY)))
        of_series = await inside.store.messages(Query(key=("series", SERIES)))
        of_instance = await inside.store.messages(Query(key=("instance", "2.25.2")))

    assert (len(of_study), len(of_series), len(of_instance)) == (3, 1, 1)


@pytest.mark.parametrize(
    ("time", "offset", "began"),
    [
        ("", "", "2026-11-02"),
        ("09", "", "2026-11-02T09"),
        ("0915", "+0530", "2026-11-02T09:15+05:30"),
        ("midi", "-0500", "2026-11-02"),
    ],
)
async def test_when_a_study_began_is_as_precise_as_it_was_said(
    tmp_path: Path, time: str, offset: str, began: str
) -> None:
    async with gathering(tmp_path) as inside:
        await stored(inside, "2.25.1", StudyTime=time, TimezoneOffsetFromUTC=offset)
        await pass_time(inside, QUIET_MS)
        (event,) = await told(inside)

    assert event["data"]["study"]["startedAt"] == began


def _accepted(inside: House) -> Acceptance:
    content = part10("2.25.1")
    base = inside.message(content, listener="images", selector="", codec="dicom", control_id="2.25.1")
    says = instance_of(content, gathering=Gathering("study", QUIET_MS))
    return Acceptance(replace(base, instance=says), Disposition.ACCEPTED, b"")
