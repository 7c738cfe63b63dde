"""One connection that messages are sent on: one at a time, each matched with its acknowledgement by MSA-2.

Source: HL7 v2.5.1 2.9.2, 2.9.3, 2.15.8.2 (MSA-2).
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol

from channels._hl7.confirming import reference
from channels._tcp.exchange import OneInFlight
from channels.mllp.framing import COMMITTED, NOT_COMMITTED, Frame, FrameReader, Framing
from engine.codecs.hl7v2.answers import Ack, read_ack
from engine.errors import MalformedMessage, Transient
from engine.model import Reply

_ANSWER_MAX = 2**20
"""Bytes of an answer that are read; a larger one is none."""

_GARBAGE_MAX = 4096
"""Bytes outside of frames that a partner may send; more, and it speaks no MLLP."""


class Sending(NamedTuple):
    """One message on its way: `control_id` is MSH-10 as text, `raw` the same in the message's own bytes.

    `answer` says that an HL7 answer is due, `silence` that none within the time is good news. `awaits` says that an
    application acknowledgement follows a commit acknowledgement.
    """

    content: bytes
    control_id: str
    raw: bytes
    answer: bool
    silence: bool
    awaits: bool


class Answer(NamedTuple):
    """What a partner answered: MSA-1, or `ACK` for a commit block, `silent` and `sent` where nothing was due.

    `ack` is None where `code` says all.
    """

    code: str
    data: bytes = b""
    ack: Ack | None = None


class Desk(Protocol):
    """What a connection asks of its endpoint."""

    framing: Framing
    charset: str
    commit_bytes: bool
    in_turn: bool
    idle_seconds: float

    def opened(self, link: Link) -> bool:
        """Called once, when the connection is secured; False closes it."""

    def stray(self, link: Link, ack: Ack, data: bytes) -> bool:
        """Take an acknowledgement of another message than the one in flight; False where that cannot be looked into."""


class Link(OneInFlight[Answer]):
    """Sends messages and reads answers; owned by a pool."""

    def __init__(self, desk: Desk, address: str = "") -> None:
        super().__init__()
        self.address = address
        self._desk = desk
        self._reader = FrameReader(desk.framing, _ANSWER_MAX)
        self._sending: Sending | None = None
        self._answered = ""

    async def exchange(self, sending: Sending, *, seconds: float) -> Answer:
        """Send one message and return its answer, complete within `seconds`.

        Raises:
            Transient: no valid answer came (`sent`), or the connection was closed before anything was written.
            Permanent: the peer refused our certificate.
        """
        transport = self._begin(seconds)
        self._sending = sending
        transport.write(self._desk.framing.wrap(sending.content))
        if not sending.answer and not self._desk.commit_bytes:
            self._complete(Answer("sent"))
        return await self._answer()

    def write(self, content: bytes) -> None:
        """Write a message that expects no answer: the acknowledgement of an acknowledgement."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._desk.framing.wrap(content))

    def distrust(self, text: str, code: str, data: bytes = b"") -> None:
        """Cut a connection whose partner says what it was not asked: what is in flight on it is an unknown outcome."""
        self._fail(Transient(text, sent=True, code=code, reply=Reply(code, data)))
        self.abort()

    # ------------------------------------------------------------- as a server's connection

    async def run(self) -> None:
        """Return once the connection is closed; cancellation cuts it."""
        try:
            await asyncio.shield(self.closed)
        finally:
            self.abort()

    def stop_when_idle(self) -> None:
        """Close unless a message is in flight."""
        if self._waiter is None:
            self.close()

    # ------------------------------------------------------------- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self._desk.opened(self):
            self.abort()

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        reader.feed(data)
        while (frame := reader.next()) is not None:
            self._received(frame)
        if reader.garbage and (self._waiting or reader.garbage > _GARBAGE_MAX):
            self.distrust("the partner's answer is no MLLP", "garbage", data)

    def eof_received(self) -> bool:
        self._ready = False
        return False

    def _half_answered(self) -> bool:
        return self._reader.begun

    # ------------------------------------------------------------- answers

    def _received(self, frame: Frame) -> None:
        data = frame.content
        if frame.fault:
            self.distrust("the partner's answer is too large", "garbage", data)
            return
        if self._desk.commit_bytes and data in (COMMITTED, NOT_COMMITTED):
            self._block(data)
            return
        if self._desk.commit_bytes:
            self.write(COMMITTED)
        sending = self._sending
        waiting = self._waiting and sending is not None
        if waiting and sending is not None and (code := quick_answer(data, sending.raw)):
            self._complete(Answer(code, data))
            return
        try:
            ack = read_ack(data, self._desk.charset)
        except MalformedMessage:
            self.distrust("the partner's answer is no acknowledgement", "garbage", data)
            return
        said = reference(ack)
        if waiting and sending is not None and (self._desk.in_turn or said == sending.control_id):
            self._complete(Answer(ack.code, data, ack))
        elif not said or said != self._answered:  # an answer given twice says nothing new
            self._stray(ack, data)

    def _stray(self, ack: Ack, data: bytes) -> None:
        application = ack.code in ("AA", "AE", "AR")
        if self._desk.in_turn or not application or not self._desk.stray(self, ack, data):
            self.distrust(
                "the partner acknowledged another message than the one that was sent", "wrong_ack", data
            )

    def _block(self, data: bytes) -> None:
        """Take a commit block of MLLP release 2."""
        if not self._waiting or self._sending is None:
            return
        if data == NOT_COMMITTED:
            self._fail(Transient("the partner could not store the message", code="nak"))
            self.abort()
        elif not self._sending.answer:
            self._complete(Answer("ACK", data))

    def _complete(self, answer: Answer) -> None:
        if self._waiter is None or self._waiter.done() or self._transport is None:
            return
        sending = self._sending
        waits = sending is not None and sending.awaits and answer.code == "CA"
        self._answered = "" if waits or sending is None else sending.control_id
        self._ready = True
        self._waiter.set_result(answer)
        self._set_deadline(self._desk.idle_seconds)

    def _overdue(self) -> None:
        if self._sending is not None and self._sending.silence:
            self._complete(Answer("silent"))
        else:
            self._fail(Transient("the partner did not acknowledge in time", sent=True, code="timeout"))
            self.abort()


def quick_answer(data: bytes, control_id: bytes) -> str:
    """Return AA or CA where an answer plainly says so of this message, "" where it must be read in full."""
    separator = data[3:4]
    at = data.find(b"\rMSA" + separator)
    if at < 0 or not control_id or b"\\" in control_id:
        return ""
    end = data.find(b"\r", at + 5)
    fields = data[at + 5 : end if end >= 0 else len(data)].split(separator, 2)
    if len(fields) > 1 and fields[1] == control_id and fields[0] in (b"AA", b"CA"):
        return fields[0].decode("ascii")
    return ""
