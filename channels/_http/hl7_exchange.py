"""HL7 over HTTP, receiving: the answer to a message is its acknowledgement, under 200 whatever that says.

Source: HL7 over HTTP (draft of the HAPI project) 2.1, 2.4, 2.6: an acknowledgement of any code is a successful
exchange; HL7 v2.5.1 2.9.2 (original mode), tables 0008 and 0357.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from channels._hl7 import ER7, charset_of, code_of, is_hl7, told
from channels._hl7.modes import conditions
from channels._http.replies import HttpExchange
from engine.codecs.hl7v2.acknowledging import acknowledge, timestamp
from engine.codecs.hl7v2.answers import read_ack
from engine.codecs.hl7v2.header import Header, unknown_header
from engine.errors import MalformedMessage
from engine.model import Fault, Reply, Verdict

_STORED: Final = HttpExchange()


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
        code = code_of(verdict)
        return self._stored(code, () if code == "AA" else told(verdict))

    @property
    def acknowledges(self) -> bool:
        """Whether MSH-9 says that the message is an acknowledgement."""
        return self._header.fields[8][:3] == "ACK"

    def received(self) -> bytes:
        """Return the stored form of what is answered to an application acknowledgement that somebody waited for.

        204 says that there is nothing to say; in the enhanced mode the sender may want to hear that it is kept.
        """
        asked = conditions(self._header, "auto")
        return self._stored("CA", ()) if asked is not None and asked[0] in ("AL", "SU") else b"204\n"

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
