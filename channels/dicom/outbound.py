"""Send instances by C-STORE over associations that are kept: delivered once the partner says that it has them.

An instance travels in the transfer syntax that it has, read from its file piece by piece. Source: DICOM PS3.4 annex B.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from secrets import randbits
from time import monotonic
from types import TracebackType
from typing import Final, cast

import anyio

from channels._tcp.dial import Stages, probed, reach
from channels.dicom.commands import ACTION_TYPE, N_ACTION_RQ, number
from channels.dicom.commitment import COMMITMENT, REQUEST, WELL_KNOWN, Reference, write_request
from channels.dicom.confirming import heard
from channels.dicom.dialling import attended, destination_of, dial, secured
from channels.dicom.endpoint import DicomEndpoint
from channels.dicom.negotiation import VERIFICATION
from channels.dicom.part10 import InstanceHead, head_of
from channels.dicom.pool import Pool
from channels.dicom.proposing import Proposal
from channels.dicom.requesting import HIGH, LOW, MEDIUM, Requestor
from channels.dicom.statuses import judged
from channels.dicom.transactions import CHANCE_BITS, transaction_of
from engine.errors import Permanent, Transient
from engine.model import Attempt, Reply
from engine.spi import ChannelContext, Outbound

_PRIORITIES: Final = {"low": LOW, "medium": MEDIUM, "high": HIGH}
_IMPLICIT: Final = "1.2.840.10008.1.2"
_PROBE_SECONDS: Final = 10.0
_THREADS: Final = 64
"""More than are needed: how many sends run at once is the engine's to say."""

_ENDED: Final = frozenset({"closed", "released", "aborted"})
_STAGES: Final = ("dns", "tcp", "tls", "association", "echo")


class DicomOutbound(Outbound):
    """Delivers to one partner."""

    config: DicomEndpoint

    def __init__(self, config: DicomEndpoint, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._priority = _PRIORITIES[config.priority]
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

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()

    async def send(self, attempt: Attempt) -> Reply:
        until = monotonic() + attempt.timeout
        body = attempt.body
        head = head_of(body) if body.data is not None else await anyio.to_thread.run_sync(head_of, body)
        requestor, fresh = await self._taken(head, until)
        try:
            reply = await self._stored(requestor, head, attempt, until)
        except Transient as error:  # a kept association may have ended before anybody noticed
            if fresh or error.sent or error.code not in _ENDED:
                raise
            requestor, _ = await self._taken(head, until)
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
        return reply

    async def _taken(self, head: InstanceHead, until: float) -> tuple[Requestor, bool]:
        try:
            async with asyncio.timeout(until - monotonic()):
                return await self._pool.take((head.sop_class, head.transfer_syntax))
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
        with BytesIO(body.data or b"") if body.path is None else body.path.open("rb") as source:
            source.seek(head.offset)
            size = body.size - head.offset
            answer = requestor.store(head, source, size, seconds=self._reply_seconds, priority=self._priority)
        reply = judged(answer)
        if commits:
            self._ask_to_commit(requestor, head, attempt)
        return replace(reply, awaiting=commits)

    def _ask_to_commit(self, requestor: Requestor, head: InstanceHead, attempt: Attempt) -> None:
        """Ask for commitment to an instance that the partner has taken, in a transaction that names the message.

        Raises:
            Transient: it does not take the request; the instance is sent again, so it may be there twice.
        """
        transaction = transaction_of(attempt.message_id, randbits(CHANCE_BITS))
        reference = Reference(head.sop_class, head.sop_instance)
        elements = {
            0x0003: COMMITMENT.encode(),
            0x1001: WELL_KNOWN.encode(),
            ACTION_TYPE: number(REQUEST),
        }
        try:
            asking = requestor.ask(
                N_ACTION_RQ,
                COMMITMENT,
                data=write_request(transaction, [reference], _IMPLICIT),
                elements=elements,
                seconds=self._reply_seconds,
            )
            answer = next(asking)
        except Transient as error:
            raise Transient(f"commitment: {error}", sent=True, code=error.code) from error
        if answer.status:
            raise Transient(
                f"the partner answers {answer.status:04X} to a request for storage commitment",
                sent=True,
                code=f"{answer.status:04X}",
                reply=Reply(f"{answer.status:04X}", answer.comment.encode()),
            )

    async def _dial(self, proposals: Sequence[Proposal]) -> Requestor:
        requestor = await dial(self.config, self.context, proposals, limiter=self._limiter)
        self._count("association")
        return requestor

    async def _hear(self, requestor: Requestor) -> None:
        """Hand reports of storage commitment on, and answer them once what they say is durable."""
        reports, requestor.reports[:] = tuple(requestor.reports), ()
        for report in reports:
            status = await heard(
                report.command, report.data, report.syntax, self.context, endpoint=self.context.name
            )
            acknowledge = partial(requestor.acknowledge, report, status)
            await attended(acknowledge, requestor.cut, self._limiter)

    def _count(self, event: str) -> None:
        self.context.counters.count("channel_events", channel=self.context.name, event=event)

    # ------------------------------------------------------------- probe

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return await probed(self._look, _STAGES, seconds=_PROBE_SECONDS)

    async def _look(self, found: Stages) -> None:
        """Add what each stage shows; a stage that fails raises."""
        destination = destination_of(self.config, self.context)
        sock = await reach(destination, found)
        requestor = await secured(
            sock,
            destination,
            self.config.timeouts.seconds(),
            until=monotonic() + _PROBE_SECONDS,
            limiter=self._limiter,
        )
        try:
            found.append(("tls", True, _security(requestor)))
            proposals = (Proposal(VERIFICATION, (_IMPLICIT,)),)
            agree = partial(requestor.open, self.config.calling, self.config.ae_title, proposals)
            await attended(agree, requestor.cut, self._limiter)
            found.append(("association", True, f"{self.config.ae_title} takes {self.config.calling}"))
            echo = partial(requestor.echo, _PROBE_SECONDS)
            status = await attended(echo, requestor.cut, self._limiter)
            if status:
                raise Permanent(f"the partner answers {status:04X} to C-ECHO", code=f"{status:04X}")
            found.append(("echo", True, "answered 0000 to C-ECHO"))
            await attended(requestor.release, requestor.cut, self._limiter)
        finally:
            requestor.close()


def _security(requestor: Requestor) -> str:
    sock = requestor.socket
    if not isinstance(sock, ssl.SSLSocket):
        return "none: plaintext"
    ends = cast(str, (sock.getpeercert() or {}).get("notAfter", ""))
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC).date() if ends else "unknown"
    return f"{sock.version()}, certificate until {until}"
