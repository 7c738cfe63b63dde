"""HL7 over HTTP, receiving: the answer to a message is its acknowledgement, under 200 whatever that says.

Source: HL7 over HTTP (draft of the HAPI project) 2.1, 2.4, 2.6: an acknowledgement of any code is a successful
exchange; HL7 v2.5.1 2.9.2 (original mode), tables 0008 and 0357.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from channels._hl7 import ER7, charset_of, is_hl7
from channels._http.replies import HttpExchange
from engine.codecs.hl7v2.acknowledging import acknowledge, condition, timestamp
from engine.codecs.hl7v2.answers import read_ack
from engine.codecs.hl7v2.header import Header, unknown_header
from engine.errors import MalformedMessage
from engine.model import Disposition, Fault, Reply, Verdict

_POSITIVE: Final = frozenset(
    {Disposition.ACCEPTED, Disposition.FILTERED, Disposition.DUPLICATE, Disposition.COLLISION}
)
"""A control id that was used before with other content is accepted as new, as by every transport of HL7."""
_UNSUPPORTED: Final = frozenset({"malformed", "unmatched", "200", "201", "202", "203"})
_OURS: Final = frozenset({"206", "207"})
_STORED: Final = HttpExchange()
_BUSY: Final = Fault("", "the message could not be stored; send it again", "207")
_REFUSED: Final = Fault("", "the message is not taken", "102")


class Hl7Exchange:
    """The sender's side of one message; implements `spi.Conversation`. `header` is None where none can be read."""

    __slots__ = ("_header", "_id", "_kind", "_now")

    def __init__(self, header: Header | None, content_type: str, *, id: str, now_ms: int, zone: str) -> None:
        """`id` is our MSH-10, `now_ms` and `zone` our MSH-7; the answer has the request's content type."""
        self._header = header or unknown_header()
        self._kind = _kind(content_type)
        self._id = id
        self._now = timestamp(datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(zone)))

    def reply(self, verdict: Verdict) -> bytes:
        """Return the stored form of the acknowledgement that this verdict means."""
        code = _code(verdict)
        if code == "AA":
            return self._stored(code, ())
        faults = tuple(_of_content(fault) for fault in verdict.faults)
        return self._stored(code, faults or (_BUSY if _late(verdict) else _REFUSED,))

    def relay(self, answer: Reply) -> bytes:
        """Return a partner's own answer as it came; one that is no HL7 message is told by its code."""
        try:
            read_ack(answer.body)
        except MalformedMessage:
            positive = answer.code.startswith("2") or answer.code in ("AA", "CA")
            fault = Fault("", "the partner's answer is no HL7 message", "207")
            return self._stored("AA" if positive else "AE", () if positive else (fault,))
        return self._of(answer.body)

    def _stored(self, code: str, faults: Sequence[Fault]) -> bytes:
        text = faults[0].text if faults else ""
        ack = acknowledge(self._header, code, id=self._id, now=self._now, text=text, faults=faults)
        return self._of(ack)

    def _of(self, body: bytes) -> bytes:
        return _STORED.relay(Reply("200", body, {"content-type": self._kind}))


def _kind(content_type: str) -> str:
    """Return the media type to answer with: the request's, with its character set."""
    media = content_type.partition(";")[0].strip().lower() if is_hl7(content_type) else ER7
    charset = charset_of(content_type)
    return (
        f"{media}; charset={charset}" if charset.isascii() and charset.replace("-", "").isalnum() else media
    )


def _code(verdict: Verdict) -> str:
    """Return MSA-1: AE where content is at fault, or we are; AR where nobody reads or takes the message."""
    if verdict.disposition in _POSITIVE:
        return "AA" if verdict.faults else verdict.code or "AA"
    if verdict.code in ("AA", "AE", "AR"):
        return verdict.code
    unsupported = any(fault.code in _UNSUPPORTED for fault in verdict.faults)
    return "AR" if unsupported and not _late(verdict) else "AE"


def _late(verdict: Verdict) -> bool:
    return verdict.retry_after is not None or any(fault.code in _OURS for fault in verdict.faults)


def _of_content(fault: Fault) -> Fault:
    """Return a fault that is told as the content's: without a place in the message, 207 would ask to send it again."""
    return fault if fault.code in _OURS or condition(fault) != "207" else replace(fault, code="102")
