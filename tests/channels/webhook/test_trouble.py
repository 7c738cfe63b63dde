"""Every way in which a partner fails to answer: what was sent, what it means, and which connection is used next."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from dataclasses import replace
from pathlib import Path

import pytest

from channels.webhook.outbound import WebhookOutbound
from engine.errors import PasserelleError, Permanent, Rejected, Transient
from engine.model import Body
from engine.testing.channels import channel_context
from tests.channels.http.answering import (
    OK,
    Act,
    answering,
    conversing,
    endless,
    silence,
    then_close,
    then_reset,
    trickle,
)
from tests.channels.webhook.clinic import attempt, endpoint, engine_tls
from tests.channels.webhook.test_answers import sending
from tests.peers.emr import emr
from tests.peers.ports import free_port


async def failure(
    folder: Path, url: str, tls: ssl.SSLContext | None = None, timeout: float = 30.0
) -> PasserelleError:
    """Send once, and return what it raised."""
    async with WebhookOutbound(endpoint(url), channel_context(folder, tls=tls)) as channel:
        with pytest.raises(PasserelleError) as caught:
            await channel.send(attempt(timeout=timeout))
        return caught.value


def transient(error: PasserelleError) -> tuple[str, bool]:
    assert isinstance(error, Transient)
    return error.code, error.sent


# ----------------------------------------------------------------- nothing was sent


async def test_nobody_listens(tmp_path: Path) -> None:
    error = await failure(tmp_path, f"http://127.0.0.1:{free_port()}/")
    assert transient(error) == ("refused", False)
    assert "nobody listens" in str(error)


async def test_a_name_that_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*args: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    error = await failure(tmp_path, "https://dme.clinique-abc.example/")
    assert transient(error) == ("dns", False)


async def test_a_name_that_is_no_name(tmp_path: Path) -> None:
    error = await failure(tmp_path, f"https://{'a' * 70}.example/")
    assert transient(error) == ("dns", False)


async def test_a_server_that_never_finishes_the_handshake(tmp_path: Path, dev_certs: Path) -> None:
    async with answering(silence) as server:
        url = server.url.replace("http:", "https:")
        began = time.monotonic()
        error = await failure(tmp_path, url, engine_tls(dev_certs), timeout=0.3)
        assert transient(error) == ("connect_timeout", False)
        assert time.monotonic() - began < 2


async def test_a_server_of_tls_1_2_only(tmp_path: Path, dev_certs: Path) -> None:
    async with emr(dev_certs, newest_tls=ssl.TLSVersion.TLSv1_2) as server:
        error = await failure(tmp_path, server.url, engine_tls(dev_certs))
        assert transient(error) == ("tls", False)
        assert "only TLS 1.2" in str(error)
        assert not server.requests


async def test_a_server_of_another_authority(tmp_path: Path, dev_certs: Path, stranger_certs: Path) -> None:
    async with emr(stranger_certs) as server:
        error = await failure(tmp_path, server.url, engine_tls(dev_certs))
        assert isinstance(error, Permanent) and error.code == "identity"
        assert "not signed by our CA" in str(error)
        assert not server.requests


async def test_a_server_under_another_name(
    tmp_path: Path, dev_certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def here(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async with emr(dev_certs) as server:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", here)
        config = endpoint(f"https://dme.example:{server.port}/", allow_addresses=["127.0.0.0/8"])
        async with WebhookOutbound(config, channel_context(tmp_path, tls=engine_tls(dev_certs))) as channel:
            with pytest.raises(Permanent) as caught:
                await channel.send(attempt())
        assert caught.value.code == "identity" and "another host name" in str(caught.value)
        assert not server.requests


async def test_a_server_that_refuses_our_certificate(
    tmp_path: Path, dev_certs: Path, stranger_certs: Path
) -> None:
    async with emr(dev_certs, trusts=stranger_certs / "ca.pem") as server:
        error = await failure(tmp_path, server.url, engine_tls(dev_certs))
        assert isinstance(error, Permanent) and error.code == "identity"
        assert "refused our certificate" in str(error)
        assert not server.requests


async def test_a_server_that_speaks_no_tls(tmp_path: Path, dev_certs: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with conversing(greet) as port:
        error = await failure(tmp_path, f"https://127.0.0.1:{port}/", engine_tls(dev_certs))
        assert transient(error) == ("tls", False)
        assert "does not speak TLS" in str(error)


# ----------------------------------------------------------------- something was sent


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (then_close(b""), "closed"),
        (then_reset(b""), "closed"),
        (then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!"), "closed"),
        (then_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!"), "closed"),
        (then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfive!\r\n"), "closed"),
        (then_close(b"HTTP/1.1 200 OK\r\nContent-Le"), "closed"),
        (b"\x16\x03\x01 bonjour\r\n\r\n", "garbage"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "garbage"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "garbage"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "garbage"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "garbage"),
        (endless(b"X-Endless: head\r\n"), "garbage"),
        (then_close(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000), "garbage"),
        (endless(b"HTTP/1.1 100 Continue\r\n\r\n"), "garbage"),
    ],
)
async def test_without_a_valid_answer_the_outcome_is_unknown_and_the_connection_is_done(
    tmp_path: Path, act: bytes | Act, code: str
) -> None:
    async with sending(tmp_path, act, OK) as (channel, server):
        with pytest.raises(Transient) as caught:
            await channel.send(attempt())
        assert (caught.value.code, caught.value.sent) == (code, True)
        assert (await channel.send(attempt())).code == "200"
        assert server.opened == 2


@pytest.mark.parametrize(
    "act",
    [
        silence,
        trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000),
        trickle(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000),
    ],
)
async def test_no_answer_takes_longer_than_the_attempt_may(tmp_path: Path, act: Act) -> None:
    async with sending(tmp_path, OK, act, OK) as (channel, server):
        await channel.send(attempt())
        began = time.monotonic()
        with pytest.raises(Transient) as caught:
            await channel.send(attempt(timeout=0.3))
        assert (caught.value.code, caught.value.sent) == ("timeout", True)
        assert 0.29 <= time.monotonic() - began < 3
        assert (await channel.send(attempt())).code == "200"
        assert server.opened == 2, "a connection that timed out was used again"


async def test_a_status_that_http_does_not_know_is_no_valid_answer(tmp_path: Path) -> None:
    async with sending(tmp_path, b"HTTP/1.1 999 No Status\r\nContent-Length: 0\r\n\r\n") as (channel, _):
        with pytest.raises(Transient) as caught:
            await channel.send(attempt())
        assert transient(caught.value) == ("garbage", True)


async def test_an_attempt_without_time_sends_nothing(tmp_path: Path) -> None:
    async with sending(tmp_path, OK) as (channel, server):
        await channel.send(attempt())
        with pytest.raises(Transient) as caught:
            await channel.send(attempt(timeout=0))
        assert not caught.value.sent and len(server.requests) == 1


async def test_a_partner_that_does_not_read_is_bounded(tmp_path: Path) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with conversing(deaf) as port:
        config = endpoint(f"http://127.0.0.1:{port}/")
        async with WebhookOutbound(config, channel_context(tmp_path)) as channel:
            with pytest.raises(Transient) as caught:
                await channel.send(attempt(b"x" * 20_000_000, timeout=0.5))
            assert (caught.value.code, caught.value.sent) == ("timeout", True)


async def test_an_early_answer_to_a_large_body_counts(tmp_path: Path) -> None:
    opened = 0

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    async with conversing(early) as port:
        config = endpoint(f"http://127.0.0.1:{port}/")
        async with WebhookOutbound(config, channel_context(tmp_path)) as channel:
            for _ in range(2):
                with pytest.raises(Rejected) as caught:
                    await channel.send(attempt(b"x" * 20_000_000))
                assert caught.value.code == "413"
            assert opened == 2, "a request went into the middle of another one's body"


# ----------------------------------------------------------------- which connection is used


async def test_a_connection_that_behaves_is_used_again(tmp_path: Path) -> None:
    async with sending(tmp_path, OK) as (channel, server):
        for _ in range(5):
            await channel.send(attempt())
        assert server.opened == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"and more",
        OK + OK,
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_that_will_not_last_is_not_used_again(tmp_path: Path, answer: bytes) -> None:
    async with sending(tmp_path, answer, OK) as (channel, server):
        assert (await channel.send(attempt())).body == b"ok"
        await asyncio.sleep(0.02)  # real time: a second answer may arrive apart from the first
        assert (await channel.send(attempt())).body == b"ok"
        assert server.opened == 2


async def test_a_late_answer_is_never_credited_to_the_next_message(tmp_path: Path) -> None:
    late = asyncio.Event()

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await asyncio.sleep(0.02)  # real time: the second answer comes when nothing was asked
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)
        late.set()

    async with sending(tmp_path, twice, OK) as (channel, server):
        await channel.send(attempt())
        await late.wait()
        assert (await channel.send(attempt())).code == "200"
        assert server.opened == 2


async def test_a_connection_that_the_partner_closed_is_replaced_without_an_unknown_outcome(
    tmp_path: Path,
) -> None:
    gone = asyncio.Event()

    async def answer_and_leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.close()
        await writer.wait_closed()
        gone.set()

    async with sending(tmp_path, answer_and_leave, OK) as (channel, server):
        await channel.send(attempt())
        await gone.wait()
        await asyncio.sleep(0.02)  # real time: the end of the connection travels
        assert (await channel.send(attempt())).code == "200"
        assert (server.opened, len(server.requests)) == (2, 2)


async def test_a_kept_connection_that_dies_under_a_request_leaves_an_unknown_outcome(tmp_path: Path) -> None:
    async with sending(tmp_path, OK, then_close(b""), OK) as (channel, server):
        await channel.send(attempt())
        with pytest.raises(Transient) as caught:
            await channel.send(attempt())
        assert (caught.value.code, caught.value.sent) == ("closed", True)
        assert len(server.requests) == 2, "the channel sent it again by itself"


async def test_no_more_connections_are_kept_than_may_be_used(tmp_path: Path) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(OK)

    async with answering(slow) as server:
        config = endpoint(server.url, limits={"concurrency": "2"})
        async with WebhookOutbound(config, channel_context(tmp_path)) as channel:
            await asyncio.gather(*(channel.send(attempt()) for _ in range(5)))
            await asyncio.gather(*(channel.send(attempt()) for _ in range(2)))
            assert server.opened == 5
            await asyncio.gather(*(channel.send(attempt()) for _ in range(3)))
            assert server.opened == 6


async def test_a_body_in_a_file_is_read_and_sent(tmp_path: Path) -> None:
    content = b'{"pdf": "' + b"x" * 500_000 + b'"}'
    file = tmp_path / "body"
    file.write_bytes(content)
    async with sending(tmp_path, OK) as (channel, server):
        whole = Body.of(content)
        await channel.send(replace(attempt(), body=Body(whole.size, whole.sha256, path=file)))
        assert server.requests[0].endswith(content)
