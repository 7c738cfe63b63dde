"""`hl7 send` and `hl7 listen` on real sockets: codes, latencies, lost connections, TLS."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.cli.exits import Exit
from engine.cli.hl7.listening import Heard, Listening
from engine.cli.hl7.sending import Tally, Target, send_all
from engine.clock import SystemClock
from engine.errors import Transient
from engine.ids import IdSource
from engine.security.certificates import make_dev_certificates
from tests.cli.hl7.samples import ADMISSION, TRANSFER, write
from tests.cli.invoking import Shell, environment

CLOCK = SystemClock()
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(behave: Peer) -> AsyncIterator[Target]:
    """A scripted listener."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behave(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield Target("127.0.0.1", server.sockets[0].getsockname()[1], None, 0.5)
    finally:
        server.close()
        await server.wait_closed()


async def sent(target: Target, *messages: bytes, connections: int = 1, rate: float | None = None) -> Tally:
    return await send_all(
        target, iter(messages), connections=connections, rate=rate, clock=CLOCK, told=lambda: None
    )


def answering(*answers: bytes) -> Peer:
    """Answer the messages of one connection with these bytes, one after another, then close it."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\x1c\r")
            writer.write(answer)

    return behave


def ack(code: bytes, control_id: bytes, more: bytes = b"") -> bytes:
    head = b"MSH|^~\\&|RIS|LABO|ADT|HSJ|20260114||ACK^A01^ACK|R1|P|2.5.1\r"
    return b"\x0b" + head + b"MSA|" + code + b"|" + control_id + b"\r" + more + b"\x1c\r"


async def test_codes_are_counted_and_refusals_named() -> None:
    error = b"ERR||PID^1^3^1^4|204^Unknown key identifier^HL70357|E\r"
    async with peer(answering(ack(b"AA", b"MSG00001"), ack(b"AE", b"MSG00002", error))) as target:
        tally = await sent(target, ADMISSION, TRANSFER)
    assert tally.codes == {"AA": 1, "AE": 1}
    assert tally.refusals == [("MSG00002", "PID-3.4 204")]
    assert not tally.well
    assert len(tally.latencies) == 2


async def test_an_answer_to_another_message_counts_as_none() -> None:
    async with peer(answering(ack(b"AA", b"OTHER"), b"\x0bhello\x1c\r")) as target:
        tally = await sent(target, ADMISSION, TRANSFER)
    assert tally.codes == {"other id": 1, "garbage": 1}


async def test_a_lost_connection_is_opened_again_for_the_next_message() -> None:
    async with peer(answering(ack(b"AA", b"MSG00001"))) as target:
        tally = await sent(target, ADMISSION, ADMISSION, ADMISSION)
    assert tally.codes == {"AA": 2, "no answer": 1}


async def test_a_silent_partner_is_not_waited_for_without_end() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with peer(silent) as target:
        tally = await sent(Target(target.host, target.port, None, 0.05), ADMISSION)
    assert tally.codes == {"no answer": 1}


async def test_nobody_there_is_told() -> None:
    async with peer(answering()) as target:
        pass
    with pytest.raises(Transient, match=f"127.0.0.1:{target.port}"):
        await sent(target, ADMISSION)


async def test_the_rate_holds_over_all_connections() -> None:
    began = CLOCK.monotonic()  # real time: what is measured is the pace itself
    heard: list[Heard] = []
    async with listener(heard) as target:
        tally = await sent(target, *[ADMISSION] * 5, connections=3, rate=50.0)
    assert CLOCK.monotonic() - began >= 4 / 50
    assert tally.codes == {"AA": 5}


@asynccontextmanager
async def listener(heard: list[Heard], code: str = "AA", error: str = "") -> AsyncIterator[Target]:
    """Our own listener, bound to a free port."""
    server = Listening(code, error, 0, CLOCK, heard.append, IdSource(CLOCK))
    bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(server.serve("127.0.0.1", 0, None, lambda host, port: bound.set_result(port)))
    try:
        yield Target("127.0.0.1", await bound, None, 5.0)
    finally:
        server.done.set()
        await task


async def test_the_listener_answers_as_it_was_told_in_the_senders_words() -> None:
    heard: list[Heard] = []
    async with listener(heard, "AE", "207") as target:
        tally = await sent(target, ADMISSION, TRANSFER)
    assert tally.codes == {"AE": 2}
    assert tally.refusals[0] == ("MSG00001", "207")
    assert [(each.number, each.data, each.code) for each in heard] == [
        (1, ADMISSION, "AE"),
        (2, TRANSFER, "AE"),
    ]


async def test_the_listener_rejects_what_is_no_message_and_stays() -> None:
    heard: list[Heard] = []
    async with listener(heard) as target:
        reader, writer = await asyncio.open_connection(target.host, target.port)
        writer.write(b"\x0bhello\x1c\r\x0b" + ADMISSION + b"\x1c\r")
        first = await reader.readuntil(b"\x1c\r")
        second = await reader.readuntil(b"\x1c\r")
        writer.close()
    assert b"\rMSA|AR|\r" in first
    assert b"\rMSA|AA|MSG00001\r" in second
    assert [each.code for each in heard] == ["AR", "AA"]


class Listener:
    """`passerelle hl7 listen` in a process of its own; says where it listens."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engine", "hl7", "listen", "0", "--json", *options],
            cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.address = json.loads(self.process.stdout.readline())["listening"]

    def ended(self) -> list[dict[str, object]]:
        """Wait for its end and return what it told of each message."""
        out, err = self.process.communicate(timeout=30)
        assert (self.process.returncode, err) == (0, "")
        return [json.loads(line) for line in out.splitlines()]


def test_the_two_verbs_meet_over_mutual_tls(shell: Shell) -> None:
    make_dev_certificates(shell.folder / "certs", ["hsj"])
    write(shell.folder, a=ADMISSION, b=TRANSFER)
    files = ("--ca", "certs/ca.pem", "--cert", "certs/engine.pem", "--key", "certs/engine.key")
    listening = Listener(shell.folder, "--count", "4", "--out", "kept", *files)
    port = listening.address.rpartition(":")[2]
    mine = ("--ca", "certs/ca.pem", "--cert", "certs/hsj.pem", "--key", "certs/hsj.key")
    ended = shell(
        "hl7", "send", f"localhost:{port}", "a.hl7", "b.hl7", "--count", "4", "--new-ids", "--json", *mine
    )
    assert (ended.code, ended.json["sent"], ended.json["codes"]) == (Exit.OK, 4, {"AA": 4})
    told = listening.ended()
    assert [each["type"] for each in told] == ["ADT^A01", "ADT^A02"] * 2
    assert len({each["control_id"] for each in told}) == 4
    assert len(list((shell.folder / "kept").glob("*.hl7"))) == 4


def test_the_listener_ends_quietly_with_connections_open(shell: Shell) -> None:
    listening = Listener(shell.folder)
    with socket.create_connection(("127.0.0.1", int(listening.address.rpartition(":")[2])), 5) as wire:
        wire.sendall(b"\x0b" + ADMISSION + b"\x1c\r")
        assert b"MSA|AA|MSG00001" in wire.recv(4096)
        listening.process.send_signal(signal.SIGINT)
        assert [each["control_id"] for each in listening.ended()] == ["MSG00001"]


def test_several_connections_end_without_a_word(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION)
    listening = Listener(shell.folder, "--count", "40")
    ended = shell("hl7", "send", listening.address, "a.hl7", "--count", "40", "--connections", "4", "--json")
    assert ended.json["codes"] == {"AA": 40}
    assert len(listening.ended()) == 40


def test_a_refusal_ends_the_sending_with_1_and_is_shown(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION)
    listening = Listener(shell.folder, "--count", "1", "--code", "AR", "--error", "200")
    ended = shell("hl7", "send", listening.address, "a.hl7")
    listening.ended()
    assert ended.code == Exit.FAILED
    assert ": AR 1\n" in ended.out
    assert ended.out.endswith("  MSG00001: 200\n")


def test_nobody_at_the_address_ends_with_4(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION)
    ended = shell("hl7", "send", "127.0.0.1:1", "a.hl7")
    assert ended.code == Exit.UNREACHABLE
    assert ended.err.startswith("127.0.0.1:1: ")


@pytest.mark.parametrize(
    "wrong",
    [
        ("send", "nowhere", "a.hl7"),
        ("send", "127.0.0.1:1", "a.hl7", "--cert", "a.hl7"),
        ("send", "127.0.0.1:1", "a.hl7", "--tls-profile", "x", "--ca", "a.hl7"),
        ("listen", "0", "--error", "999"),
    ],
)
def test_wrong_use_is_told(shell: Shell, wrong: tuple[str, ...]) -> None:
    write(shell.folder, a=ADMISSION)
    assert shell("hl7", *wrong).code == Exit.USAGE


def test_a_profile_of_the_project_is_used(shell: Shell) -> None:
    write(shell.folder, a=ADMISSION)
    make_dev_certificates(shell.folder / "certs", [])
    (shell.folder / "config.yaml").write_text("tls: {engine: {ca: certs/ca.pem}}\n")
    files = ("--cert", "certs/engine.pem", "--key", "certs/engine.key")
    listening = Listener(shell.folder, "--count", "1", *files)
    port = listening.address.rpartition(":")[2]
    ended = shell("hl7", "send", f"localhost:{port}", "a.hl7", "--tls-profile", "engine", "--json")
    listening.ended()
    assert ended.json["codes"] == {"AA": 1}
    missing = shell("hl7", "send", f"localhost:{port}", "a.hl7", "--tls-profile", "other")
    assert (missing.code, "other" in missing.err) == (Exit.NOTHING, True)
