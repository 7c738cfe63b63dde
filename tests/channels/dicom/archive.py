"""A scripted archive: takes instances over real sockets, with or without TLS, and behaves as it is told.

It is made of PDUs by hand, so that it can do what no library lets it: hang up after the last byte, say nothing, lie.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from struct import pack, unpack_from

from pynetdicom.pdu import A_ASSOCIATE_RQ

from channels._dicom.commands import N_EVENT_REPORT_RQ, Command, read_command, response_to
from channels._dicom.endpoint import DicomEndpoint
from engine.config.models import HostPort
from engine.ids import ALPHABET
from engine.testing.channels import Arrival, Behaviour, Changes, NetworkPartner
from tests.channels.dicom.pdus import ABORT, DATA, RELEASE_RP, item, pdu, value

ASSOCIATE_RQ, RELEASE_RQ = 1, 5
CALLED = "ARCHIVE"
REFUSED = 0xC123
BUSY = 0xA700
PIECE = 16_384
IMPLICIT = "1.2.840.10008.1.2"


def uid_of(message_id: str) -> str:
    """Return the UID that the instance of a message of the contract suite has."""
    number = 0
    for character in message_id:
        number = number * 32 + ALPHABET.index(character)
    return f"2.25.{number}"


def message_id_of(uid: str) -> str:
    """Return the message that an instance of the contract suite came from."""
    number = int(uid.removeprefix("2.25."))
    return "".join(ALPHABET[number >> shift & 31] for shift in range(95, -5, -5))


@dataclass(slots=True)
class Stored:
    """One instance as it came: its command, its context, and its data set."""

    command: Command
    syntax: str
    data: bytes


@dataclass(slots=True)
class Script:
    """What the archive does with what it is asked."""

    takes: Callable[[str, str], int] = lambda abstract, syntax: 0
    """The result of a presentation context (0 accepts it), by class and transfer syntax."""

    status: int = 0
    """What it answers to an instance."""

    comment: str = ""
    reject: tuple[int, int, int] | None = None
    """Result, source and reason by which it refuses every association."""

    answer: bytes | None = None
    """What it sends instead of an answer to an association request."""

    after: Callable[[Stored, int], bytes | None] = lambda stored, context_id: None
    """What it sends instead of an answer to an instance; b"" is silence."""

    asked: Callable[[Connection, Command, bytes, int], bool] = lambda connection, command, data, context_id: (
        False
    )
    """Answers another request than C-ECHO and C-STORE; False where it does not know it."""

    seconds: float = 0.0
    """How long it takes to answer an instance."""

    hangs_up: bool = False
    hangs_up_at: int = -1
    """How many bytes of data sets it takes before it hangs up in the middle of one."""


@dataclass(slots=True)
class Archive(NetworkPartner):
    """Listens on a port of its own; `stored` is what arrived, `kept` what it said success of."""

    script: Script = field(default_factory=Script)
    tls: ssl.SSLContext | None = None
    port: int = 0
    stored: list[Stored] = field(default_factory=list)
    kept: list[Stored] = field(default_factory=list)
    proposals: list[list[tuple[str, list[str]]]] = field(default_factory=list)
    titles: list[tuple[str, str]] = field(default_factory=list)
    released: int = 0
    aborted: int = 0
    echoes: int = 0
    accepted_count: int = 0
    received: int = 0
    unanswered: int = 0
    answers: list[int] = field(default_factory=list)
    """Statuses by which our reports were answered."""

    forgets: bool = False
    """Whether it counts the bytes of data sets and keeps none."""

    server: asyncio.Server | None = None
    server_tls: ssl.SSLContext | None = None
    open_ones: set[Connection] = field(default_factory=set)
    changes: Changes = field(default_factory=Changes)
    """Tells of connections that come and go, and of reports that were answered."""

    config: DicomEndpoint = field(init=False)
    secrets: Sequence[str] = ()
    loggers: Sequence[str] = ()

    async def open(self) -> None:
        """Listen, on the port of the time before where there was one."""
        self.server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self), "127.0.0.1", self.port, ssl=self.server_tls
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Close the door and every connection."""
        if self.server is not None:
            self.server.close()
            self.server = None
        for each in tuple(self.open_ones):
            each.cut()
        await self.until_left()

    # ------------------------------------------------------------- as a partner of the contract suite

    async def become(self, behaviour: Behaviour) -> None:
        if behaviour is Behaviour.ABSENT:
            await self.close()
            return
        if self.server is None:
            await self.open()
        self.script.status = {Behaviour.REFUSES: REFUSED, Behaviour.BUSY: BUSY}.get(behaviour, 0)
        self.script.comment = "not understood" if behaviour is Behaviour.REFUSES else ""
        silent = behaviour is Behaviour.SILENT
        self.script.after = lambda stored, context_id: b"" if silent else None
        self.script.hangs_up = behaviour is Behaviour.DROPS

    async def arrivals(self) -> Sequence[Arrival]:
        return [_arrival(each) for each in self.stored]

    async def accepted(self) -> Sequence[Arrival]:
        return [_arrival(each) for each in self.kept]

    async def until_answered(self, count: int) -> None:
        """Return once so many of its reports were answered."""
        await self.changes.until(lambda: len(self.answers) >= count, seconds=5)

    async def until_left(self) -> None:
        """Return once nobody is connected."""
        await self.changes.until(lambda: not self.open_ones, seconds=5)

    def opened(self) -> int:
        return self.accepted_count

    def live(self) -> int:
        return len(self.open_ones)


class Connection(asyncio.Protocol):
    """One association."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.contexts: dict[int, tuple[str, str]] = {}
        self._buffer = bytearray()
        self._command: Command | None = None
        self._parts = bytearray()
        self._silent = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.archive.accepted_count += 1
        self.archive.open_ones.add(self)
        self.archive.changes.tell()

    def connection_lost(self, error: Exception | None) -> None:
        self.archive.open_ones.discard(self)
        self.archive.changes.tell()

    def cut(self) -> None:
        """Close without a word."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 6 and not self._silent:
            kind, length = unpack_from(">BxL", self._buffer)
            if len(self._buffer) < 6 + length:
                return
            whole = bytes(self._buffer[: 6 + length])
            del self._buffer[: 6 + length]
            self._take(kind, whole)

    def _take(self, kind: int, whole: bytes) -> None:
        if kind == ASSOCIATE_RQ:
            self._associate(whole)
        elif kind == DATA:
            self._values(whole)
        elif kind == RELEASE_RQ:
            self.archive.released += 1
            self.transport.write(pdu(RELEASE_RP, bytes(4)))
            self.transport.close()
        elif kind == ABORT:
            self.archive.aborted += 1
            self.transport.close()

    def _associate(self, whole: bytes) -> None:
        script = self.archive.script
        request = A_ASSOCIATE_RQ()
        request.decode(whole)
        self.archive.titles.append((request.calling_ae_title.strip(), request.called_ae_title.strip()))
        self.archive.proposals.append(
            [
                (str(each.abstract_syntax), [str(uid) for uid in each.transfer_syntax])
                for each in request.presentation_context
            ]
        )
        if script.answer is not None:
            self._say(script.answer)
        elif script.reject is not None:
            self.transport.write(pdu(3, bytes((0, *script.reject))))
            self.transport.close()
        else:
            self.transport.write(self._acceptance(request))

    def _acceptance(self, request: A_ASSOCIATE_RQ) -> bytes:
        answered = b""
        for each in request.presentation_context:
            abstract, syntax = str(each.abstract_syntax), str(each.transfer_syntax[0])
            number = each.context_id or 0
            result = self.archive.script.takes(abstract, syntax)
            if not result:
                self.contexts[number] = (abstract, syntax)
            head = pack(">BBBB", number, 0, result, 0)
            answered += item(0x21, head + item(0x40, syntax.encode()))
        fixed = pack(">HH", 1, 0) + CALLED.ljust(16).encode() + b"PASSERELLE".ljust(16) + bytes(32)
        about = item(0x51, pack(">L", PIECE)) + item(0x52, b"2.25.77")
        return pdu(2, fixed + item(0x10, b"1.2.840.10008.3.1.1.1") + answered + item(0x50, about))

    def _values(self, whole: bytes) -> None:
        at = 6
        while at < len(whole):
            length, context_id, control = unpack_from(">LBB", whole, at)
            if self._command is not None:
                self.archive.received += length - 2
            if self._command is None or not self.archive.forgets:
                self._parts += whole[at + 6 : at + 4 + length]
            at += 4 + length
            limit = self.archive.script.hangs_up_at
            if self._command is not None and 0 <= limit < len(self._parts):
                self.transport.abort()
                return
            if not control & 2:
                continue
            content, self._parts = bytes(self._parts), bytearray()
            if self._command is None:
                self._command = read_command(content)
                if self._command.has_data:
                    continue
                content = b""
            command, self._command = self._command, None
            self._serve(command, content, context_id)

    def _serve(self, command: Command, data: bytes, context_id: int) -> None:
        if command.field == 0x0030:
            self.archive.echoes += 1
            self.transport.write(response(command, context_id, 0))
        elif command.field == 0x0001:
            self._store(command, data, context_id)
        elif command.field == N_EVENT_REPORT_RQ | 0x8000:
            self.archive.answers.append(command.number(0x0900) or 0)
            self.archive.changes.tell()
        else:
            assert self.archive.script.asked(self, command, data, context_id), "nobody knows this request"

    def _store(self, command: Command, data: bytes, context_id: int) -> None:
        script = self.archive.script
        stored = Stored(command, self.contexts[context_id][1], data)
        self.archive.stored.append(stored)
        instead = script.after(stored, context_id)
        if script.hangs_up:
            self.transport.abort()
            return
        if instead is not None:
            self._say(instead)
            return
        if script.status & 0xF000 in (0, 0xB000):
            self.archive.kept.append(stored)
        self.archive.unanswered += 1
        asyncio.get_running_loop().call_later(script.seconds, self._answer, command, context_id)

    def _answer(self, command: Command, context_id: int) -> None:
        script = self.archive.script
        self.archive.unanswered -= 1
        self.transport.write(response(command, context_id, script.status, script.comment))

    def _say(self, data: bytes) -> None:
        if data:
            self.transport.write(data)
        else:
            self._silent = True


def response(command: Command, context_id: int, status: int, comment: str = "") -> bytes:
    """Return a response without a data set, as a PDU."""
    said = response_to(command, status, comment=comment)
    return pdu(DATA, value(said, command=True, last=True, number=context_id))


def _arrival(stored: Stored) -> Arrival:
    return Arrival(message_id_of(stored.command.sop_instance), stored.data)


@asynccontextmanager
async def archive(tls: ssl.SSLContext | None = None, **config: object) -> AsyncIterator[Archive]:
    """Run an archive until the end of the block; `config` are keys of the endpoint that leads to it."""
    made = Archive(server_tls=tls)
    await made.open()
    host = "localhost" if tls is not None else "127.0.0.1"
    written = {"ae_title": CALLED, "tls": "engine" if tls else None, **config}
    made.config = DicomEndpoint.model_validate({"dicom": HostPort(host, made.port), **written})
    try:
        yield made
    finally:
        with suppress(ConnectionError):
            await made.close()
