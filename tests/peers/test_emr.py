"""The record system answers and misbehaves as its script says, and keeps what it was sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from engine.security.diagnosis import explain_tls_error
from engine.security.tls import client_context
from tests.peers import emr as records
from tests.peers.emr import Answer, Emr, Misbehaviour, Received, busy, emr
from tests.peers.ports import listens
from tests.security.handshakes import files_of

QUICK = aiohttp.ClientTimeout(total=10)
IMPATIENT = aiohttp.ClientTimeout(total=0.2)  # real time: it proves that nothing came


@asynccontextmanager
async def engine_session(certs: Path) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=client_context(files_of(certs, "engine")))
    async with aiohttp.ClientSession(connector=connector, timeout=QUICK) as session:
        yield session


async def test_the_record_system_keeps_bytes_headers_and_the_senders_identity(dev_certs: Path) -> None:
    body = b'{"a": 1.50,\r\n "b":"\xc3\xa9"}'
    async with emr(dev_certs, name="clinique-abc") as clinic, engine_session(dev_certs) as session:
        response = await session.post(f"{clinic.url}/hooks?x=1", data=body, headers={"Webhook-Id": "A1"})
        answer = await response.read()
    assert (response.status, answer) == (200, b'{"status":"received"}')
    [request] = clinic.requests
    assert (request.method, request.path, request.body) == ("POST", "/hooks?x=1", body)
    assert request.headers["webhook-id"] == "A1"
    assert request.certificate is not None
    assert "dns:engine.localhost" in request.certificate.names


async def test_a_body_in_chunks_is_put_together(dev_certs: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"first,"
        yield b"second"

    async with emr(dev_certs) as clinic, engine_session(dev_certs) as session:
        await session.post(f"{clinic.url}/", data=chunks())
    assert clinic.requests[0].body == b"first,second"


async def test_the_script_goes_on_over_connections_and_its_last_entry_repeats(dev_certs: Path) -> None:
    script = [busy("7"), records.FAILED, records.ACCEPTED]
    answers = []
    async with emr(dev_certs, script=script) as clinic:
        for _ in range(4):
            async with engine_session(dev_certs) as session, session.post(clinic.url) as response:
                answers.append((response.status, response.headers.get("Retry-After")))
    assert answers == [(503, "7"), (500, None), (202, None), (202, None)]
    assert [request.connection for request in clinic.requests] == [1, 2, 3, 4]
    assert sorted(request.at for request in clinic.requests) == [request.at for request in clinic.requests]


async def test_a_connection_serves_several_requests(dev_certs: Path) -> None:
    async with emr(dev_certs) as clinic, engine_session(dev_certs) as session:
        for _ in range(3):
            await (await session.post(clinic.url, data=b"x")).read()
    assert [request.connection for request in clinic.requests] == [1, 1, 1]


async def test_a_script_may_look_at_the_request(dev_certs: Path) -> None:
    def by_path(request: Received) -> Answer:
        return records.BAD_REQUEST if request.path == "/bad" else records.OK

    async with emr(dev_certs, script=by_path) as clinic, engine_session(dev_certs) as session:
        statuses = [(await session.post(clinic.url + path)).status for path in ("/good", "/bad")]
    assert statuses == [200, 400]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        (Misbehaviour.DROP, aiohttp.ServerDisconnectedError),
        (Misbehaviour.RESET, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)),
        (Misbehaviour.CUT, aiohttp.ClientPayloadError),
        (Misbehaviour.GARBAGE, aiohttp.ClientResponseError),
    ],
)
async def test_it_misbehaves_after_reading_the_whole_request(
    dev_certs: Path, how: Misbehaviour, error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    async with emr(dev_certs, script=[how]) as clinic, engine_session(dev_certs) as session:
        with pytest.raises(error):
            await (await session.post(clinic.url, data=b"whole")).read()
    assert [request.body for request in clinic.requests] == [b"whole"]


@pytest.mark.parametrize("how", [Misbehaviour.SILENT, Misbehaviour.TRICKLE, records.LATE])
async def test_it_keeps_the_sender_waiting(dev_certs: Path, how: Misbehaviour | Answer) -> None:
    async with emr(dev_certs, script=[how]) as clinic, engine_session(dev_certs) as session:
        with pytest.raises(TimeoutError):
            await (await session.post(clinic.url, data=b"whole", timeout=IMPATIENT)).read()
        await clinic.wait_for_requests(1)
    assert [request.body for request in clinic.requests] == [b"whole"]


async def test_a_held_answer_comes_when_it_is_released(dev_certs: Path) -> None:
    async with emr(dev_certs, script=[records.LATE]) as clinic, engine_session(dev_certs) as session:
        asking = asyncio.create_task(post(session, clinic))
        await clinic.wait_for_requests(1)
        assert not asking.done()
        clinic.release()
        assert await asking == 200


async def post(session: aiohttp.ClientSession, clinic: Emr) -> int:
    async with session.post(clinic.url, data=b"x") as response:
        return response.status


async def test_it_can_be_absent_then_present_then_absent_on_one_port(dev_certs: Path) -> None:
    async with emr(dev_certs, present=False) as clinic, engine_session(dev_certs) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await post(session, clinic)
        await clinic.start()
        assert await post(session, clinic) == 200
        await clinic.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await post(session, clinic)
    assert not listens(clinic.port)


async def test_one_that_speaks_only_tls_1_2_is_refused_with_a_readable_cause(dev_certs: Path) -> None:
    async with (
        emr(dev_certs, newest_tls=ssl.TLSVersion.TLSv1_2) as clinic,
        engine_session(dev_certs) as session,
    ):
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await post(session, clinic)
    assert explain_tls_error(caught.value) == "the peer offers no TLS 1.3, only TLS 1.2 or older"
    assert clinic.requests == []


async def test_one_of_another_authority_is_refused_with_a_readable_cause(
    dev_certs: Path, stranger_certs: Path
) -> None:
    async with emr(stranger_certs) as clinic, engine_session(dev_certs) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await post(session, clinic)
    assert explain_tls_error(caught.value) == "the peer's certificate is not signed by our CA"
    assert clinic.requests == []


async def test_one_that_does_not_trust_us_never_sees_the_request(
    dev_certs: Path, stranger_certs: Path
) -> None:
    async with (
        emr(dev_certs, trusts=stranger_certs / "ca.pem") as clinic,
        engine_session(dev_certs) as session,
    ):
        with pytest.raises(aiohttp.ClientError) as caught:
            await post(session, clinic)
    assert explain_tls_error(caught.value) == "the peer refused our certificate: it does not trust our CA"
    assert clinic.requests == []


async def test_it_speaks_plain_http_where_it_has_no_certificates() -> None:
    async with emr(None) as clinic, aiohttp.ClientSession(timeout=QUICK) as session:
        assert await post(session, clinic) == 200
    assert clinic.url.startswith("http://")
