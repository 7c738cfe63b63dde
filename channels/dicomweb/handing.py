"""STOW-RS, receiving: each instance of a request as a message of its own, and what became of it.

Source: DICOM PS3.18 10.5 (Store transaction), annex I.2 (failure reasons).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from channels._dicom.answering import (
    CANNOT_UNDERSTAND,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    SUCCESS,
    Answer,
    fault,
)
from channels._dicom.negotiation import is_taken
from channels._dicom.receiving import CONTENT_TYPE
from channels.dicomweb.incoming import Arrived
from channels.dicomweb.listener import DicomWebListener
from channels.dicomweb.storing import DOES_NOT_MATCH, SYNTAX_NOT_SUPPORTED, Outcome
from engine.errors import (
    FATAL,
    CommitUnknown,
    PasserelleError,
    Rejected,
    Transient,
)
from engine.model import Body, Disposition, Fault, Message, Peer, Verdict
from engine.spi import ChannelContext, Intake

_REASON: Final = re.compile(r"[0-9A-F]{4}", re.ASCII)


class Reasons:
    """The exchange of one instance: its stored reply is a status, as C-STORE would answer."""

    def reply(self, verdict: Verdict) -> bytes:
        """Return the stored form of what this verdict means."""
        if verdict.disposition is not Disposition.REFUSED:
            return Answer(SUCCESS).stored()
        code = verdict.faults[0].code if verdict.faults else ""
        return Answer(int(code, 16) if _REASON.fullmatch(code) else CANNOT_UNDERSTAND).stored()


_REASONS: Final = Reasons()


@dataclass(frozen=True, slots=True)
class Handing:
    """What handing in takes of the listener."""

    config: DicomWebListener
    context: ChannelContext
    broke: Callable[[BaseException], None]
    count: Callable[[str], None]


@dataclass(slots=True)
class Delivery:
    """The instances of one request on their way in; `study` is the one that the path names, "" for any."""

    handing: Handing
    intake: Intake
    partner: str | None
    peer: Peer
    study: str
    outcomes: list[Outcome] = field(default_factory=list)

    def broke(self, error: BaseException) -> None:
        """Report an error that nobody named."""
        self.handing.broke(error)

    async def hand_in(self, arrived: Arrived) -> None:
        """Hand an instance in, and keep what became of it; its file is given up once the store has it."""
        outcome = await self._outcome(arrived)
        if arrived.spool is not None:  # not where this was cancelled: the store may still read it
            arrived.spool.discard()
        self.outcomes.append(outcome)

    async def _outcome(self, arrived: Arrived) -> Outcome:
        says, head = arrived.says, arrived.head
        named = Outcome(
            None,
            head.sop_class if head is not None else "",
            head.sop_instance if head is not None else "",
            says.study if says is not None else "",
            says.series if says is not None else "",
        )
        status: int | None = arrived.fault
        if arrived.body is not None:
            status = await self._status(self._message(arrived, arrived.body))
        return Outcome(status, named.sop_class, named.sop_instance, named.study, named.series)

    async def _status(self, message: Message) -> int | None:
        """Return what is told of an instance, None where nobody can say."""
        try:
            receipt = await self.intake(message, _REASONS)
        except Rejected:
            return CANNOT_UNDERSTAND
        except Transient:
            self.handing.count("out_of_resources")
            return OUT_OF_RESOURCES
        except CommitUnknown:
            self.handing.count("commit_unknown")
            return None
        except FATAL:
            raise
        except PasserelleError as error:
            self.handing.context.logger.error(
                "an instance was left without an answer",
                exc_info=error,
                extra={"action": "no_answer", "listener": message.listener, "message_id": message.id},
            )
            return None
        except Exception as error:  # noqa: BLE001  a bug met here must not end the other requests
            self.handing.broke(error)
            return PROCESSING_FAILURE
        return Answer.of(receipt.reply).status

    def _message(self, arrived: Arrived, body: Body) -> Message:
        context, head = self.handing.context, arrived.head
        meta = {"address": self.peer.address}
        if head is not None:
            meta |= {"transfer_syntax": head.transfer_syntax, "sop_class": head.sop_class}
        return Message(
            id=context.new_id(),
            listener=context.name,
            body=body,
            codec=self.handing.config.codec or "dicom",
            received_ms=context.clock.now_ms(),
            partner=self.partner,
            control_id=head.sop_instance if head is not None else "",
            peer=self.peer,
            content_type=CONTENT_TYPE,
            meta=meta,
            faults=self._faults(arrived),
            instance=arrived.says,
        )

    def _faults(self, arrived: Arrived) -> tuple[Fault, ...]:
        head = arrived.head
        if arrived.fault or head is None:
            return (fault(arrived.fault or CANNOT_UNDERSTAND, "", arrived.why),)
        if not is_taken(head.transfer_syntax):
            return (fault(SYNTAX_NOT_SUPPORTED, "TransferSyntaxUID", "this transfer syntax is not taken"),)
        if self.study and (arrived.says is None or arrived.says.study != self.study):
            return (
                fault(DOES_NOT_MATCH, "StudyInstanceUID", "it belongs to another study than the request"),
            )
        return ()
