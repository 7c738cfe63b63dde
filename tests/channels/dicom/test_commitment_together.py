"""Instances that went out one after the other are committed to together, and each has its own result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from channels.dicom.commitment.gathering import TOGETHER_MAX, Commitments
from channels.dicom.commitment.information import (
    COMMITMENT,
    NO_SUCH_INSTANCE,
    Reference,
    Report,
    write_report,
)
from channels.dicom.commitment.transactions import new_transaction
from channels.dicom.commitment.unasked import Unasked
from engine.errors import Transient
from engine.testing.channels import channel_context
from tests.channels.dicom.archive import IMPLICIT, Archive, archive
from tests.channels.dicom.dispatching import MESSAGE_ID, WayOut, way_out
from tests.channels.dicom.instances import SECONDARY_CAPTURE, part10
from tests.channels.dicom.serving import listening
from tests.channels.dicom.test_commitment_out import COMMITS, Provider, Waiting, all_committed, said, told


def reference(number: int) -> Reference:
    return Reference(SECONDARY_CAPTURE, f"2.25.{number}")


def message(number: int) -> str:
    return f"{MESSAGE_ID[:-4]}{number:04}"


@dataclass(frozen=True, slots=True)
class Sending:
    """An endpoint that waits for commitment, its archive, and what the engine is told."""

    peer: Archive
    out: WayOut
    waiting: Waiting

    async def send(self, *numbers: int) -> None:
        for number in numbers:
            reply = await self.out.send(part10(f"2.25.{number}"), message_id=message(number))
            assert (reply.awaiting, reply.reference) == (True, f"2.25.{number}")

    async def heard(self, count: int) -> dict[str, str]:
        """Return the codes of the messages that were confirmed or not, once there are so many."""
        async with asyncio.timeout(10):
            while len(self.waiting.heard) < count:
                self.waiting.came.clear()
                await self.waiting.came.wait()
        return {each.reference: each.reply.code for each in self.waiting.heard}


@asynccontextmanager
async def sending(folder: Path, provider: Provider, **config: Any) -> AsyncIterator[Sending]:
    waiting = Waiting()
    async with archive(**COMMITS, **config) as peer:
        peer.script.asked = provider
        async with way_out(folder, peer.config, confirm=waiting.confirm) as out:
            yield Sending(peer, out, waiting)


async def test_what_went_out_is_asked_about_in_one_request(tmp_path: Path) -> None:
    provider = Provider(all_committed)
    async with sending(tmp_path, provider) as house:
        await house.send(1, 2, 3)
        heard = await house.heard(3)

    [(_, _, references)] = provider.asked
    assert references == (reference(1), reference(2), reference(3))
    assert heard == {message(1): "0000", message(2): "0000", message(3): "0000"}


async def test_each_instance_of_a_request_has_its_own_result(tmp_path: Path) -> None:
    def all_but_one(transaction: str, references: tuple[Reference, ...]) -> Report:
        return Report(transaction, references[1:], {references[0]: NO_SUCH_INSTANCE})

    async with sending(tmp_path, Provider(all_but_one)) as house:
        await house.send(1, 2)
        assert await house.heard(2) == {message(1): "0112", message(2): "0000"}

    refusals = {each.reference: each.refusal for each in house.waiting.heard}
    assert isinstance(refusals[message(1)], Transient)
    assert refusals[message(2)] is None


async def test_an_instance_that_is_sent_again_is_another_request(tmp_path: Path) -> None:
    provider = Provider(all_committed)
    async with sending(tmp_path, provider) as house:
        await house.send(1, 2)
        again = await house.out.send(part10("2.25.1"), message_id=message(9))
        assert again.awaiting
        assert set(await house.heard(3)) == {message(1), message(2), message(9)}

    assert [references for _, _, references in provider.asked] == [
        (reference(1), reference(2)),
        (reference(1),),
    ]


async def test_a_partner_of_one_association_is_never_asked_beside_an_instance(tmp_path: Path) -> None:
    provider = Provider(all_committed)
    async with sending(tmp_path, provider, limits={"concurrency": 1}) as house:
        house.peer.script.seconds = 0.5
        await asyncio.gather(house.send(1), house.send(2))
        await house.heard(2)
        assert house.peer.accepted_count == 1


async def test_what_waits_is_asked_about_before_the_endpoint_closes(tmp_path: Path) -> None:
    provider = Provider(all_committed)
    async with sending(tmp_path, provider) as house:
        await house.send(1)
    assert [references for _, _, references in provider.asked] == [(reference(1),)]


async def test_a_report_to_a_listener_confirms_each_instance_by_its_uid(tmp_path: Path) -> None:
    waiting = Waiting()
    report = Report(
        new_transaction([MESSAGE_ID, message(2)]), [reference(1)], {reference(2): NO_SUCH_INSTANCE}
    )
    async with listening(
        confirmations=True, callers={"ARCHIVE": "pacs"}, given={"confirm": waiting.confirm}
    ) as door:
        assert await told(tmp_path, door.port, write_report(report, IMPLICIT)) == 0x0000
        assert door.events("confirmation") == 2
    assert {(each.reference, each.partner, each.reply.code) for each in waiting.heard} == {
        ("2.25.1", "pacs", "0000"),
        ("2.25.2", "pacs", "0112"),
    }


async def test_a_report_on_more_than_was_ever_asked_is_about_nothing(tmp_path: Path) -> None:
    waiting = Waiting()
    many = [reference(number) for number in range(1, TOGETHER_MAX + 2)]
    report = Report(new_transaction([MESSAGE_ID, message(2)]), many, {})
    async with listening(confirmations=True, given={"confirm": waiting.confirm}) as door:
        assert await told(tmp_path, door.port, write_report(report, IMPLICIT)) == 0x0000
        assert (waiting.heard, door.events("unexpected_report")) == ([], 1)


async def test_a_report_after_a_restart_is_understood(tmp_path: Path) -> None:
    provider = Provider(all_committed)
    provider.keeps_silent = True
    async with sending(tmp_path, provider) as house:
        await house.send(1, 2)
    [(_, transaction, references)] = provider.asked
    async with sending(tmp_path, Provider(all_committed)) as house:
        await house.send(3)
        [connection] = house.peer.open_ones
        context_id = next(each for each, (of, _) in connection.contexts.items() if of == COMMITMENT)
        connection.transport.write(said(Report(transaction, references, {}), context_id))
        assert set(await house.heard(3)) == {"2.25.1", "2.25.2", message(3)}


# ------------------------------------------------------------- the gathering alone


class Asked:
    """Takes requests, or not."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.requests: list[tuple[Reference, ...]] = []
        self._error = error

    async def __call__(self, transaction: str, references: object) -> None:
        assert isinstance(references, tuple)
        self.requests.append(references)
        if self._error is not None:
            raise self._error


async def test_a_request_holds_a_hundred_instances_at_most(tmp_path: Path) -> None:
    asked = Asked()
    commitments = Commitments(asked, channel_context(tmp_path, name="pacs.store"))
    for number in range(1, 251):
        commitments.add(reference(number), message(number))
    await commitments.close()
    assert [len(each) for each in asked.requests] == [100, 100, 50]


async def test_what_nobody_was_asked_about_is_asked_at_the_next_start(tmp_path: Path) -> None:
    context = channel_context(tmp_path, name="pacs.store")
    killed = Commitments(Asked(), context)
    killed.add(reference(1), message(1))
    killed.add(reference(2), message(2))

    asked = Asked()
    commitments = Commitments(asked, context)
    await commitments.begin()
    await commitments.close()
    await killed.close()

    assert asked.requests == [(reference(1), reference(2))]


async def test_an_engine_that_stops_is_asked_again_at_its_next_start(tmp_path: Path) -> None:
    waiting = Waiting(error=Transient("the engine stops"))
    context = replace(channel_context(tmp_path, name="pacs.store"), confirm=waiting.confirm)
    commitments = Commitments(Asked(error=Transient("nobody is there")), context)
    commitments.add(reference(1), message(1))
    await commitments.close()

    asked = Asked()
    again = Commitments(asked, context)
    await again.begin()
    await again.close()
    third = Commitments(asked, context)
    await third.begin()
    await third.close()

    assert asked.requests == [(reference(1),)], "once it was asked about it is forgotten"


def test_a_line_that_a_crash_cut_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "unasked"
    file = Unasked(path)
    file.add((reference(1), message(1)))
    file.add((reference(2), message(2)))
    file.close()
    path.write_bytes(path.read_bytes()[:-3])
    assert Unasked(path).load() == [(reference(1), message(1))]
