"""Storage commitment as its provider: says of instances whether the store holds them, and sees to it that it is heard.

A request is durable before it is answered. The report goes out on the same association while that is open, else on one
that is opened to the endpoint of who asked, again and again, also after a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final

import anyio

from channels._dicom.commands import ACTION_TYPE, EVENT_TYPE, N_ACTION_RQ, N_EVENT_REPORT_RQ, number
from channels._dicom.dialling import attended, dial
from channels._dicom.endpoint import DicomEndpoint
from channels._dicom.proposing import Proposal
from channels._dicom.requesting import Answer
from channels.dicom.commitment.information import (
    CLASS_CONFLICT,
    COMMITMENT,
    NO_SUCH_INSTANCE,
    REQUEST,
    WELL_KNOWN,
    Reference,
    Report,
    read_request,
    write_report,
)
from channels.dicom.commitment.pending import Pending, PendingReports
from channels.dicom.listener import Commitment
from channels.dicom.requests import Request
from channels.dicom.services import Service, Talk
from engine.errors import MalformedMessage, NotFound, PasserelleError
from engine.spi import ChannelContext

_SUCCESS: Final = 0x0000
_NO_SUCH_OBJECT: Final = 0x0112
_INVALID_ARGUMENT: Final = 0x0115
_NO_SUCH_ACTION: Final = 0x0123
_RESOURCES: Final = 0x0213
_WAITING_MAX: Final = 1000
_SYNTAXES: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
_AT_ONCE: Final = 200
_HEAR_SECONDS: Final = 10.0
_FIRST, _LONGEST = 2.0, 300.0
_GIVE_UP_MS: Final = 7 * 24 * 3600 * 1000


class Committing(Service):
    """Answers requests of one listener's partners."""

    def __init__(self, config: Commitment, context: ChannelContext) -> None:
        self.classes = {COMMITMENT: frozenset({N_ACTION_RQ})}
        self._endpoints = config.reports
        self._context = context
        self._pending = PendingReports(context.var / "dicom" / f"{context.name}.commitments")
        self._wakes = {name: asyncio.Event() for name in {"", *config.reports.values()}}

    # ------------------------------------------------------------- in the thread of an association

    def serve(self, request: Request, talk: Talk) -> None:
        command = request.command
        if command.sop_instance != WELL_KNOWN:
            talk.respond(_NO_SUCH_OBJECT)
            return
        if command.number(ACTION_TYPE) != REQUEST:
            talk.respond(_NO_SUCH_ACTION)
            return
        if len(self._pending.waiting()) >= _WAITING_MAX:
            talk.respond(_RESOURCES, comment="come again later")
            return
        try:
            transaction, references = read_request(request.data, request.transfer_syntax)
        except MalformedMessage:
            talk.respond(_INVALID_ARGUMENT)
            return
        pending = Pending(
            self._context.new_id(),
            transaction,
            talk.calling,
            talk.partner or "",
            references,
            self._context.clock.now_ms(),
        )
        self._pending.add(pending)
        talk.respond(_SUCCESS)
        said: int | None = None
        try:
            report = talk.run(lambda: self.judged(pending))
            data = write_report(report, request.transfer_syntax)
            said = talk.report(COMMITMENT, WELL_KNOWN, report.event_type, data, seconds=_HEAR_SECONDS)
        finally:
            talk.run(lambda: self._told(pending, here=said == _SUCCESS))

    # ------------------------------------------------------------- on the event loop

    async def judged(self, pending: Pending) -> Report:
        """Say which instances the store holds that came by this listener or from this partner."""
        committed: list[Reference] = []
        failed: dict[Reference, int] = {}
        for start in range(0, len(pending.references), _AT_ONCE):
            asked = pending.references[start : start + _AT_ONCE]
            uids = [each.sop_instance for each in asked]
            found = await self._context.images.instances(instances=uids, limit=_AT_ONCE)
            held = {
                each.instance: each.sop_class
                for each in found
                if each.listener == self._context.name
                or (pending.partner and each.partner == pending.partner)
            }
            for each in asked:
                if each.sop_instance not in held:
                    failed[each] = NO_SUCH_INSTANCE
                elif held[each.sop_instance] != each.sop_class:
                    failed[each] = CLASS_CONFLICT
                else:
                    committed.append(each)
        return Report(pending.transaction, committed, failed)

    async def run(self) -> None:
        """Report what could not be reported at once, until cancelled; each endpoint has its own queue, oldest first."""
        for _ in range(await asyncio.to_thread(self._pending.load)):
            self._count("strange_file")
        async with anyio.create_task_group() as group:
            for name in self._wakes:
                group.start_soon(self._report_to, name)

    async def _report_to(self, name: str) -> None:
        wake = self._wakes[name]
        pause = _FIRST
        while True:
            wake.clear()
            some = [each for each in self._pending.waiting() if self._endpoint_of(each) == name]
            done = await self._all_reported(name, some)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if done else pause):
                    await wake.wait()
            pause = _FIRST if done else min(_LONGEST, 2 * pause)

    async def _told(self, pending: Pending, *, here: bool) -> None:
        """Forget a report that was heard, or have it sent to the endpoint of who asked."""
        if here:
            await asyncio.to_thread(self._pending.remove, pending)
            self._count("commitment_reported")
            return
        self._pending.release(pending)
        self._wakes[self._endpoint_of(pending)].set()

    def _endpoint_of(self, pending: Pending) -> str:
        return self._endpoints.get(pending.calling, "")

    async def _all_reported(self, name: str, some: Sequence[Pending]) -> bool:
        """Report to one endpoint until it does not hear; tell whether nothing is left to do about it."""
        for each in some:
            if not await self._reported(name, each):
                return False
        return True

    async def _reported(self, name: str, pending: Pending) -> bool:
        """Report on an association of our own; tell whether nothing is left to do about it."""
        too_old = self._context.clock.now_ms() - pending.asked_ms > _GIVE_UP_MS
        unheard = "too_old" if too_old else "no_endpoint"
        if name and not too_old:
            try:
                if not await self._dialled(name, pending):
                    return False
                unheard = ""
            except NotFound:
                pass  # the endpoint was taken out of the configuration
            except PasserelleError as error:
                self._note(pending, getattr(error, "code", "failed"))
                return False
        await asyncio.to_thread(self._pending.remove, pending)
        self._count("commitment_unreported" if unheard else "commitment_reported")
        if unheard:
            self._note(pending, unheard)
        return True

    async def _dialled(self, name: str, pending: Pending) -> bool:
        config, context = self._context.reach(name)
        if not isinstance(config, DicomEndpoint):
            raise NotFound(f"{name} is no DICOM endpoint")
        proposals = [Proposal(COMMITMENT, _SYNTAXES, scp=True)]
        requestor = await dial(config, context, proposals)
        try:
            report = await self.judged(pending)
            syntax = requestor.accepted[requestor.context_for(COMMITMENT)].syntax
            elements = {0x1000: WELL_KNOWN.encode(), EVENT_TYPE: number(report.event_type)}
            asking = requestor.ask(
                N_EVENT_REPORT_RQ,
                COMMITMENT,
                data=write_report(report, syntax),
                elements=elements,
                seconds=config.timeouts.reply.total_seconds(),
            )
            answer: Answer = await attended(partial(next, asking), requestor.cut)
            await attended(requestor.release, requestor.cut)
        finally:
            requestor.close()
        if answer.status != _SUCCESS:
            self._note(pending, f"{answer.status:04X}")
        return answer.status == _SUCCESS

    def _count(self, event: str) -> None:
        self._context.counters.count("channel_events", channel=self._context.name, event=event)

    def _note(self, pending: Pending, code: str) -> None:
        self._context.logger.warning(
            "a report of storage commitment was not heard",
            extra={
                "action": "commitment_unreported",
                "listener": self._context.name,
                "partner": pending.partner,
                "code": code,
            },
        )
