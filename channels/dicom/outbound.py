"""Send instances by C-STORE over associations that are kept: delivered once the partner says that it has them.

An instance travels in the transfer syntax that it has, read from its file piece by piece. Source: DICOM PS3.4 annex B.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from time import monotonic
from types import TracebackType
from typing import Final, Self

import anyio

from channels._dicom.commands import ACTION_TYPE, N_ACTION_RQ, number
from channels._dicom.dialling import attended, dial
from channels._dicom.endpoint import DicomEndpoint
from channels._dicom.part10 import InstanceHead, head_of
from channels._dicom.probing import probed_by_echo
from channels._dicom.proposing import Proposal
from channels._dicom.requesting import HIGH, LOW, MEDIUM, Answer, Requestor
from channels._dicom.statuses import judged
from channels.dicom.commitment.gathering import Commitments
from channels.dicom.commitment.information import COMMITMENT, REQUEST, WELL_KNOWN, Reference, write_request
from channels.dicom.commitment.reports import heard
from channels.dicom.pool import Pair, Pool
from engine.errors import Transient
from engine.model import Attempt, Reply
from engine.spi import ChannelContext, Outbound

_PRIORITIES: Final = {"low": LOW, "medium": MEDIUM, "high": HIGH}
_IMPLICIT: Final = "1.2.840.10008.1.2"
_THREADS: Final = 64
"""More than are needed: how many sends run at once is the engine's to say."""

_ENDED: Final = frozenset({"closed", "released", "aborted"})


class DicomOutbound(Outbound):
    """Delivers to one partner."""

    config: DicomEndpoint

    def __init__(self, config: DicomEndpoint, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._reply_seconds = config.timeouts.reply.total_seconds()
        most = config.limits.concurrency if config.limits else 4
        self._limiter = anyio.CapacityLimiter(_THREADS)
        self._pool = Pool(
            self._dial,
            self._hear,
            always=[(COMMITMENT, _IMPLICIT)] if config.confirm == "storage_commitment" else (),
            most=most,
            idle_seconds=config.timeouts.idle.total_seconds(),
        )
        self._commitments = Commitments(self._ask_to_commit, context)

    async def __aenter__(self) -> Self:
        if self.config.confirm == "storage_commitment":
            await self._commitments.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._commitments.close()
        await self._pool.close()

    async def send(self, attempt: Attempt) -> Reply:
        until = monotonic() + attempt.timeout
        body = attempt.body
        head = head_of(body) if body.data is not None else await anyio.to_thread.run_sync(head_of, body)
        pair = (head.sop_class, head.transfer_syntax)
        requestor, fresh = await self._associated(pair, until)
        try:
            reply = await self._stored(requestor, head, attempt, until)
        except Transient as error:  # a kept association may have ended before anybody noticed
            if fresh or error.sent or error.code not in _ENDED:
                raise
            requestor, _ = await self._associated(pair, until)
            reply = await self._stored(requestor, head, attempt, until)
        if reply.code != "0000":
            self._count("stored_with_warning")
            self.context.logger.warning(
                "an instance was stored with a warning",
                extra={
                    "action": "stored_with_warning",
                    "endpoint": self.context.name,
                    "message_id": attempt.message_id,
                    "code": reply.code,
                },
            )
        if reply.awaiting:
            self._commitments.add(Reference(head.sop_class, head.sop_instance), attempt.message_id)
        return reply

    async def _associated(self, pair: Pair, until: float) -> tuple[Requestor, bool]:
        try:
            async with asyncio.timeout(until - monotonic()):
                return await self._pool.take(pair)
        except TimeoutError as error:
            raise Transient(
                "no association was open before the attempt had to end", code="timeout"
            ) from error

    async def _stored(
        self, requestor: Requestor, head: InstanceHead, attempt: Attempt, until: float
    ) -> Reply:
        try:
            return await attended(
                partial(self._store, requestor, head, attempt, until), requestor.cut, self._limiter
            )
        finally:
            self._pool.give(requestor)

    def _store(self, requestor: Requestor, head: InstanceHead, attempt: Attempt, until: float) -> Reply:
        """Send an instance, in a thread; first hear whether the partner has ended the association meanwhile."""
        requestor.hurry(until - monotonic())
        requestor.look()
        commits = self.config.confirm == "storage_commitment"
        if commits:
            requestor.context_for(COMMITMENT)
        body = attempt.body
        priority = _PRIORITIES[attempt.priority or self.config.priority]
        with BytesIO(body.data or b"") if body.path is None else body.path.open("rb") as source:
            source.seek(head.offset)
            size = body.size - head.offset
            answer = requestor.store(head, source, size, seconds=self._reply_seconds, priority=priority)
        reply = judged(answer)
        return replace(reply, awaiting=True, reference=head.sop_instance) if commits else reply

    async def _ask_to_commit(self, transaction: str, references: Sequence[Reference]) -> None:
        """Ask for commitment to instances that the partner has taken.

        Raises:
            Transient, Permanent: it cannot be asked, or does not take the request.
        """
        until = monotonic() + self._reply_seconds
        requestor, _ = await self._associated((COMMITMENT, _IMPLICIT), until)
        ask = partial(self._asked, requestor, write_request(transaction, references, _IMPLICIT))
        try:
            answer = await attended(ask, requestor.cut, self._limiter)
        finally:
            self._pool.give(requestor)
        if answer.status:
            raise Transient(
                f"the partner answers {answer.status:04X} to a request for storage commitment",
                sent=True,
                code=f"{answer.status:04X}",
                reply=Reply(f"{answer.status:04X}", answer.comment.encode()),
            )
        self._count("commitment_asked")

    def _asked(self, requestor: Requestor, data: bytes) -> Answer:
        """Ask, in a thread, and return the answer; first hear whether the partner has ended the association."""
        requestor.look()
        elements = {
            0x0003: COMMITMENT.encode(),
            0x1001: WELL_KNOWN.encode(),
            ACTION_TYPE: number(REQUEST),
        }
        asking = requestor.ask(
            N_ACTION_RQ, COMMITMENT, data=data, elements=elements, seconds=self._reply_seconds
        )
        return next(asking)

    async def _dial(self, proposals: Sequence[Proposal]) -> Requestor:
        requestor = await dial(self.config, self.context, proposals, limiter=self._limiter)
        self._count("association")
        return requestor

    async def _hear(self, requestor: Requestor) -> None:
        """Hand reports of storage commitment on, and answer them once what they say is durable."""
        reports, requestor.reports[:] = tuple(requestor.reports), ()
        for report in reports:
            status = await heard(
                report.command,
                report.data,
                report.syntax,
                self.context,
                endpoint=self.context.name,
                asked=self._commitments.asked,
            )
            acknowledge = partial(requestor.acknowledge, report, status)
            await attended(acknowledge, requestor.cut, self._limiter)

    def _count(self, event: str) -> None:
        self.context.counters.count("channel_events", channel=self.context.name, event=event)

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return await probed_by_echo(self.config, self.context, self._limiter)
