"""Modality Performed Procedure Step SCP: N-CREATE and N-SET become events, and move the steps of a worklist.

What a modality says is announced to the worklist, handed in as an event, and counts once that is durable; only then is
success said. A crash between the two is made good at the next start.

Source: DICOM PS3.4 F.7 (Modality Performed Procedure Step SOP Class), table F.7.2-1, F.7.2.2.2 (statuses); PS3.7 10.1.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from pydicom.dataset import Dataset

from channels._dicom.commands import N_CREATE_RQ, N_SET_RQ, is_uid
from channels.dicom.listener import MPPS
from channels.dicom.requests import Request
from channels.dicom.services import Service, Talk
from channels.dicom.worklist.step_events import event_of
from engine.codecs.dicom.encoding import decode
from engine.codecs.dicom.json_model import from_json, to_json
from engine.errors import CommitUnknown, MalformedMessage, PasserelleError, Transient
from engine.model import Body, Disposition, Verdict
from engine.spi import ChannelContext, Performed, Worklists

PERFORMED_STEP: Final = "1.2.840.10008.3.1.2.3.3"
SUCCESS: Final = 0x0000
PROCESSING_FAILURE: Final = 0x0110
INVALID_VALUE: Final = 0x0106
DUPLICATE_INSTANCE: Final = 0x0111
NO_SUCH_INSTANCE: Final = 0x0112
INVALID_INSTANCE: Final = 0x0117
MISSING_ATTRIBUTE: Final = 0x0120
MISSING_VALUE: Final = 0x0121
OUT_OF_RESOURCES: Final = 0x0213
_ERROR_ID, _AFFECTED_INSTANCE = 0x0903, 0x1000
_NO_MORE: Final = 0xA710
"""Performed Procedure Step Object may no longer be updated (PS3.4 F.7.2.2.2)."""

IN_PROGRESS, COMPLETED, DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"
_STATUS = "PerformedProcedureStepStatus"
_NEEDED = (
    "PerformedProcedureStepStatus",
    "PerformedProcedureStepID",
    "PerformedStationAETitle",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "Modality",
    "ScheduledStepAttributesSequence",
)
"""Type 1 at N-CREATE (table F.7.2-1)."""

_NEEDED_AT_END = (
    "PerformedProcedureStepEndDate",
    "PerformedProcedureStepEndTime",
    "PerformedSeriesSequence",
)
"""Type 1 when a step is completed."""

_FIXED = (
    "ScheduledStepAttributesSequence",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PerformedProcedureStepID",
    "PerformedStationAETitle",
    "PerformedStationName",
    "PerformedLocation",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "Modality",
    "StudyID",
)
"""What N-SET may not change (table F.7.2-1)."""

_LOCKS = tuple(threading.Lock() for _ in range(64))


class _Refused(Exception):
    """A request that is answered with a failure."""

    def __init__(self, status: int, comment: str, *, error_id: int = 0) -> None:
        super().__init__(comment)
        self.status = status
        self.comment = comment
        self.error_id = error_id


class _Taken:
    """The sender is answered by the service itself: what is stored says whether its event was taken."""

    def reply(self, verdict: Verdict) -> bytes:
        return verdict.disposition.word.encode()


@dataclass(frozen=True, slots=True)
class _Step:
    """A performed step as it is now."""

    uid: str
    revision: int
    attributes: Dataset


class PerformedSteps(Service):
    """Takes what modalities perform of one worklist."""

    classes = MappingProxyType({PERFORMED_STEP: frozenset({N_CREATE_RQ, N_SET_RQ})})

    def __init__(self, worklist: str, context: ChannelContext) -> None:
        assert context.worklists is not None
        self._worklist = worklist
        self._worklists: Worklists = context.worklists
        self._context = context

    def serve(self, request: Request, talk: Talk) -> None:
        """Answer one request; those about one step wait for each other."""
        creates = request.command.field == N_CREATE_RQ
        uid = request.command.sop_instance or (self._new_uid() if creates else "")
        elements = {_AFFECTED_INSTANCE: uid.encode()} if is_uid(uid) else {}
        try:
            if not is_uid(uid):
                raise _Refused(INVALID_INSTANCE, "the SOP instance is no UID")
            with _LOCKS[hash((self._worklist, uid)) % len(_LOCKS)]:
                step = self._created(request, uid, talk) if creates else self._changed(request, uid, talk)
                talk.run(partial(self._keep, step, talk))
        except _Refused as refused:
            self._count("step_refused")
            if refused.error_id:
                elements[_ERROR_ID] = refused.error_id.to_bytes(2, "little")
            talk.respond(refused.status, comment=refused.comment, elements=elements)
            return
        self._count("step_created" if creates else "step_changed")
        talk.respond(SUCCESS, elements=elements)

    def _created(self, request: Request, uid: str, talk: Talk) -> _Step:
        attributes = _attributes(request)
        for keyword in _NEEDED:
            _require(attributes, keyword)
        if _text(attributes, _STATUS) != IN_PROGRESS:
            raise _Refused(INVALID_VALUE, "a step begins IN PROGRESS")
        if talk.run(partial(self._worklists.performed, self._worklist, uid)) is not None:
            raise _Refused(DUPLICATE_INSTANCE, "there is a performed step of this UID")
        return _Step(uid, 0, attributes)

    def _changed(self, request: Request, uid: str, talk: Talk) -> _Step:
        changes = _attributes(request)
        before = talk.run(partial(self._worklists.performed, self._worklist, uid))
        if before is None:
            raise _Refused(NO_SUCH_INSTANCE, "there is no performed step of this UID")
        attributes = from_json(before.attributes)
        if _text(attributes, _STATUS) != IN_PROGRESS:
            raise _Refused(
                PROCESSING_FAILURE,
                "Performed Procedure Step Object may no longer be updated",
                error_id=_NO_MORE,
            )
        for keyword in _FIXED:
            if keyword in changes and _text(changes, keyword) != _text(attributes, keyword):
                raise _Refused(INVALID_VALUE, f"{keyword} may not be changed")
        attributes.update(changes)
        status = _text(attributes, _STATUS)
        if status not in (IN_PROGRESS, COMPLETED, DISCONTINUED):
            raise _Refused(INVALID_VALUE, "the status is none of a performed step")
        if status == COMPLETED:
            for keyword in _NEEDED_AT_END:
                _require(attributes, keyword)
        return _Step(uid, before.revision + 1, attributes)

    async def _keep(self, step: _Step, talk: Talk) -> None:
        """Announce, hand in, conclude. Raises _Refused; what nobody knows is concluded at the next start."""
        context = self._context
        try:
            performed = Performed(step.uid, step.revision, to_json(step.attributes))
            event = event_of(
                performed, listener=context.name, zone=context.zone, at_ms=context.clock.now_ms()
            )
            message = talk.message(
                Body.of(event, "application/cloudevents+json"),
                codec="json",
                selector=MPPS,
                control_id=f"mpps {step.uid} {step.revision}",
            )
            await self._worklists.announce(self._worklist, performed, message.id)
            durable = False
            try:
                receipt = await talk.hand_in(message, _Taken())
                durable = receipt.disposition is not Disposition.REFUSED
            except CommitUnknown:
                raise _Refused(PROCESSING_FAILURE, "nobody knows whether it is stored") from None
            except PasserelleError:
                await self._worklists.conclude(message.id, durable=False)
                raise
            await self._worklists.conclude(message.id, durable=durable)
        except Transient as error:
            raise _Refused(OUT_OF_RESOURCES, "come again later") from error
        if not durable:
            raise _Refused(PROCESSING_FAILURE, "no route takes what is performed here")

    def _new_uid(self) -> str:
        """Return a UID for a step whose modality leaves it to us (PS3.5 B.2)."""
        return f"2.25.{int.from_bytes(self._context.new_id().encode(), 'big') % 2**127}"

    def _count(self, event: str) -> None:
        self._context.counters.count("channel_events", channel=self._context.name, event=event)


def _attributes(request: Request) -> Dataset:
    try:
        return decode(request.data, request.transfer_syntax)
    except MalformedMessage as error:
        raise _Refused(PROCESSING_FAILURE, "the attributes cannot be read") from error


def _require(attributes: Dataset, keyword: str) -> None:
    if keyword not in attributes:
        raise _Refused(MISSING_ATTRIBUTE, f"{keyword} is missing")
    if attributes[keyword].is_empty:
        raise _Refused(MISSING_VALUE, f"{keyword} has no value")


def _text(attributes: Dataset, keyword: str) -> str:
    """Return an attribute as text, to be compared; a sequence as a whole."""
    found: Any = attributes.get(keyword)
    return "" if found is None else str(found).strip()
