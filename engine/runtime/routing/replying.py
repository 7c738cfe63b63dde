"""Makes a waiting sender's reply of what its destination answered: the route's steps, then bytes; pure CPU work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine.codecs import codec
from engine.config.formats import HL7
from engine.model import NOTHING, Body, Fault, Message, Reply
from engine.runtime.routing.answering import Answering, Outcome
from engine.runtime.routing.flow import run
from engine.spi import Document, Scope

LATE = (Fault("", "the destination did not answer in time", "timeout"),)
NONE = (Fault("", "the destination gave no answer", "undelivered"),)
FILTERED = (Fault("", "the destination's answer was filtered", "undelivered"),)


def reply_of(
    answering: Answering,
    outcome: Outcome | None,
    message: Message,
    received: Document,
    opening: Callable[[Message, Document], Scope],
) -> Reply | tuple[Fault, ...]:
    """Return the partner's answer after the steps, or why there is none.

    `received` is the document that the answer is about. A refusal of the partner's goes on as it came, unless the
    answer is to be changed: what changes an answer cannot be expected to read a refusal.

    Raises:
        Rejected: the answer cannot be read, or a step refused it.
    """
    if outcome is None:
        return LATE
    reader = codec(answering.codec)
    if outcome.taken and not outcome.evidence and not answering.steps and reader.name != HL7:
        return Reply(outcome.code)  # a 204 is an answer
    if not outcome.evidence and not outcome.taken and outcome.remark:
        return (Fault("", f"the destination does not take this: {outcome.remark}", "undelivered"),)
    if not outcome.evidence or not outcome.whole or (answering.steps and not outcome.taken):
        return NONE
    if not answering.steps:
        return Reply(outcome.code, outcome.evidence, {"content-type": reader.content_type})
    body = Body.of(outcome.evidence)
    answer = replace(message, body=body, codec=reader.name, content_type="", headers=NOTHING)
    document = reader.decode(answer)
    scope = opening(answer, document)
    scope.source = received.root
    came = run(answering.steps, document, scope)
    if len(came) != 1:
        return FILTERED
    made = came[0][0]
    writer = codec(made.codec)
    return Reply(outcome.code, writer.encode(made), {"content-type": writer.content_type})
