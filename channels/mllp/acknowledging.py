"""Verdicts as acknowledgements: the bytes that are stored beside a message and written once it is durable.

The stored form is the acknowledgement without its frame, or two of them (commit, then application) with `_BETWEEN`
between them, or nothing where the sender asked to hear nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from channels._hl7 import ER7, REFUSED, code_of, is_unsupported, told
from channels._hl7.modes import Acks, answers, conditions
from engine.clock import Clock
from engine.codecs.hl7v2.acknowledging import acknowledge, timestamp
from engine.codecs.hl7v2.header import Header
from engine.codecs.hl7v2.paths import compile_path
from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from engine.errors import PasserelleError
from engine.model import Announcement, Body, Disposition, Fault, Reply, Verdict

_BETWEEN: Final = b"\x1c\r"
_MSA_1: Final = compile_path("MSA-1")
_MSA_2: Final = compile_path("MSA-2")
_CONDITIONS: Final = (compile_path("MSH-15"), compile_path("MSH-16"))


def stored(acks: Sequence[bytes]) -> bytes:
    """Return acknowledgements in their stored form."""
    return _BETWEEN.join(acks)


def from_stored(reply: bytes) -> list[bytes]:
    """Return the acknowledgements of a stored form, in order."""
    return reply.split(_BETWEEN) if reply else []


class Acknowledger:
    """Makes the acknowledgements of one listener; MSH-7 is told in the listener's zone.

    `elsewhere` is the endpoint that the application's go to in the enhanced mode, "" for the sender's connection.
    """

    def __init__(
        self, clock: Clock, new_id: Callable[[], str], *, zone: str, acks: Acks, elsewhere: str = ""
    ) -> None:
        self.elsewhere = elsewhere
        self._clock = clock
        self._new_id = new_id
        self._zone = ZoneInfo(zone)
        self._acks = acks
        self._second = -1
        self._now = ""

    def answer(
        self, to: Header, code: str, faults: Sequence[Fault] = (), *, kept: bool, sequence: str = ""
    ) -> list[bytes]:
        """Return what is sent for a message that the original mode would answer with `code`, in order."""
        asked = conditions(to, self._acks)
        codes = answers(asked, code, kept=kept)
        if self.elsewhere and kept and asked is not None:
            codes = tuple(each for each in codes if each[0] == "C")
        return [self._one(to, each, faults, sequence) for each in codes]

    def announced(self, to: Header, code: str, faults: Sequence[Fault], *, kept: bool) -> bytes | None:
        """Return the application acknowledgement that goes elsewhere, None where there is none.

        It is a message of its own that asks for no acknowledgement (v2.5.1 2.9.3.2).
        """
        asked = conditions(to, self._acks)
        if not self.elsewhere or not kept or asked is None:
            return None
        codes = [each for each in answers(asked, code, kept=True) if each[0] == "A"]
        return _unasking(self._one(to, codes[0], faults, "")) if codes else None

    def positive(self, to: Header, sequence: str) -> bytes:
        """Return the stored form of what is sent for a message that is taken."""
        fields = to.fields
        if self._acks == "original" or (self._acks == "auto" and not fields[14] and not fields[15]):
            return acknowledge(to, "AA", id=self._new_id(), now=self._stamp(), sequence=sequence)
        return stored(self.answer(to, "AA", kept=True, sequence=sequence))

    def received(self, to: Header) -> list[bytes]:
        """Return what is sent for an application acknowledgement: a commit one where it asks for that, else nothing.

        In the original mode nobody acknowledges an acknowledgement (v2.5.1 2.9.2).
        """
        asked = conditions(to, "auto")
        return [self._one(to, "CA", (), "")] if asked is not None and asked[0] in ("AL", "SU") else []

    def relayed(self, to: Header, answer: Reply) -> list[bytes]:
        """Return a partner's own answer as the reply: as it came, but for MSA-2, which names the sender's message.

        An answer that is no HL7 message is told by its code: positive as AA, any other as AE.
        """
        try:
            own = _named_after(answer.body, to.control_id)
            code = str(_MSA_1.get(parse(own)) or "")
        except PasserelleError:
            positive = answer.code.startswith("2") or answer.code in ("AA", "CA")
            faults = () if positive else (Fault("", "the partner's answer is no HL7 message", "207"),)
            return self.answer(to, "AA" if positive else "AE", faults, kept=True)
        if code[:1] == "C":  # the partner took it and says no more: ours is the application's word
            return self.answer(to, "A" + code[1:], () if code == "CA" else (REFUSED,), kept=True)
        code = code if code in ("AA", "AE", "AR") else "AA"
        codes = answers(conditions(to, self._acks), code, kept=True)
        return [own if each[0] == "A" else self._one(to, each, (), "") for each in codes]

    def _one(self, to: Header, code: str, faults: Sequence[Fault], sequence: str) -> bytes:
        positive = code in ("AA", "CA")
        return acknowledge(
            to,
            code,
            id=self._new_id(),
            now=self._stamp(),
            text="" if positive or not faults else faults[0].text,
            faults=() if positive else faults,
            sequence=sequence,
        )

    def _stamp(self) -> str:
        second = self._clock.now_ms() // 1000
        if second != self._second:
            self._second = second
            self._now = timestamp(datetime.fromtimestamp(second, UTC).astimezone(self._zone))
        return self._now


class AckExchange:
    """The sender's side of one message; implements `spi.Conversation`."""

    __slots__ = ("_acks", "_header", "_sequence")

    def __init__(self, acks: Acknowledger, header: Header, sequence: str = "") -> None:
        self._acks = acks
        self._header = header
        self._sequence = sequence

    def reply(self, verdict: Verdict) -> bytes:
        """Return the stored form of the acknowledgements that this verdict means."""
        code = code_of(verdict)
        if code == "AA":
            return self._acks.positive(self._header, self._sequence)
        acks = self._acks.answer(
            self._header, code, told(verdict), kept=not is_unsupported(verdict), sequence=self._sequence
        )
        return stored(acks)

    def announce(self, verdict: Verdict) -> Announcement | None:
        """Return the application acknowledgement of the enhanced mode where it goes to an endpoint of its own."""
        acks = self._acks
        if not acks.elsewhere or verdict.disposition is Disposition.DUPLICATE:
            return None
        code = code_of(verdict)
        faults = () if code == "AA" else told(verdict)
        ack = acks.announced(self._header, code, faults, kept=not is_unsupported(verdict))
        return None if ack is None else Announcement(acks.elsewhere, Body.of(ack, ER7))

    def relay(self, answer: Reply) -> bytes:
        """Return the stored form of a partner's own answer."""
        return stored(self._acks.relayed(self._header, answer))


def _unasking(ack: bytes) -> bytes:
    message = parse(ack)
    for path in _CONDITIONS:
        path.set(message, "NE")
    return write(message)


def _named_after(body: bytes, control_id: str) -> bytes:
    message = parse(body)
    if not message.find("MSA"):
        return body
    if str(_MSA_2.get(message) or "") != control_id:
        _MSA_2.set(message, control_id)
    return write(message)
