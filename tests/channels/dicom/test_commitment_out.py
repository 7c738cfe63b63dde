"""A partner that is asked to commit itself: what it is asked, and what its report leads to, however it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from struct import pack
from time import monotonic
from typing import Any

import pytest

from channels._dicom.commands import EVENT_TYPE, N_ACTION_RQ, N_EVENT_REPORT_RQ, Command, event_report, number
from channels._dicom.dialling import dial
from channels._dicom.proposing import Proposal
from channels._dicom.requesting import Answer
from channels.dicom.commitment.information import (
    ALL_COMMITTED,
    COMMITMENT,
    WELL_KNOWN,
    Reference,
    Report,
    read_request,
    write_report,
)
from channels.dicom.commitment.transactions import message_of, transaction_of
from engine.errors import Permanent, Rejected, Transient
from engine.model import Confirmation
from engine.testing.channels import channel_context
from tests.channels.dicom.archive import IMPLICIT, Connection, archive, response
from tests.channels.dicom.dispatching import MESSAGE_ID, WayOut, endpoint, way_out
from tests.channels.dicom.instances import SECONDARY_CAPTURE, part10
from tests.channels.dicom.pdus import DATA, pdu, value
from tests.channels.dicom.serving import listening

INSTANCE = Reference(SECONDARY_CAPTURE, "2.25.1")
COMMITS: dict[str, Any] = {"confirm": "storage_commitment"}
Judge = Callable[[str, tuple[Reference, ...]], Report]


class Waiting:
    """The engine's side: what was confirmed, and whether somebody waits for it."""

    def __init__(self, *, known: bool = True, error: Exception | None = None) -> None:
        self.heard: list[Confirmation] = []
        self.came = asyncio.Event()
        self._known = known
        self._error = error

    async def confirm(self, confirmation: Confirmation) -> bool:
        self.heard.append(confirmation)
        self.came.set()
        if self._error is not None:
            raise self._error
        return self._known


class Provider:
    """What an archive does when it is asked to commit itself: answers, and reports on the same association."""

    def __init__(self, judge: Judge, *, status: int = 0, report_first: bool = False) -> None:
        self.asked: list[tuple[Command, str, tuple[Reference, ...]]] = []
        self._judge = judge
        self._status = status
        self._first = report_first
        self.keeps_silent = False
        """Whether it answers only, and reports another time."""

    def __call__(self, connection: Connection, command: Command, data: bytes, context_id: int) -> bool:
        transaction, references = read_request(data, IMPLICIT)
        self.asked.append((command, transaction, references))
        answer = response(command, context_id, self._status)
        report = (
            b""
            if self._status or self.keeps_silent
            else said(self._judge(transaction, references), context_id)
        )
        connection.transport.write(report + answer if self._first else answer + report)
        return command.field == N_ACTION_RQ


def said(report: Report, context_id: int) -> bytes:
    """Return an N-EVENT-REPORT as PDUs."""
    asked = event_report(9, COMMITMENT, WELL_KNOWN, report.event_type)
    data = write_report(report, IMPLICIT)
    return pdu(DATA, value(asked, command=True, last=True, number=context_id)) + pdu(
        DATA, value(data, command=False, last=True, number=context_id)
    )


def all_committed(transaction: str, references: tuple[Reference, ...]) -> Report:
    return Report(transaction, references, {})


def failing(reason: int) -> Judge:
    return lambda transaction, references: Report(transaction, (), dict.fromkeys(references, reason))


async def until_confirmed(out: WayOut, waiting: Waiting) -> Confirmation:
    async with asyncio.timeout(5):
        await waiting.came.wait()
        await out.until("confirmation")
    [confirmation] = waiting.heard
    return confirmation


@pytest.mark.parametrize("report_first", [False, True])
async def test_a_report_on_the_same_association_confirms(tmp_path: Path, report_first: bool) -> None:
    waiting, provider = Waiting(), Provider(all_committed, report_first=report_first)
    async with (
        archive(**COMMITS) as peer,
        way_out(tmp_path, peer.config, confirm=waiting.confirm) as out,
    ):
        peer.script.asked = provider
        reply = await out.send(part10("2.25.1"))
        assert (reply.code, reply.awaiting) == ("0000", True)
        confirmation = await until_confirmed(out, waiting)
        assert (confirmation.reference, confirmation.endpoint) == (MESSAGE_ID, "pacs.store")
        assert (confirmation.refusal, confirmation.reply.code) == (None, "0000")
        await peer.until_answered(1)
        assert peer.answers == [0x0000]
    assert (peer.released, peer.aborted) == (1, 0), "the association went on"
    [(command, transaction, references)] = provider.asked
    assert message_of(transaction) == MESSAGE_ID
    assert references == (INSTANCE,)
    assert (command.text(0x0003), command.text(0x1001), command.number(0x1008)) == (COMMITMENT, WELL_KNOWN, 1)
    assert 0x0002 not in command.elements and 0x1000 not in command.elements


async def test_a_report_after_the_attempts_own_time_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, provider = Waiting(), Provider(all_committed)
    provider.keeps_silent = True
    async with (
        archive(**COMMITS) as peer,
        way_out(tmp_path, peer.config, confirm=waiting.confirm) as out,
    ):
        peer.script.asked = provider
        await out.send(part10("2.25.1"), timeout=5.0)
        await out.until("commitment_asked")
        monkeypatch.setattr("channels._dicom.upper.monotonic", lambda: monotonic() + 6.0)
        [(_, transaction, references)] = provider.asked
        [connection] = peer.open_ones
        context_id = next(each for each, (of, _) in connection.contexts.items() if of == COMMITMENT)
        connection.transport.write(said(all_committed(transaction, references), context_id))
        assert (await until_confirmed(out, waiting)).refusal is None
        await peer.until_answered(1)


@pytest.mark.parametrize(
    ("reason", "meaning"),
    [(0x0112, Transient), (0x0110, Transient), (0x0213, Transient), (0x0119, Rejected), (0x0122, Permanent)],
)
async def test_a_failed_instance_is_sent_again_or_not(
    tmp_path: Path, reason: int, meaning: type[Exception]
) -> None:
    waiting = Waiting()
    async with (
        archive(**COMMITS) as peer,
        way_out(tmp_path, peer.config, confirm=waiting.confirm) as out,
    ):
        peer.script.asked = Provider(failing(reason))
        await out.send(part10("2.25.1"))
        confirmation = await until_confirmed(out, waiting)
        assert isinstance(confirmation.refusal, meaning)
        assert confirmation.reply.code == f"{reason:04X}"


async def test_a_partner_that_commits_to_nothing_is_sent_nothing(tmp_path: Path) -> None:
    async with archive(**COMMITS) as peer, way_out(tmp_path, peer.config) as out:
        peer.script.takes = lambda abstract, syntax: 3 if abstract == COMMITMENT else 0
        with pytest.raises(Permanent, match="does not take this class"):
            await out.send(part10("2.25.1"))
        assert peer.stored == []


async def refused(tmp_path: Path, asked: Callable[[Connection, Command, bytes, int], bool]) -> Transient:
    """Send an instance to a partner that does not take the request, and return what the engine is told."""
    waiting = Waiting()
    async with (
        archive(**COMMITS) as peer,
        way_out(tmp_path, peer.config, confirm=waiting.confirm) as out,
    ):
        peer.script.asked = asked
        assert (await out.send(part10("2.25.1"))).awaiting
        async with asyncio.timeout(5):
            await waiting.came.wait()
        assert len(peer.stored) == 1
    [confirmation] = waiting.heard
    assert (confirmation.reference, confirmation.endpoint) == (MESSAGE_ID, "pacs.store")
    assert isinstance(confirmation.refusal, Transient)
    assert confirmation.refusal.sent
    return confirmation.refusal


async def test_a_request_that_is_refused_twice_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    provider = Provider(all_committed, status=0x0110)
    assert (await refused(tmp_path, provider)).code == "0110"
    assert len({transaction for _, transaction, _ in provider.asked}) == 2, "each is a transaction of its own"


async def test_a_partner_that_hangs_up_on_the_request_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    def hang_up(connection: Connection, command: Command, data: bytes, context_id: int) -> bool:
        connection.cut()
        return True

    assert (await refused(tmp_path, hang_up)).code


# ------------------------------------------------------------- on an association of the partner's


async def told(
    folder: Path, port: int, report: bytes, *, event_type: int = ALL_COMMITTED, calling: str = "ARCHIVE"
) -> int:
    """Report to a listener as a partner does, and return how it answers."""
    config = endpoint(port, calling=calling).model_copy(update={"ae_title": "PASSERELLE"})
    requestor = await dial(config, channel_context(folder), [Proposal(COMMITMENT, (IMPLICIT,), scp=True)])
    try:
        elements = {0x1000: WELL_KNOWN.encode(), EVENT_TYPE: number(event_type)}
        asking = requestor.ask(N_EVENT_REPORT_RQ, COMMITMENT, data=report, elements=elements, seconds=10)
        answer: Answer = await asyncio.to_thread(partial(next, asking))
        await asyncio.to_thread(requestor.release)
        return answer.status
    finally:
        requestor.close()


async def test_a_report_to_a_listener_confirms_for_its_partner(tmp_path: Path) -> None:
    waiting = Waiting()
    report = Report(transaction_of(MESSAGE_ID, 3), [INSTANCE], {})
    async with listening(
        confirmations=True, callers={"ARCHIVE": "pacs"}, given={"confirm": waiting.confirm}
    ) as door:
        assert await told(tmp_path, door.port, write_report(report, IMPLICIT)) == 0x0000
        [confirmation] = waiting.heard
        assert (confirmation.reference, confirmation.partner, confirmation.endpoint) == (
            MESSAGE_ID,
            "pacs",
            "",
        )
        assert door.events("confirmation") == 1


async def test_a_report_that_nobody_waits_for_is_answered_and_counted(tmp_path: Path) -> None:
    waiting = Waiting(known=False)
    foreign = Report("2.25.4711", [INSTANCE], {})
    unknown = Report(transaction_of(MESSAGE_ID, 1), [INSTANCE], {})
    async with listening(confirmations=True, given={"confirm": waiting.confirm}) as door:
        for report in (foreign, unknown):
            assert await told(tmp_path, door.port, write_report(report, IMPLICIT)) == 0x0000
        assert len(waiting.heard) == 1, "what is about no message of ours is not even asked about"
        assert door.events("unexpected_report") == 2


@pytest.mark.parametrize(
    ("data", "event_type", "status"),
    [
        (b"", ALL_COMMITTED, 0x0115),
        (pack("<HHL", 8, 0x1195, 0xFFFF), ALL_COMMITTED, 0x0115),
        (write_report(Report("2.25.1", [INSTANCE], {}), IMPLICIT), 9, 0x0113),
    ],
)
async def test_a_report_that_is_none_is_refused(
    tmp_path: Path, data: bytes, event_type: int, status: int
) -> None:
    waiting = Waiting()
    async with listening(confirmations=True, given={"confirm": waiting.confirm}) as door:
        assert await told(tmp_path, door.port, data, event_type=event_type) == status
        assert waiting.heard == []


async def test_a_report_that_cannot_be_stored_is_to_be_repeated(tmp_path: Path) -> None:
    waiting = Waiting(error=Transient("the store is away"))
    report = Report(transaction_of(MESSAGE_ID, 1), [INSTANCE], {})
    async with listening(confirmations=True, given={"confirm": waiting.confirm}) as door:
        assert await told(tmp_path, door.port, write_report(report, IMPLICIT)) == 0x0110
