"""The listening socket under pressure: no descriptors left, too many sockets, and senders of anything at all."""

from __future__ import annotations

import asyncio
import errno
import random
import socket

import pytest

from channels._tcp import server
from engine.config.models import HostPort
from tests.channels.http.serving import listening
from tests.channels.http.wire import LIMIT, chunked, post, wire


async def test_without_file_descriptors_the_listener_waits_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    accept, failures = loop.sock_accept, [errno.EMFILE, errno.ENFILE]

    async def failing(sock: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise OSError(failures.pop(), "too many open files")
        return await accept(sock)

    monkeypatch.setattr(loop, "sock_accept", failing)
    monkeypatch.setattr(server, "_SHORTAGE_SECONDS", 0.01)
    async with listening() as door, wire(door.address) as client:
        await client.write(post())
        assert (await client.read()).status == 202
        assert door.events("out_of_files") == 2 and "no file descriptor" in caplog.text


async def test_another_failure_to_accept_ends_the_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(sock: socket.socket) -> tuple[socket.socket, object]:
        raise OSError(errno.EBADF, "bad file descriptor")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_accept", failing)
    with pytest.raises(ExceptionGroup) as caught:
        async with listening():
            await asyncio.sleep(LIMIT)  # the failure of the listener cancels this
    assert caught.value.split(OSError)[0] is not None


async def test_sockets_above_the_most_wait_until_one_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_SOCKETS_MAX", 1)
    async with listening() as door, wire(door.address) as second, wire(door.address) as third:
        await third.write(post())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await third.read()
        await second.write(post(headers={"Connection": "close"}))
        assert (await second.read()).status == 202
        assert (await third.read()).status == 202


async def test_a_port_that_is_taken_is_an_error_at_once() -> None:
    async with listening() as door:
        host, _, port = door.address.rpartition(":")
        with pytest.raises(OSError, match="in use"):
            server.listen(HostPort(host, int(port)))


async def test_whatever_is_sent_the_listener_lives_and_gives_everything_back() -> None:
    rng = random.Random(2026)
    models = [
        post(b'{"a": 1}'),
        chunked(b'{"a":', b" 1}") + b"0\r\n\r\n",
        post(b"{}", headers={"Expect": "100-continue"}),
    ]
    async with listening() as door:
        for _ in range(300):
            request = bytearray(rng.choice(models) * rng.randint(1, 3))
            for _ in range(rng.randint(1, 6)):
                at = rng.randrange(len(request))
                request[at : at + rng.randint(0, 3)] = rng.choice(
                    [b"", b"\r\n", b"\0", b":", b" ", b"9", rng.randbytes(2)]
                )
            async with wire(door.address) as client:
                await client.write_split(bytes(request), at=rng.randrange(1, len(request)))
                client.writer.write_eof()
                await _drain(client.reader)
        async with wire(door.address) as client:
            await client.write(post(b'{"the": "last"}'))
            assert (await client.read()).status == 202
        assert door.intake.outstanding == 0 and door.intake.running == 0
        assert "bugs" not in {name for name, _ in door.counted.totals}


async def _drain(reader: asyncio.StreamReader) -> None:
    """Read until the listener closes."""
    async with asyncio.timeout(LIMIT):
        try:
            await reader.read()
        except ConnectionError:
            return
