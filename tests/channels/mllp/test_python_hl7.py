"""Another implementation at the other end: python-hl7's client, server and `mllp_send`, also over mutual TLS."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hl7 import parse  # type: ignore[import-untyped]  # python-hl7 has no stubs
from hl7.mllp import (  # type: ignore[import-untyped]  # the same
    HL7StreamReader,
    HL7StreamWriter,
    open_hl7_connection,
    start_hl7_server,
)

from engine.security.tls import client_context, server_context
from tests.channels.mllp.sending import attempt, endpoint
from tests.channels.mllp.serving import listening
from tests.channels.mllp.wire import framed, message
from tests.security.handshakes import files_of


async def answer_all(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
    """Acknowledge as python-hl7 does."""
    try:
        while True:
            received = await reader.readmessage()
            writer.writemessage(received.create_ack())
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


@asynccontextmanager
async def python_hl7(**config: object) -> AsyncIterator[int]:
    """Serve on a free port."""
    async with await start_hl7_server(answer_all, host="127.0.0.1", port=0, **config) as server:
        yield server.sockets[0].getsockname()[1]


async def test_its_server_acknowledges_what_we_send() -> None:
    async with python_hl7() as port, endpoint(port) as channel:
        codes = [(await channel.send(attempt(message(f"M{number}")))).code for number in range(5)]
        assert codes == ["AA"] * 5


async def test_its_server_over_mutual_tls(dev_certs: Path) -> None:
    theirs = server_context(files_of(dev_certs, "clinique-abc"))
    ours = client_context(files_of(dev_certs, "engine"))
    async with python_hl7(ssl=theirs) as port, endpoint(port, tls_context=ours) as channel:
        assert [well for _, well, _ in await channel.probe()] == [True, True, True]
        assert (await channel.send(attempt(message()))).code == "AA"


async def test_its_client_reads_our_acknowledgement() -> None:
    async with listening() as door:
        host, _, port = door.address.rpartition(":")
        reader, writer = await open_hl7_connection(host, int(port))
        writer.writemessage(parse(message().decode()))
        async with asyncio.timeout(30):
            ack = await reader.readmessage()
        assert str(ack.segment("MSA")) == "MSA|AA|MSG00001"
        writer.close()
        await writer.wait_closed()


async def test_its_command_sends_a_file(tmp_path: Path) -> None:
    file = tmp_path / "messages.mllp"
    file.write_bytes(framed(message("A"), message("B")))
    async with listening() as door:
        _, _, port = door.address.rpartition(":")
        command = [str(Path(sys.executable).with_name("mllp_send")), "-p", port, "-f", str(file), "127.0.0.1"]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(30):
            told, _ = await process.communicate()
        assert process.returncode == 0
        assert b"MSA|AA|A" in told
        assert b"MSA|AA|B" in told
        assert door.intake.control_ids == ["A", "B"]
