"""PDUs made by hand, from the tables of PS3.8 9.3 and PS3.7 annex E, and a peer that sends them over a plain socket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from struct import pack, unpack

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
VERIFICATION = "1.2.840.10008.1.1"
UID = "2.25.9001"
ASSOCIATE_AC, ASSOCIATE_RJ, DATA, RELEASE_RP, ABORT = 2, 3, 4, 6, 7
LIMIT = 10.0


def pdu(kind: int, content: bytes, *, length: int | None = None) -> bytes:
    """Return a PDU, of a length that may be a lie."""
    return pack(">BxL", kind, len(content) if length is None else length) + content


def item(kind: int, content: bytes) -> bytes:
    return pack(">BxH", kind, len(content)) + content


def context(number: int, abstract: str, syntaxes: Sequence[str]) -> bytes:
    inside = item(0x30, abstract.encode()) + b"".join(item(0x40, each.encode()) for each in syntaxes)
    return item(0x20, pack(">Bxxx", number) + inside)


def associate(
    *contexts: bytes,
    calling: str = "MODALITY",
    called: str = "PASSERELLE",
    user: bytes | None = None,
) -> bytes:
    """Return an A-ASSOCIATE-RQ; without contexts with one, for secondary captures in explicit little endian."""
    fixed = pack(">HH", 1, 0) + called.ljust(16).encode() + calling.ljust(16).encode() + bytes(32)
    proposed = contexts or (context(1, SECONDARY_CAPTURE, [EXPLICIT]),)
    about = item(0x51, pack(">L", 16384)) + item(0x52, b"2.25.77") if user is None else user
    application = item(0x10, b"1.2.840.10008.3.1.1.1")
    return pdu(1, fixed + application + b"".join(proposed) + item(0x50, about))


def value(fragment: bytes, *, command: bool, last: bool, number: int = 1) -> bytes:
    """Return one presentation data value."""
    return pack(">LBB", len(fragment) + 2, number, command | last << 1) + fragment


def element(number: int, content: bytes) -> bytes:
    return pack("<HHL", 0, number, len(content)) + content


def even(text: str) -> bytes:
    return text.encode() + b"\x00" * (len(text) % 2)


def command(
    field: int = 1, *, sop_class: str = SECONDARY_CAPTURE, uid: str = UID, data: bool = True, number: int = 7
) -> bytes:
    """Return a command set: a C-STORE request, where nothing else is said."""
    inside = element(0x0002, even(sop_class)) + element(0x0100, pack("<H", field))
    inside += element(0x0110, pack("<H", number)) + element(0x0700, pack("<H", 0))
    inside += element(0x0800, pack("<H", 1 if data else 0x0101)) + element(0x1000, even(uid))
    return element(0x0000, pack("<L", len(inside))) + inside


def store(data_set: bytes, *, uid: str = UID, sop_class: str = SECONDARY_CAPTURE) -> bytes:
    """Return a C-STORE request in two PDUs."""
    asked = value(command(uid=uid, sop_class=sop_class), command=True, last=True)
    return pdu(DATA, asked) + pdu(DATA, value(data_set, command=False, last=True))


ECHO = pdu(DATA, value(command(0x30, sop_class=VERIFICATION, data=False), command=True, last=True))
RELEASE = pdu(5, bytes(4))


class Peer:
    """One connection of a peer that sends whatever it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def at(cls, port: int) -> Peer:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self) -> tuple[int, bytes]:
        """Return type and content of the next PDU; type 0 where the connection was closed."""
        async with asyncio.timeout(LIMIT):
            try:
                kind, length = unpack(">BxL", await self._reader.readexactly(6))
                return kind, await self._reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return 0, b""

    async def agree(self, request: bytes | None = None) -> bytes:
        """Open an association and return what was accepted, as the content of the A-ASSOCIATE-AC."""
        await self.send(associate() if request is None else request)
        kind, content = await self.receive()
        assert kind == ASSOCIATE_AC, f"the answer was a PDU of type {kind}"
        return content

    async def status(self) -> int:
        """Return the status of the next response; -1 where the association ended instead."""
        kind, content = await self.receive()
        if kind != DATA:
            return -1
        at = content.index(pack("<HHL", 0, 0x0900, 2)) + 8
        return int.from_bytes(content[at : at + 2], "little")

    async def ended(self) -> list[int]:
        """Return the types of the PDUs that came until the connection was closed."""
        kinds = []
        while (found := await self.receive())[0]:
            kinds.append(found[0])
        return kinds

    def close(self) -> None:
        """Close without a word."""
        self._writer.transport.abort()
