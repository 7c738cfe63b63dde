"""Enhanced mode with the application's acknowledgement on a connection of its own (HL7 v2.5.1 2.9.3)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from engine.model import State
from tests.channels.mllp.wire import wire
from tests.journeys.hospital import hospital

CONFIG = """
listen: {{adt: {{mllp: "127.0.0.1:0", partner: his, application_ack: his.acks}}}}
partners:
  his: {{endpoints: {{acks: {{mllp: "{acks}", phi: full}}}}}}
  box: {{endpoints: {{adt: {{inbox: adt, phi: full}}}}}}
"""
ROUTE = """
route: adt
from: adt
accept: {types: ["ADT^A01"]}
on_reject: {reply: AE}
steps: [{require: {that: msg.PID-3.1 != "", at: PID-3, message: nobody}}]
to: [box.adt]
"""
MESSAGE = b"MSH|^~\\&|SIH|HSJ|PASSERELLE|CIUSSS|20260114||ADT^A01^ADT_A01|%b|P|2.5.1|||AL|AL\rPID|1||%b\r"


class Acknowledged:
    """The hospital's own listener for application acknowledgements; it answers nothing, as it is asked."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.address = ""

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                frame = await reader.readuntil(b"\x1c\r")
            except asyncio.IncompleteReadError:
                writer.close()
                return
            self.received.append(frame[1:-2].decode())


@asynccontextmanager
async def acknowledged() -> AsyncIterator[Acknowledged]:
    found = Acknowledged()
    server = await asyncio.start_server(found.converse, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    found.address = f"{host}:{port}"
    try:
        yield found
    finally:
        server.close()


def plain(ack: str) -> str:
    """Return an acknowledgement without its own time and id."""
    return re.sub(r"(\|)\d{14}[+-]\d{4}(\|\|[^|]*\|)[0-9A-Z]{20}(\|)", r"\1NOW\2ID\3", ack)


async def test_the_commit_comes_back_and_the_application_answers_elsewhere(tmp_path: Path) -> None:
    async with acknowledged() as his:
        config = CONFIG.format(acks=his.address)
        async with (
            hospital(tmp_path, config, {"adt": ROUTE}) as engine,
            wire(engine.engine.supervisor.addresses["adt"]) as own,
        ):
            taken = await own.ask(MESSAGE % (b"M1", b"000123"))
            refused = await own.ask(MESSAGE % (b"M2", b""))
            rows = await engine.ended(3)
    assert [plain(each.decode()) for each in (taken, refused)] == [
        f"MSH|^~\\&|PASSERELLE|CIUSSS|SIH|HSJ|NOW||ACK^A01^ACK|ID|P|2.5.1\rMSA|CA|{name}\r"
        for name in ("M1", "M2")
    ]
    head = "MSH|^~\\&|PASSERELLE|CIUSSS|SIH|HSJ|NOW||ACK^A01^ACK|ID|P|2.5.1|||NE|NE\r"
    assert plain(his.received[0]) == head + "MSA|AA|M1\r"
    assert plain(his.received[1]).startswith(head + "MSA|AE|M2|nobody\rERR||PID^1^3^1|102^")
    assert len(his.received) == 2
    assert {row.delivery.state for row in rows} == {State.DELIVERED}


async def test_it_is_insisted_on_while_the_sender_is_away(tmp_path: Path) -> None:
    async with acknowledged() as his:
        address = his.address
    async with hospital(tmp_path, CONFIG.format(acks=address), {"adt": ROUTE}) as engine:
        async with wire(engine.engine.supervisor.addresses["adt"]) as own:
            await own.ask(MESSAGE % (b"M1", b"000123"))
        waiting = await engine.in_state(State.RETRYING)
        assert waiting.delivery.endpoint == "his.acks"
        late = Acknowledged()
        host, _, port = address.rpartition(":")
        server = await asyncio.start_server(late.converse, host, int(port))
        await engine.ended(2)
        server.close()
    assert [text.partition("\rMSA")[2] for text in late.received] == ["|AA|M1\r"]
