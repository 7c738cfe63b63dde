"""A partner's report that it has committed itself to what we sent it: matched by its transaction, handed to the engine.

It comes on the association that we asked on, or on one that the partner opens to a listener, at any later time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from channels._dicom.commands import EVENT_TYPE, N_EVENT_REPORT_RQ, Command
from channels.dicom.commitment.gathering import TOGETHER_MAX
from channels.dicom.commitment.information import ALL_COMMITTED, COMMITMENT, SOME_FAILED, Report, read_report
from channels.dicom.commitment.transactions import is_of_several, message_of
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


def _nothing(transaction: str) -> Mapping[str, str]:
    return {}


async def heard(
    command: Command,
    data: bytes,
    syntax: str,
    context: ChannelContext,
    *,
    partner: str | None = None,
    endpoint: str = "",
    asked: Callable[[str], Mapping[str, str]] = _nothing,
) -> int:
    """Hand a report to whoever waits for it, and return the status that answers it, once what it says is durable.

    `asked` gives the messages of a request by their SOP Instance UIDs, where who asked remembers it.
    """
    if command.number(EVENT_TYPE) not in (ALL_COMMITTED, SOME_FAILED):
        return _NO_SUCH_EVENT
    try:
        report = read_report(data, syntax)
    except MalformedMessage:
        return _INVALID_ARGUMENT
    messages = asked(report.transaction)
    confirmations = confirmations_of(report, messages, partner=partner, endpoint=endpoint)
    told = await asyncio.gather(*map(context.confirm, confirmations), return_exceptions=True)
    unheard = [each for each in told if isinstance(each, BaseException)]
    if any(not isinstance(each, Transient | CommitUnknown) for each in unheard):
        raise next(each for each in unheard if not isinstance(each, Transient | CommitUnknown))
    for known in told or [False]:
        if not isinstance(known, BaseException):
            event = "confirmation" if known else "unexpected_report"
            context.counters.count("channel_events", channel=context.name, event=event)
    # a partner that repeats its report is heard again; else the deadline passes
    return _PROCESSING_FAILURE if unheard else _SUCCESS


def confirmations_of(
    report: Report, messages: Mapping[str, str], *, partner: str | None, endpoint: str
) -> list[Confirmation]:
    """Return a report as the engine takes it, each instance for itself; nothing where it is about nothing of ours.

    What a request was alone about is the message that its transaction names; several are known by `messages`, or by
    their SOP Instance UIDs.
    """
    first = message_of(report.transaction)
    results = {**dict.fromkeys(report.committed, _SUCCESS), **report.failed}
    if not first or len(results) > TOGETHER_MAX:  # more than was ever asked for at once
        return []
    found = []
    for reference, reason in results.items():
        uid = reference.sop_instance
        message_id = messages.get(uid, uid) if is_of_several(report.transaction) else first
        reply = Reply(f"{reason:04X}")
        refusal = _refusal(reason, reply) if reason else None
        found.append(Confirmation(message_id, reply, partner=partner, endpoint=endpoint, refusal=refusal))
    return found


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
