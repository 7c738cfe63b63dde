"""Ask an archive: one association per message, its answer as the partner's evidence.

Source: DICOM PS3.4 C.4.1 (C-FIND), C.4.2 (C-MOVE), C.4.3 (C-GET), with their statuses.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Any, Final

import anyio.from_thread
import anyio.to_thread
from pydicom.dataset import Dataset

from channels._dicom.commands import Command, is_uid
from channels._dicom.dialling import attended, dial
from channels._dicom.probing import probed_by_echo
from channels._dicom.proposing import Proposal
from channels._dicom.querying import (
    CANCELLED,
    FIND,
    GET,
    MOVE,
    Counts,
    End,
    find,
    proposals,
    retrieve,
)
from channels._dicom.receiving import CONTENT_TYPE, prepare
from channels._dicom.requesting import Requestor
from channels._dicom.statuses import is_warning, refused
from channels.dicom_query.asking import Question, question_of
from channels.dicom_query.bringing import Bringing, storage_proposals
from channels.dicom_query.endpoint import DicomQueryEndpoint
from engine.codecs.dicom.json_model import to_json
from engine.errors import MalformedMessage, PasserelleError, Permanent, Transient
from engine.model import Attempt, Body, Instance, Message, Peer, Reply
from engine.spi import ChannelContext, Outbound

_ANSWER_BYTES: Final = 1024 * 1024
"""Bytes of matches that are kept as an answer; at the next one the archive is told to stop."""

_LARGE_PDU: Final = 256 * 1024
_NO_DESTINATION: Final = 0xA801
_INCOMPLETE: Final = 0xB000


class DicomQueryOutbound(Outbound):
    """Asks one archive."""

    config: DicomQueryEndpoint

    def __init__(self, config: DicomQueryEndpoint, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._callee = config.callee()
        self._limiter = anyio.CapacityLimiter((config.limits.concurrency if config.limits else 4) + 1)
        self._folder = context.var / "dicom_query" / context.name
        self._fetches = config.ask != "find"
        self._partner = context.name.rpartition(".")[0] or None

    async def send(self, attempt: Attempt) -> Reply:
        until = monotonic() + attempt.timeout
        body = await anyio.to_thread.run_sync(attempt.body.read)
        question = question_of(body, retrieve=self._fetches)
        bringing = await self._bringing()
        sop_class, proposed = self._proposed(question)
        requestor = await dial(
            self._callee, self.context, proposed, limiter=self._limiter, largest_pdu=_LARGE_PDU
        )
        requestor.sub_operations = bringing
        ask = partial(self._ask, requestor, sop_class, question, until)
        try:
            return await attended(ask, requestor.cut, self._limiter)
        finally:
            requestor.close()

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return await probed_by_echo(self._callee, self.context, self._limiter)

    def _proposed(self, question: Question) -> tuple[str, tuple[Proposal, ...]]:
        """Return the class that is asked, and all that is proposed."""
        classes = {"find": FIND, "move": MOVE, "get": GET}[self.config.ask]
        sop_class = classes[question.root]
        more = storage_proposals() if self.config.ask == "get" else ()
        return sop_class, (*proposals(sop_class), *more)

    async def _bringing(self) -> Bringing | None:
        """Return what takes the instances of a C-GET, None where none come."""
        if self.config.into is None:
            return None
        if not self._folder.exists():
            await anyio.to_thread.run_sync(prepare, self._folder)
        return Bringing(
            self.context.intake(self.config.into),
            self._partner,
            self.config.largest,
            lambda: self._folder / f"{self.context.new_id()}.part",
            self._message,
            self._count,
        )

    def _message(self, command: Command, syntax: str, body: Body, says: Instance | None) -> Message:
        """Return what was brought as a message of the listener, sent by the archive's partner."""
        address = str(self.config.dicom_query)
        return Message(
            id=self.context.new_id(),
            listener=self.config.into or "",
            body=body,
            codec="dicom",
            received_ms=self.context.clock.now_ms(),
            partner=self._partner,
            control_id=command.sop_instance,
            peer=Peer(address),
            content_type=CONTENT_TYPE,
            meta={
                "calling_ae": self.config.ae_title,
                "called_ae": self.config.calling,
                "address": address,
                "transfer_syntax": syntax,
                "sop_class": command.sop_class if is_uid(command.sop_class) else "",
            },
            instance=says,
        )

    # ------------------------------------------------------------- in the thread of an attempt

    def _ask(self, requestor: Requestor, sop_class: str, question: Question, until: float) -> Reply:
        left = until - monotonic()
        requestor.hurry(left)
        if self._fetches:
            reply = self._retrieve(requestor, sop_class, question, left)
        else:
            reply = self._find(requestor, sop_class, question, left)
        requestor.release()
        return reply

    def _find(self, requestor: Requestor, sop_class: str, question: Question, seconds: float) -> Reply:
        found: list[dict[str, Any]] = []
        most = min(question.limit or self.config.results, self.config.results)
        size, complete = 0, True

        def wanted(match: Dataset) -> bool:
            nonlocal size, complete
            model = _json_of(match)
            size += len(json.dumps(model))
            complete = len(found) < most and size <= _ANSWER_BYTES
            if complete:
                found.append(model)
            return complete

        end = find(requestor, sop_class, question.identifier, seconds=seconds, wanted=wanted)
        if end.status not in (0, CANCELLED):
            raise _failure(end, Reply(f"{end.status:04X}", end.comment.encode()))
        return _reply(end, {"results": found, "complete": complete})

    def _retrieve(self, requestor: Requestor, sop_class: str, question: Question, seconds: float) -> Reply:
        known = Counts()

        def told(counts: Counts) -> None:
            nonlocal known
            self._count("suboperation", counts.completed - known.completed)
            known = counts

        end = retrieve(
            requestor,
            sop_class,
            question.identifier,
            move_to=self.config.move_to or "",
            seconds=seconds,
            told=told,
        )
        counts = end.counts
        self._count("suboperation", counts.completed - known.completed)
        reply = _reply(
            end,
            {
                "completed": counts.completed,
                "failed": counts.failed,
                "warning": counts.warning,
                "failed_instances": list(end.failed),
            },
        )
        if end.status == 0 or (is_warning(end.status) and not counts.failed):
            return reply
        raise _failure(end, reply)

    def _count(self, event: str, amount: float = 1) -> None:
        """Count on the event loop: this is called in the thread of an attempt."""
        if amount > 0:
            count = partial(self.context.counters.count, channel=self.context.name, event=event)
            anyio.from_thread.run_sync(count, "channel_events", amount)


def _json_of(match: Dataset) -> dict[str, Any]:
    try:
        return to_json(match)
    except MalformedMessage as error:
        raise Transient("a match of the archive's cannot be read", code="garbage") from error


def _reply(end: End, told: dict[str, Any]) -> Reply:
    body = json.dumps(told, separators=(",", ":")).encode()
    return Reply(f"{end.status:04X}", body, {"content-type": "application/json"})


def _failure(end: End, reply: Reply) -> PasserelleError:
    """Return what a status means that is no success: what is left undone is asked for again."""
    code = f"{end.status:04X}"
    if end.status == _NO_DESTINATION:
        return Permanent("the archive does not know the AE title to move to", code=code, reply=reply)
    if end.status == _INCOMPLETE:
        return Transient(f"{end.counts.failed} of the instances could not be brought", code=code, reply=reply)
    return refused(end.status, reply)
