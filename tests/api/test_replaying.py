"""A study that the store holds is sent to an endpoint, in pages, with the stored bytes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from engine.app import Engine
from engine.codecs.dicom.searching import instance_of
from engine.errors import NotFound, Rejected
from engine.runtime.receiving.replaying import Replayer
from engine.store.protocol import Query
from tests.api.project import running_project
from tests.instances import STUDY, part10
from tests.store.making import acceptance, message


async def keep(engine: Engine, *uids: str) -> None:
    """Let instances be stored as if they had come by DICOM."""
    for uid in uids:
        content = part10(uid, pixels=200_000 if uid == "2.25.2" else 32)
        of = replace(message(uid, content, listener="door"), instance=instance_of(content), codec="dicom")
        await engine.store.accept(acceptance(of=of, renderings=()))


async def test_a_study_goes_to_an_endpoint_that_never_had_it(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (engine, speaker):
        await keep(engine, "2.25.1", "2.25.2", "2.25.3")
        first = await speaker.post("replay", study=STUDY, to="clinic.box", limit=2, reason="exercise")
        rest = await speaker.post("replay", study=STUDY, to="clinic.box", offset=first["following"])
        await asyncio.wait_for(engine.dispatcher.wait_idle(), 30)
        inbox = (await speaker.get("inboxes"))["inboxes"][0]
        shown = await speaker.get(f"messages/{first['replayed'][0]}")
        found = await engine.store.messages(Query(key=("study", STUDY)))
        bodies = [
            await engine.store.body((await engine.store.message(each)).sequence, "raw")
            for each in (*first["replayed"], *rest["replayed"])
        ]

    assert (first["count"], first["following"], rest["count"], rest["following"]) == (2, 2, 1, None)
    assert (inbox["inbox"], inbox["messages"]) == ("clinic", 3)
    assert shown["deliveries"][0]["state"] == "delivered"
    assert len(found) == 3  # what is stored by hand here has no keys of its own
    assert [body is not None and body.path is not None for body in bodies] == [False, True, False]


async def test_the_same_bytes_are_kept_once(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (engine, speaker):
        await keep(engine, "2.25.2")
        (identifier,) = (await speaker.post("replay", study=STUDY, to="clinic.box"))["replayed"]
        again = await engine.store.message(identifier)
        first = await engine.store.message(again.replay_of)
        one, other = [await engine.store.body(row.sequence, "raw") for row in (first, again)]
        assert one is not None and other is not None and one.path is not None and other.path is not None
        assert one.path != other.path and one.path.samefile(other.path)


@pytest.mark.parametrize(("study", "to"), [("2.25.4711", "clinic.box"), (STUDY, "clinic.none")])
async def test_what_is_not_there_is_not_sent(tmp_path: Path, study: str, to: str) -> None:
    async with running_project(tmp_path) as (engine, speaker):
        await keep(engine, "2.25.1")
        with pytest.raises(NotFound):
            await speaker.post("replay", study=study, to=to)


async def test_an_endpoint_that_may_not_have_it_all_gets_no_image(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (engine, _):
        await keep(engine, "2.25.1")
        careful = Replayer(engine.store, engine.clock, engine.new_id, lambda _: None, lambda _: "minimal")
        with pytest.raises(Rejected, match="phi: full"):
            await careful(STUDY, "clinic.box", offset=0, limit=10)
