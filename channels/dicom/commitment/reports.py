"""A partner's report that it has committed itself to what we sent it: matched by its transaction, handed to the engine.

It comes on the association that we asked on, or on one that the partner opens to a listener, at any later time.
"""

from __future__ import annotations

from typing import Final

from channels._dicom.commands import EVENT_TYPE, N_EVENT_REPORT_RQ, Command
from channels.dicom.commitment.information import ALL_COMMITTED, COMMITMENT, SOME_FAILED, Report, read_report
from channels.dicom.commitment.transactions import message_of
from channels.dicom.requests import Request
from channels.dicom.services import Service, Talk
from engine.errors import CommitUnknown, MalformedMessage, PasserelleError, Permanent, Rejected, Transient
from engine.model import Confirmation, Reply
from engine.spi import ChannelContext

_SUCCESS: Final = 0x0000
_PROCESSING_FAILURE: Final = 0x0110
_NO_SUCH_EVENT: Final = 0x0113
_INVALID_ARGUMENT: Final = 0x0115
_REASONS: Final = {
    0x0110: "processing failed",
    0x0112: "it does not have the instance",
    0x0119: "class and instance do not fit",
    0x0122: "the class is not supported",
    0x0131: "the transaction is known already",
    0x0213: "out of resources",
}


async def heard(
    command: Command,
    data: bytes,
    syntax: str,
    context: ChannelContext,
    *,
    partner: str | None = None,
    endpoint: str = "",
) -> int:
    """Hand a report to whoever waits for it, and return the status that answers it, once what it says is durable."""
    if command.number(EVENT_TYPE) not in (ALL_COMMITTED, SOME_FAILED):
        return _NO_SUCH_EVENT
    try:
        report = read_report(data, syntax)
    except MalformedMessage:
        return _INVALID_ARGUMENT
    confirmation = confirmation_of(report, partner=partner, endpoint=endpoint)
    try:
        known = confirmation is not None and await context.confirm(confirmation)
    except (Transient, CommitUnknown):
        return (
            _PROCESSING_FAILURE  # a partner that repeats its report is heard again; else the deadline passes
        )
    event = "confirmation" if known else "unexpected_report"
    context.counters.count("channel_events", channel=context.name, event=event)
    return _SUCCESS


def confirmation_of(report: Report, *, partner: str | None, endpoint: str) -> Confirmation | None:
    """Return a report as the engine takes it, None where it is about no message of ours, or about nothing."""
    message_id = message_of(report.transaction)
    if not message_id or not (report.committed or report.failed):
        return None
    reason = next(iter(report.failed.values()), _SUCCESS)
    reply = Reply(f"{reason:04X}")
    refusal = _refusal(reason, reply) if report.failed else None
    return Confirmation(message_id, reply, partner=partner, endpoint=endpoint, refusal=refusal)


def _refusal(reason: int, reply: Reply) -> PasserelleError:
    """Return what a failure means: what the partner lost or could not keep it is sent again."""
    text = f"the partner does not commit itself: {reason:04X}, {_REASONS.get(reason, 'a reason that is not listed')}"
    if reason == 0x0119:
        return Rejected(text, code=reply.code, reply=reply)
    if reason == 0x0122:
        return Permanent(text, code=reply.code, reply=reply)
    return Transient(text, code=reply.code, reply=reply)


class CommitmentReports(Service):
    """Hears partners that report on an association of their own."""

    def __init__(self, context: ChannelContext) -> None:
        self.classes = {COMMITMENT: frozenset({N_EVENT_REPORT_RQ})}
        self._context = context

    def serve(self, request: Request, talk: Talk) -> None:
        command, data, syntax = request.command, request.data, request.transfer_syntax
        talk.respond(talk.run(lambda: heard(command, data, syntax, self._context, partner=talk.partner)))
