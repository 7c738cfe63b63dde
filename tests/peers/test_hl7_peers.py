"""Other people's HL7 programs at both ends of an engine, in the clear on loopback and over mutual TLS 1.3."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hl7 import parse  # type: ignore[import-untyped]  # python-hl7 has no stubs
from hl7.mllp import HL7StreamReader, HL7StreamWriter, open_hl7_connection, start_hl7_server  # type: ignore[import-untyped]  # the same

from engine.model import State
from engine.security.tls import client_context, server_context
from tests.channels.mllp.wire import framed, message
from tests.journeys.hospital import Hospital, hospital
from tests.peers.node_hl7 import NodeTls, receiving, send
from tests.security.handshakes import files_of

SENDER, RECEIVER = "clinique-ghi", "clinique-abc"
CONFIG = """
tls:
  engine: {{cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem, clients: required}}
listen: {{adt: {{mllp: "127.0.0.1:0", partner: hsj{tls}}}}}
partners:
  hsj: {{certificates: [{{issuer: certs/ca.pem, san: "uri:urn:passerelle:dev:clinique-ghi"}}]}}
  autre: {{certificates: [{{issuer: certs/ca.pem, san: "uri:urn:passerelle:dev:clinique-def"}}]}}
  ris: {{endpoints: {{adt: {{mllp: "127.0.0.1:{port}", phi: full{tls}}}}}}}
"""
ROUTE = "route: adt\nfrom: adt\nto: [ris.adt]\n"
SECURED = pytest.mark.parametrize("secured", [False, True], ids=["plain", "mutual-tls"])
MESSAGES = [message(f"M{number}", kind="ADT^A01^ADT_A01") for number in range(1, 6)]
TAKEN = [("AA", f"M{number}") for number in range(1, 6)]


@asynccontextmanager
async def between(
    folder: Path, certs: Path, port: int, *, secured: bool
) -> AsyncIterator[tuple[Hospital, int]]:
    """Run an engine that sends what it receives to a port; give it and its own."""
    shutil.copytree(certs, folder / "certs")
    tls = ", tls: engine" if secured else ""
    async with hospital(folder, CONFIG.format(port=port, tls=tls), {"adt": ROUTE}) as engine:
        yield engine, int(engine.engine.supervisor.addresses["adt"].rpartition(":")[2])


async def delivered(engine: Hospital) -> list[tuple[State, int]]:
    """Return state and attempts of each delivery, once all five ended."""
    return [(row.delivery.state, row.delivery.attempts) for row in await engine.ended(5)]


# ----------------------------------------------------------------- npm: node-hl7-client, node-hl7-server


def node_tls(certs: Path, name: str, *, secured: bool) -> NodeTls | None:
    files = NodeTls(certs / f"{name}.key", certs / f"{name}.pem", certs / "ca.pem")
    return files if secured else None


@SECURED
async def test_npms_client_to_npms_server(tmp_path: Path, dev_certs: Path, secured: bool) -> None:
    async with (
        receiving(tls=node_tls(dev_certs, RECEIVER, secured=secured)) as server,
        between(tmp_path, dev_certs, server.port, secured=secured) as (engine, port),
    ):
        answers = await send(port, MESSAGES, tls=node_tls(dev_certs, SENDER, secured=secured))
        rows = await delivered(engine)
    assert answers == TAKEN
    assert rows == [(State.DELIVERED, 1)] * 5
    # node-hl7-client leaves the last segment's end out, and nobody adds it
    assert server.received == [framed(each.removesuffix(b"\r")).decode() for each in MESSAGES]


@SECURED
async def test_a_server_that_acknowledges_former_messages_is_not_believed(
    tmp_path: Path, dev_certs: Path, secured: bool
) -> None:
    """node-hl7-server tells a former message's id on a connection's later answers: each is sent until its own comes."""
    async with (
        receiving("receive_confused.cjs", node_tls(dev_certs, RECEIVER, secured=secured)) as server,
        between(tmp_path, dev_certs, server.port, secured=secured) as (engine, port),
    ):
        await send(port, MESSAGES, tls=node_tls(dev_certs, SENDER, secured=secured))
        rows = await engine.ended(5)
        codes = [[attempt.code for attempt in await engine.attempts(row)] for row in rows]
    assert [row.delivery.state for row in rows] == [State.DELIVERED] * 5
    assert [each[-1] for each in codes] == ["AA"] * 5
    assert ["wrong_ack" in each for each in codes].count(True) >= 1
    assert set(server.received) == {f"M{number}" for number in range(1, 6)}


async def test_npms_client_with_another_partners_certificate_is_cut_off(
    tmp_path: Path, dev_certs: Path
) -> None:
    async with between(tmp_path, dev_certs, 9, secured=True) as (engine, port):
        with pytest.raises(AssertionError, match="closed"):
            await send(port, MESSAGES[:1], tls=node_tls(dev_certs, "clinique-def", secured=True))
        assert await engine.rows() == []


async def test_npms_client_with_a_strangers_certificate_is_cut_off(
    tmp_path: Path, dev_certs: Path, stranger_certs: Path
) -> None:
    """Its authority is nobody's whom the engine trusts."""
    stranger = NodeTls(
        stranger_certs / f"{SENDER}.key", stranger_certs / f"{SENDER}.pem", dev_certs / "ca.pem"
    )
    async with between(tmp_path, dev_certs, 9, secured=True) as (engine, port):
        with pytest.raises(AssertionError, match=r"alert|closed|ECONNRESET|EPIPE"):
            await send(port, MESSAGES[:1], tls=stranger, patience=1)
        assert await engine.rows() == []


# ----------------------------------------------------------------- PyPI: python-hl7


def server_tls(certs: Path, *, secured: bool) -> ssl.SSLContext | None:
    files = files_of(certs, RECEIVER)
    return server_context(files) if secured else None


def client_tls(certs: Path, *, secured: bool) -> ssl.SSLContext | None:
    files = files_of(certs, SENDER)
    return client_context(files) if secured else None


@asynccontextmanager
async def python_hl7(tls: ssl.SSLContext | None) -> AsyncIterator[tuple[int, list[str]]]:
    """Serve by python-hl7; give the port and what it reads."""
    received: list[str] = []

    async def answer_all(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        try:
            while True:
                found = await reader.readmessage()
                received.append(str(found))
                writer.writemessage(found.create_ack())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await start_hl7_server(answer_all, host="127.0.0.1", port=0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1], received


@SECURED
async def test_python_hl7s_client_to_its_server(tmp_path: Path, dev_certs: Path, secured: bool) -> None:
    tls = client_tls(dev_certs, secured=secured)
    name = {"server_hostname": "localhost"} if secured else {}
    async with (
        python_hl7(server_tls(dev_certs, secured=secured)) as (there, received),
        between(tmp_path, dev_certs, there, secured=secured) as (engine, port),
    ):
        reader, writer = await open_hl7_connection("127.0.0.1", port, ssl=tls, **name)
        answers = []
        for each in MESSAGES:
            writer.writemessage(parse(each.decode()))
            async with asyncio.timeout(30):
                msa = (await reader.readmessage()).segment("MSA")
            answers.append((str(msa[1]), str(msa[2])))
        writer.close()
        rows = await delivered(engine)
    assert answers == TAKEN
    assert rows == [(State.DELIVERED, 1)] * 5
    assert received == [each.decode() for each in MESSAGES]
