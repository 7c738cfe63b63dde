"""A message of a peer on an association that we opened, put together from the values that it comes in.

An answer's data set is kept in memory, within a bound; an instance that a C-GET brings goes straight to its sink.
Source: DICOM PS3.8 annex E (fragments), PS3.7 9.3 and 10.3 (messages).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from channels._dicom.commands import C_STORE_RQ, COMMAND_BYTES, Command, read_command
from channels._dicom.guard import UNEXPECTED, BrokenPdu, Pdu, values_of
from channels._dicom.proposing import Accepted

ANSWER_BYTES: Final = 4 * 2**20
"""Largest data set of an answer."""


class Sink(Protocol):
    """Where an instance goes that the peer stores on our association."""

    def write(self, data: memoryview, /) -> object:
        """Take a piece of the data set; what cannot be kept is drained, and `finish` tells."""

    def finish(self) -> int:
        """Return the status of the C-STORE response, once the instance is where it should be."""

    def discard(self) -> None:
        """Give up: the rest does not come."""


class SubOperations(Protocol):
    """What takes the instances that a C-GET brings."""

    def begin(self, command: Command, syntax: str, /) -> Sink: ...


@dataclass(frozen=True, slots=True)
class Heard:
    """One message: `data` is its data set in `syntax`, b"" where it has none, or went to a sink that gave `status`."""

    command: Command
    data: bytes
    syntax: str
    context_id: int
    status: int = 0

    @property
    def comment(self) -> str:
        """Error Comment (0000,0902) of an answer: evidence, never for a log."""
        return self.command.text(0x0902)


class Hearing:
    """One message while it comes; BrokenPdu where what comes is none."""

    def __init__(self, accepted: Mapping[int, Accepted], sub_operations: SubOperations | None) -> None:
        self._accepted = accepted
        self._sub_operations = sub_operations
        self._bytes = bytearray()
        self._command: Command | None = None
        self._context_id = 0
        self._sink: Sink | None = None

    @property
    def begun(self) -> bool:
        """Whether its command is here, and its data set on its way."""
        return self._command is not None

    def take(self, pdu: Pdu) -> Heard | None:
        """Take a P-DATA-TF; return the message where it is complete."""
        heard: Heard | None = None
        for context_id, control, fragment in values_of(pdu):
            if heard is not None:
                raise BrokenPdu("two messages in one PDU", reason=UNEXPECTED)
            heard = self._value(context_id, control, fragment)
        return heard

    def discard(self) -> None:
        """Give up what has not come to its end."""
        if self._sink is not None:
            self._sink.discard()

    def _value(self, context_id: int, control: int, fragment: memoryview) -> Heard | None:
        if context_id not in self._accepted or self._context_id not in (0, context_id):
            raise BrokenPdu("a message in a context that was not agreed on", reason=UNEXPECTED)
        self._context_id = context_id
        if bool(control & 1) == self.begun:
            raise BrokenPdu("a command where its data set should be, or the reverse", reason=UNEXPECTED)
        if self._sink is not None:
            self._sink.write(fragment)
        else:
            self._bytes += fragment
            if len(self._bytes) > (ANSWER_BYTES if self.begun else COMMAND_BYTES):
                raise BrokenPdu("a message that is longer than it may be", event="long_message")
        return self._completed() if control & 2 else None

    def _completed(self) -> Heard | None:
        """Return the message where its last part has come."""
        command = self._command
        if command is None:
            command = read_command(self._bytes)
            self._bytes.clear()
            if command.has_data:
                self._command = command
                self._sink = self._sink_for(command)
                return None
        sink, self._sink = self._sink, None
        status = sink.finish() if sink is not None else 0
        syntax = self._accepted[self._context_id].syntax
        return Heard(command, bytes(self._bytes), syntax, self._context_id, status)

    def _sink_for(self, command: Command) -> Sink | None:
        if command.field != C_STORE_RQ:
            return None
        if self._sub_operations is None:
            raise BrokenPdu("an instance that nobody asked for", reason=UNEXPECTED)
        return self._sub_operations.begin(command, self._accepted[self._context_id].syntax)
