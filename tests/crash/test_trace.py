"""What the kernel saw: the WAL is synced after the last byte of a message was read, before its positive reply (G1).

One engine per door under strace; the system calls are read in the order in which the kernel took them.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import aiormq

from tests.crash.child import Child, await_ready
from tests.crash.project import HOOK_KEY, Broker, Ports, write_full_project
from tests.crash.sender import LARGE_BYTES, Connection
from tests.peers.ports import free_port
from tests.peers.rabbitmq import RabbitMQ

_CALLS = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,fsync,fdatasync,rename,renameat,renameat2"
_WAL_SYNC = re.compile(r"(?:fdatasync|fsync)\(\d+<[^>]*passerelle\.db-wal>\)\s+= 0")
_BODY_SYNC = re.compile(r"fsync\(\d+<[^>]*passerelle\.db\.bodies/[^>]*\.new>\)\s+= 0")
_MARK = "the last bytes of the body"
_ACCEPTED = "HTTP/1.1 202"
_ACKNOWLEDGED = "\rMSA|AA|"
"""HL7 v2.5.1 2.15.8."""
_BASIC_ACK = "\x00\x3c\x00\x50"
"""Class 60, method 80 of AMQP 0-9-1 (1.8.3.13)."""

Door = Callable[["Traced"], Awaitable[None]]


class Traced:
    """A running engine under strace, with every kind of door."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        self.broker = broker
        self.ports = Ports(free_port(), free_port(), free_port(), feed=free_port())
        self.trace = folder / "trace"
        config = write_full_project(folder, self.ports, broker, free_port())
        self.child = Child(config)

    async def attach(self) -> asyncio.subprocess.Process:
        """Put strace beside the engine, which is ready, and return it once it has attached."""
        strace = shutil.which("strace")
        assert strace is not None, "strace is missing: apt-get install --no-install-recommends strace"
        options = ["-f", "-y", "-xx", "-s", "300000", "-e", f"trace={_CALLS}", "-e", "signal=none"]
        tracing = await asyncio.create_subprocess_exec(
            strace, *options, "-o", str(self.trace), "-p", str(self.child.running.pid),
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert tracing.stderr is not None
        told = await tracing.stderr.readline()
        assert b"attached" in told, told
        return tracing

    def text(self) -> str:
        """Return the trace so far, strings as they were."""
        raw = self.trace.read_text("ascii")
        return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)).replace("\n", " "), raw)

    async def until_traced(self, text: str) -> None:
        async with asyncio.timeout(60):
            while text not in await asyncio.to_thread(self.text):  # noqa: ASYNC110  # strace tells nobody
                await asyncio.sleep(0.05)


def _completed(trace: str) -> list[str]:
    """Return the calls in order: one that writes at its beginning, one that reads or syncs at its end."""
    begun: dict[str, tuple[str, int]] = {}
    calls: list[str] = []
    for line in trace.split("\n"):
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            begun[thread] = (call.removesuffix("<unfinished ...>").rstrip(), len(calls))
            calls.append("")
        elif call.startswith("<... "):
            head, at = begun.pop(thread, ("", 0))
            whole = head + call.partition(" resumed>")[2]
            if whole.startswith(("write", "send", "rename")):
                calls[at] = whole
            else:
                calls.append(whole)
        else:
            calls.append(call)
    return calls


async def _rest(traced: Traced) -> None:
    await _post(traced, "/v1/orders", traced.ports.engine, LARGE_BYTES)


async def _small_rest(traced: Traced) -> None:
    await _post(traced, "/v1/orders", traced.ports.engine, 10)


async def _post(traced: Traced, path: str, port: int, padding: int) -> None:
    line = Connection(port, path)
    body = f'{{"key": "a", "seq": 0, "pad": "{"x" * padding}{_MARK}"}}'.encode()
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nidempotency-key: i{padding}\r\n"
    status, _ = await line.exchange(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    line.close()
    assert status == 202


async def _webhook(traced: Traced) -> None:
    body = f'{{"note": "{_MARK}"}}'
    stamp = int(time.time())
    signed = hmac.new(HOOK_KEY, f"hook-1.{stamp}.{body}".encode(), "sha256").digest()
    head = (
        f"POST /hooks HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nwebhook-id: hook-1\r\n"
        f"webhook-timestamp: {stamp}\r\nwebhook-signature: v1,{base64.b64encode(signed).decode()}\r\n"
    )
    line = Connection(traced.ports.hooks)
    status, answer = await line.exchange(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
    line.close()
    assert status == 202, answer


async def _mllp(traced: Traced) -> None:
    await _fed(traced, "M1", 10)


async def _large_mllp(traced: Traced) -> None:
    await _fed(traced, "M2", LARGE_BYTES)


async def _fed(traced: Traced, control_id: str, padding: int) -> None:
    head = f"MSH|^~\\&|SIH|HSJ|P|C|20260114093011||ADT^A01|{control_id}|P|2.5.1\rPID|1||10006579\r"
    reader, writer = await asyncio.open_connection("127.0.0.1", traced.ports.feed)
    writer.write(f"\x0b{head}NTE|1||{'x' * padding}{_MARK}\r\x1c\r".encode())
    answer = await reader.readuntil(b"\x1c\r")
    writer.transport.abort()
    assert f"{_ACKNOWLEDGED}{control_id}\r".encode() in answer


async def _amqp(traced: Traced) -> None:
    connection = await aiormq.connect(traced.broker.url)
    channel = await connection.channel()
    properties = aiormq.spec.Basic.Properties(content_type="application/json", message_id="traced")
    body = f'{{"note": "{_MARK}"}}'.encode()
    await channel.basic_publish(body, routing_key=traced.broker.incoming, properties=properties)
    await traced.until_traced(_BASIC_ACK)
    await connection.close()


async def _file(traced: Traced) -> None:
    draft = traced.folder / "in/.draft"
    await asyncio.to_thread(draft.write_text, f'{{"note": "{_MARK}"}}')
    draft.rename(traced.folder / "in/traced.json")
    await traced.until_traced("in/done/traced.json")


_DOORS: Mapping[str, tuple[Door, str, tuple[re.Pattern[str], ...]]] = {
    "rest": (_small_rest, _ACCEPTED, (_WAL_SYNC,)),
    "rest-large": (_rest, _ACCEPTED, (_BODY_SYNC, _WAL_SYNC)),
    "webhook": (_webhook, _ACCEPTED, (_WAL_SYNC,)),
    "mllp": (_mllp, _ACKNOWLEDGED, (_WAL_SYNC,)),
    "mllp-large": (_large_mllp, _ACKNOWLEDGED, (_BODY_SYNC, _WAL_SYNC)),
    "amqp": (_amqp, _BASIC_ACK, (_WAL_SYNC,)),
    "file": (_file, "in/done/traced.json", (_WAL_SYNC,)),
}


async def test_the_store_is_synced_between_the_last_byte_and_the_reply(
    tmp_path: Path, shared_broker: RabbitMQ
) -> None:
    broker = Broker(shared_broker.url, shared_broker.fresh_name("in"), shared_broker.fresh_name("out"))
    traced = Traced(tmp_path, broker)
    traced.child.start()
    missing = {}
    try:
        await asyncio.to_thread(await_ready, traced.child)
        tracing = await traced.attach()
        for name, (door, reply, syncs) in _DOORS.items():
            before = len(traced.text())
            await door(traced)
            missing[name] = _unsynced(_completed(traced.text()[before:]), reply, syncs)
        tracing.terminate()
        await tracing.wait()
    finally:
        traced.child.end()  # which ends strace as well
    assert missing == dict.fromkeys(_DOORS, "")


def _unsynced(calls: Sequence[str], reply: str, syncs: Sequence[re.Pattern[str]]) -> str:
    """Return which sync is missing between the last byte of the body read and the first of the reply written."""
    sent = next(
        at for at, call in enumerate(calls) if call.startswith(("write", "send", "rename")) and reply in call
    )
    at = max(
        at for at, call in enumerate(calls[:sent]) if call.startswith(("read", "recv")) and _MARK in call
    )
    for sync in syncs:
        found = [number for number in range(at, sent) if sync.search(calls[number])]
        if not found:
            return sync.pattern
        at = found[0]
    return ""
