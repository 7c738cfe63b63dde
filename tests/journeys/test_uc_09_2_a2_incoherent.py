"""UC-09.2 A2: incoherent data is refused with 422 naming the path, journalled, told once, and never retried."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.model import Disposition
from engine.store.protocol import Query
from tests.journeys.house import House, Plan, house, webhook
from tests.peers.emr import OK, emr


def without(event: dict[str, Any], dotted: str) -> dict[str, Any]:
    *parents, last = dotted.split(".")
    node = event["data"]
    for name in parents:
        node = node[name]
    del node[last]
    return event


async def wrong(here: House, what: str) -> tuple[int, dict[str, Any]]:
    """Post one wrong event and return the answer."""
    event = here.event()
    made: dict[str, Any] = {
        "unknown clinic": lambda: here.event(clinic__permit="99999"),
        "end before start": lambda: here.event(appointment__end="2030-11-12T08:00:00-05:00"),
        "missing field": lambda: without(event, "appointment.end"),
        "unknown type": lambda: {**event, "type": "appointment-eaten"},
        "not JSON": lambda: b"{",
        "duplicate key": lambda: (
            json.dumps(event).replace('"version": 1', '"version": 1, "version": 2').encode()
        ),
    }
    return await here.post(made[what]())


@pytest.mark.parametrize(
    ("what", "path"),
    [
        ("unknown clinic", "clinic.permit"),
        ("end before start", "appointment.end"),
        ("missing field", "appointment.end"),
        ("unknown type", "type"),
    ],
)
async def test_the_answer_is_422_and_names_the_path(
    tmp_path: Path, dev_certs: Path, what: str, path: str
) -> None:
    async with (
        emr(dev_certs, name="clinique-abc", script=[OK]) as clinic,
        house(tmp_path, dev_certs, Plan({"emr": webhook(clinic)})) as here,
    ):
        for _ in range(3):
            status, answer = await wrong(here, what)
            assert status == 422
            assert path in [error["path"] for error in answer["errors"]]
        told = await here.told_times(1)
        refused = await here.engine.store.messages(Query(dispositions=(Disposition.REFUSED,)))
        journal = await here.engine.store.journal.rows(message=refused[0].sequence)
        deliveries = await here.deliveries()

    assert len(refused) == 3
    assert journal
    assert deliveries == []
    assert clinic.requests == []
    assert [text.split()[1] for text in told] == ["refused:appointment-to-clinic"]


@pytest.mark.parametrize("what", ["not JSON", "duplicate key"])
async def test_what_cannot_be_read_is_refused_and_its_bytes_are_kept(
    tmp_path: Path, dev_certs: Path, what: str
) -> None:
    async with (
        emr(dev_certs, name="clinique-abc", script=[OK]) as clinic,
        house(tmp_path, dev_certs, Plan({"emr": webhook(clinic)})) as here,
    ):
        status, answer = await wrong(here, what)
        (refused,) = await here.engine.store.messages(Query(dispositions=(Disposition.REFUSED,)))
        raw = await here.engine.store.body(refused.sequence, "raw")
    assert status in (400, 422)
    assert answer["errors"]
    assert raw is not None
    assert raw.read().startswith(b"{")


async def test_a_mended_event_under_the_same_id_is_taken(tmp_path: Path, dev_certs: Path) -> None:
    async with (
        emr(dev_certs, name="clinique-abc", script=[OK]) as clinic,
        house(tmp_path, dev_certs, Plan({"emr": webhook(clinic)})) as here,
    ):
        event = here.event(appointment__end="2030-11-12T08:00:00-05:00")
        assert (await here.post(event))[0] == 422
        event["data"]["appointment"]["end"] = "2030-11-12T09:30:00-05:00"
        assert (await here.post(event))[0] == 202
        await here.ended()
