"""HL7 over HTTP, sending: what the acknowledgement in an answer's body means, whatever the HTTP status beside it.

Source: HL7 over HTTP (draft of the HAPI project) 2.6; HL7 v2.5.1 2.9.2, 2.9.3.
"""

from __future__ import annotations

from dataclasses import replace

from channels._hl7.judgement import refusal
from channels._hl7.modes import Acks, awaits_application
from channels._http.client import Response
from channels._http.judgement import evidence, judge
from engine.codecs.hl7v2.answers import read_ack
from engine.codecs.hl7v2.header import Header
from engine.errors import MalformedMessage, Transient
from engine.model import Reply


def judge_acknowledgement(response: Response, sent: Header, *, acks: Acks, now_ms: int) -> Reply:
    """Return the evidence of AA or CA, a CA `awaiting` where an application acknowledgement follows it.

    `sent` is the header of the message that is answered. An answer without an acknowledgement is judged by its status,
    but 2xx alone says nothing: the outcome is unknown.

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
    reply = replace(evidence(response), code=ack.code)
    if ack.control_id != sent.control_id:
        raise Transient("the answer acknowledges another message", sent=True, code="other_id", reply=reply)
    failure = refusal(ack, reply)
    if failure is not None:
        raise failure
    return replace(reply, awaiting=ack.code == "CA" and awaits_application(sent, acks))
