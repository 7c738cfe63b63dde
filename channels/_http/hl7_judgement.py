"""HL7 over HTTP, sending: what the acknowledgement in an answer's body means, whatever the HTTP status beside it.

Source: HL7 over HTTP (draft of the HAPI project) 2.6; HL7 v2.5.1 2.9.2, tables 0008 (MSA-1) and 0357 (ERR-3).
"""

from __future__ import annotations

from typing import Final

from channels._http.client import Response
from channels._http.judgement import evidence, judge
from engine.codecs.hl7v2.answers import Ack, read_ack
from engine.codecs.hl7v2.header import header
from engine.errors import MalformedMessage, PasserelleError, Rejected, Transient
from engine.model import Fault, Reply

_CONTENT: Final = frozenset({"100", "101", "102", "103"})
_PASSING: Final = frozenset({"206", "207"})
_REFUSING: Final = frozenset({"AE", "AR", "CE", "CR"})


def judge_acknowledgement(response: Response, sent: bytes, *, now_ms: int) -> Reply:
    """Return the evidence of AA or CA; raise what any other answer means.

    An answer without an acknowledgement is judged by its status, but 2xx alone says nothing: the outcome is unknown.

    Raises:
        Transient: AE and CE, ERR-3 206 and 207; `sent` where MSA-2 names another message, or there is no MSA.
        Rejected: AR and CR, and content at fault (ERR-3 100-103).
        Transient, Permanent, Rejected: by the status, as `judge` has it.
    """
    try:
        ack = read_ack(response.body)
    except MalformedMessage:
        reply = judge(response, now_ms=now_ms)
        text = "the partner answered without an acknowledgement"
        raise Transient(text, sent=True, code="garbage", reply=reply) from None
    reply = Reply(ack.code, response.body, evidence(response).headers)
    if ack.control_id != header(sent).control_id:
        raise Transient("the answer acknowledges another message", sent=True, code="other_id", reply=reply)
    if ack.code in ("AA", "CA"):
        return reply
    raise _refusal(ack, reply)


def _refusal(ack: Ack, reply: Reply) -> PasserelleError:
    """A code of ERR-3 decides before MSA-1."""
    if ack.code not in _REFUSING:
        text = "the acknowledgement has no code of table 0008"
        return Transient(text, sent=True, code="garbage", reply=reply)
    numbers = [_plain(error.code) for error in ack.errors if error.code]
    told = f"the partner answered {ack.code}" + (f" with {numbers[0]}" if numbers else "")
    code = f"{ack.code}_{numbers[0]}" if numbers else ack.code
    content = not _CONTENT.isdisjoint(numbers)
    passing = not _PASSING.isdisjoint(numbers) or ack.code in ("AE", "CE")
    if passing and not content:
        return Transient(told, code=code, reply=reply)
    faults = tuple(
        Fault(error.location[:40], "the partner refuses this", _plain(error.code))
        for error in ack.errors[:20]
    )
    return Rejected(told, faults=faults, code=code, reply=reply)


def _plain(number: str) -> str:
    """Return a code that may be logged: table 0357 has three digits, and partners write what they like."""
    return number if number.isascii() and number.isalnum() and len(number) <= 8 else "another_code"
