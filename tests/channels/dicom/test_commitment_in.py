"""Who asks us to commit ourselves hears what we hold: on the same association, else on one of ours, restart or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from channels._dicom.commands import ACTION_TYPE, N_ACTION_RQ, Command, number
from channels._dicom.dialling import dial
from channels._dicom.proposing import Proposal
from channels._dicom.requesting import Answer, Requestor
from channels.dicom.commitment.information import (
    ALL_COMMITTED,
    CLASS_CONFLICT,
    COMMITMENT,
    NO_SUCH_INSTANCE,
    SOME_FAILED,
    WELL_KNOWN,
    Reference,
    Report,
    read_report,
    write_request,
)
from engine.errors import NotFound
from engine.model import Body, StoredInstance
from engine.spi import ChannelContext, NoImages
from engine.testing.channels import channel_context
from tests.channels.dicom.archive import IMPLICIT, Archive, Connection, archive, response
from tests.channels.dicom.dispatching import endpoint
from tests.channels.dicom.instances import CT, SECONDARY_CAPTURE
from tests.channels.dicom.serving import Door, listening

TRANSACTION = "2.25.8000"
HELD = Reference(CT, "2.25.1")
REPORTED: dict[str, Any] = {"commitment": {"reports": {"MODALITY": "hospital.ct1"}}}


class Held(NoImages):
    """A store that holds some instances."""

    def __init__(self, *held: tuple[str, str, str, str]) -> None:
        self._held = held

    async def instances(
        self,
        *,
        study: str = "",
        series: str = "",
        instances: Sequence[str] = (),
        limit: int = 10_000,
        offset: int = 0,
    ) -> Sequence[StoredInstance]:
        return [
            StoredInstance(
                message_id="01JD0000000000000001",
                listener=listener,
                partner=partner,
                study="2.25.3",
                series="2.25.2",
                instance=uid,
                sop_class=sop_class,
                transfer_syntax=IMPLICIT,
                received_ms=0,
                body=Body.of(b""),
                attributes={},
            )
            for uid, sop_class, listener, partner in self._held
            if uid in instances
        ]


IMAGES = Held(
    ("2.25.1", CT, "images", ""),
    ("2.25.2", CT, "elsewhere", "hospital"),
    ("2.25.3", CT, "elsewhere", "another"),
)


@asynccontextmanager
async def calling(folder: Path, door: Door, title: str = "MODALITY") -> AsyncIterator[Requestor]:
    """Open an association as the modality that asks."""
    config = endpoint(door.port, calling=title).model_copy(update={"ae_title": "PASSERELLE"})
    requestor = await dial(config, channel_context(folder), [Proposal(COMMITMENT, (IMPLICIT,))])
    try:
        yield requestor
        await asyncio.to_thread(requestor.release)
    finally:
        requestor.close()


async def asked(requestor: Requestor, data: bytes, *, action: int = 1, instance: str = WELL_KNOWN) -> int:
    """Ask for commitment, and return the status of the answer."""
    elements = {0x0003: COMMITMENT.encode(), 0x1001: instance.encode(), ACTION_TYPE: number(action)}
    asking = requestor.ask(N_ACTION_RQ, COMMITMENT, data=data, elements=elements, seconds=10)
    answer: Answer = await asyncio.to_thread(partial(next, asking))
    return answer.status


async def reported(requestor: Requestor) -> Report:
    """Return the report that comes on the same association, and answer it."""
    await asyncio.to_thread(requestor.hear, 10)
    heard = requestor.reports.pop()
    await asyncio.to_thread(requestor.acknowledge, heard, 0)
    report = read_report(heard.data, heard.syntax)
    assert heard.command.number(0x1002) == report.event_type
    assert heard.command.sop_instance == WELL_KNOWN
    return report


def request(*references: Reference) -> bytes:
    return write_request(TRANSACTION, references, IMPLICIT)


async def test_what_is_held_is_committed_to_on_the_same_association(tmp_path: Path) -> None:
    async with (
        listening(commitment={}, partner="hospital", given={"images": IMAGES}) as door,
        calling(tmp_path, door) as modality,
    ):
        held = (HELD, Reference(CT, "2.25.2"))
        assert await asked(modality, request(*held)) == 0
        assert await reported(modality) == Report(TRANSACTION, held, {})
        await door.until("commitment_reported")
        assert not pending(door)


async def test_what_is_not_held_fails_by_itself(tmp_path: Path) -> None:
    async with (
        listening(commitment={}, partner="hospital", given={"images": IMAGES}) as door,
        calling(tmp_path, door) as modality,
    ):
        unknown, others = Reference(CT, "2.25.9"), Reference(CT, "2.25.3")
        another = Reference(SECONDARY_CAPTURE, "2.25.2")
        await asked(modality, request(HELD, unknown, others, another))
        report = await reported(modality)
    assert report.committed == (HELD,)
    assert report.failed == {
        unknown: NO_SUCH_INSTANCE,
        others: NO_SUCH_INSTANCE,  # another partner's: nobody is told that it is here
        another: CLASS_CONFLICT,
    }
    assert report.event_type == SOME_FAILED


@pytest.mark.parametrize(
    ("data", "keys", "status"),
    [
        (b"", {}, 0x0115),
        (b"\x08\x00\x95\x11\xff\xff\xff\xff", {}, 0x0115),
        (request(), {}, 0x0115),
        (request(HELD), {"action": 2}, 0x0123),
        (request(HELD), {"instance": "1.2.3"}, 0x0112),
    ],
)
async def test_a_request_that_is_none_is_refused(
    tmp_path: Path, data: bytes, keys: Mapping[str, Any], status: int
) -> None:
    async with listening(commitment={}) as door, calling(tmp_path, door) as modality:
        assert await asked(modality, data, **keys) == status
        assert not pending(door)


# ------------------------------------------------------------- on an association of our own


class Modality:
    """Hears reports on associations that we open to it."""

    def __init__(self, *, status: int = 0) -> None:
        self.reports: list[Report] = []
        self.came = asyncio.Event()
        self._status = status

    def __call__(self, connection: Connection, command: Command, data: bytes, context_id: int) -> bool:
        self.reports.append(read_report(data, connection.contexts[context_id][1]))
        connection.transport.write(response(command, context_id, self._status))
        self.came.set()
        return True


def leading_to(peer: Archive, folder: Path) -> dict[str, Any]:
    """Return what a listener's context holds so that it reaches a peer."""

    def reach(name: str) -> tuple[Any, ChannelContext]:
        if name != "hospital.ct1":
            raise NotFound(name)
        return peer.config, channel_context(folder)

    return {"images": IMAGES, "reach": reach}


def pending(door: Door) -> list[Path]:
    folder = door.folder / "var" / "dicom" / "images.commitments"
    return list(folder.iterdir()) if folder.exists() else []


async def test_who_has_gone_is_called_back(tmp_path: Path) -> None:
    heard = Modality()
    async with archive() as peer:
        peer.script.asked = heard
        async with listening(**REPORTED, given=leading_to(peer, tmp_path)) as door:
            async with calling(tmp_path, door) as modality:
                await asked(modality, request(HELD))
                modality.abort()
            async with asyncio.timeout(5):
                await heard.came.wait()
            await door.until("commitment_reported")
            assert not pending(door)
    assert heard.reports == [Report(TRANSACTION, (HELD,), {})]
    assert peer.released == 1


async def test_after_a_restart_the_report_goes_out(tmp_path: Path) -> None:
    heard = Modality()
    async with archive() as peer:
        peer.script.asked = heard
        peer.script.reject = (2, 3, 1)
        async with listening(**REPORTED, given=leading_to(peer, tmp_path), at=tmp_path) as door:
            async with calling(tmp_path, door) as modality:
                await asked(modality, request(HELD))
                modality.abort()
            await peer.changes.until(lambda: peer.accepted_count > 0)
            assert len(pending(door)) == 1
        peer.script.reject = None
        async with listening(**REPORTED, given=leading_to(peer, tmp_path), at=tmp_path) as door:
            async with asyncio.timeout(5):
                await heard.came.wait()
            await door.until("commitment_reported")
            assert not pending(door)
    assert [report.event_type for report in heard.reports] == [ALL_COMMITTED]


async def test_without_an_endpoint_a_report_that_nobody_hears_is_given_up(tmp_path: Path) -> None:
    async with listening(commitment={}, given={"images": IMAGES}) as door:
        async with calling(tmp_path, door) as modality:
            await asked(modality, request(HELD))
            modality.abort()
        await door.until("commitment_unreported")
        assert not pending(door)


async def test_a_request_is_durable_before_it_is_answered(tmp_path: Path) -> None:
    kept: list[int] = []

    class Looking(Held):
        async def instances(self, **asked: Any) -> Sequence[StoredInstance]:
            kept.append(len(list((tmp_path / "var" / "dicom" / "images.commitments").glob("*.json"))))
            return await super().instances(**asked)

    async with (
        listening(commitment={}, given={"images": Looking()}, at=tmp_path) as door,
        calling(tmp_path, door) as modality,
    ):
        await asked(modality, request(HELD))
        await reported(modality)
    assert kept == [1]


async def test_one_that_does_not_hear_holds_up_no_other(tmp_path: Path) -> None:
    heard = Modality()
    commitment = {"reports": {"MODALITY": "hospital.ct1", "DEAF": "hospital.deaf"}}
    async with archive() as peer, archive() as deaf:
        peer.script.asked, deaf.script.answer = heard, b""
        leading = leading_to(peer, tmp_path)
        reach = leading["reach"]
        leading["reach"] = lambda name: (
            (deaf.config, channel_context(tmp_path)) if name == "hospital.deaf" else reach(name)
        )
        async with listening(commitment=commitment, given=leading) as door:
            for title in ("DEAF", "DEAF", "MODALITY"):
                async with calling(tmp_path, door, title) as modality:
                    await asked(modality, request(HELD))
                    modality.abort()
            async with asyncio.timeout(5):
                await heard.came.wait()
            assert len(pending(door)) >= 2


async def test_a_file_that_is_none_of_ours_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "dicom" / "images.commitments"
    folder.mkdir(parents=True)
    (folder / "other.json").write_text("[]")
    (folder / "half.part").write_text("{")
    async with listening(commitment={}, given={"images": IMAGES}, at=tmp_path) as door:
        await door.until("strange_file")
        async with calling(tmp_path, door) as modality:
            assert await asked(modality, request(HELD)) == 0
            await reported(modality)
    assert {path.name for path in folder.iterdir()} == {"other.json", "half.part"}
