"""What travels: one POST, the same id each time, signatures that independent libraries accept on the raw bytes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook

from channels.webhook.endpoint import WebhookEndpoint
from channels.webhook.outbound import WebhookOutbound
from engine import __version__
from engine.errors import Rejected
from engine.model import Attempt
from engine.security.secrets import Secret
from engine.security.signing import new_key_pair, new_shared_secret
from engine.testing.channels import channel_context
from tests.channels.webhook.clinic import SHARED, attempt, endpoint, engine_tls
from tests.peers.emr import FAILED, OK, Received, emr

BODY = '{"summary": "rendez-vous fictif, déplacé", "n": 1.50}'.encode()
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


async def received(
    folder: Path, one: Attempt, url: str = "/hooks/appointments?lang=fr", **config: Any
) -> Received:
    """Send once to a clinic that accepts, and return what reached it."""
    async with emr(None) as server:
        async with WebhookOutbound(endpoint(server.url + url, **config), channel_context(folder)) as channel:
            await channel.send(one)
        return server.requests[0]


def signed_with(*keys: Secret) -> dict[str, Any]:
    return {"sign": {"standard_webhooks": list(keys)}}


async def test_a_message_is_posted_as_it_is(tmp_path: Path) -> None:
    got = await received(tmp_path, attempt(BODY, content_type="application/cloudevents+json; charset=utf-8"))
    assert (got.method, got.path, got.body) == ("POST", "/hooks/appointments?lang=fr", BODY)
    assert got.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert got.headers["host"].startswith("127.0.0.1:")
    assert got.headers["user-agent"] == f"passerelle/{__version__}"
    assert got.headers["webhook-id"] == "01JD0000000000000001"
    assert got.headers["idempotency-key"] == '"01JD0000000000000001"'
    assert "webhook-signature" not in got.headers and "traceparent" not in got.headers


async def test_the_reference_library_accepts_v1_on_the_raw_bytes(tmp_path: Path) -> None:
    got = await received(tmp_path, attempt(BODY), **signed_with(Secret(SHARED)))
    assert Webhook(SHARED).verify(got.body, dict(got.headers))["n"] == 1.5
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SHARED).verify(got.body + b" ", dict(got.headers))


async def test_v1a_is_accepted_by_the_public_half(tmp_path: Path) -> None:
    private, public = new_key_pair()
    got = await received(tmp_path, attempt(BODY), **signed_with(private))
    scheme, _, signature = got.headers["webhook-signature"].partition(",")
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    assert scheme == "v1a"
    key.verify(base64.b64decode(signature), content)
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(signature), content + b" ")


async def test_during_a_rotation_either_key_is_accepted(tmp_path: Path) -> None:
    newest, oldest = new_shared_secret(), new_shared_secret()
    got = await received(tmp_path, attempt(BODY), **signed_with(newest, oldest))
    for key in (newest, oldest):
        Webhook(key.reveal()).verify(got.body, dict(got.headers))


async def test_every_attempt_has_the_same_id_and_a_signature_of_its_own_time(tmp_path: Path) -> None:
    async with emr(None, script=[FAILED, FAILED, OK]) as server:
        config = endpoint(server.url, **signed_with(Secret(SHARED)))
        async with WebhookOutbound(config, channel_context(tmp_path)) as channel:
            for _ in range(2):
                with pytest.raises(Exception, match="500"):
                    await channel.send(attempt(BODY))
            await channel.send(attempt(BODY))
        assert {each.headers["webhook-id"] for each in server.requests} == {"01JD0000000000000001"}
        assert {each.headers["idempotency-key"] for each in server.requests} == {'"01JD0000000000000001"'}
        assert {each.body for each in server.requests} == {BODY}
        for each in server.requests:
            Webhook(SHARED).verify(each.body, dict(each.headers))


async def test_an_id_of_another_protocol_is_written_so_that_it_can_be_signed(tmp_path: Path) -> None:
    got = await received(tmp_path, attempt(BODY, message_id="HSJ.2026 é%"), **signed_with(Secret(SHARED)))
    assert got.headers["webhook-id"] == "HSJ%2E2026%20%C3%A9%25"
    Webhook(SHARED).verify(got.body, dict(got.headers))


async def test_an_id_that_no_header_can_hold_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="id is too long"):
        await received(tmp_path, attempt(message_id="é" * 50))


async def test_the_trace_context_is_passed_on(tmp_path: Path) -> None:
    got = await received(
        tmp_path, attempt(headers={"traceparent": TRACE, "tracestate": "a=1", "cookie": "c"})
    )
    assert (got.headers["traceparent"], got.headers["tracestate"]) == (TRACE, "a=1")
    assert "cookie" not in got.headers


@pytest.mark.parametrize("parent", ["", "01", TRACE.upper(), TRACE + "\r\nX-Injected: 1"])
async def test_what_is_no_trace_context_is_left_out(tmp_path: Path, parent: str) -> None:
    got = await received(
        tmp_path, attempt(headers={"traceparent": parent, "tracestate": "a=1\r\nX-Injected: 1"})
    )
    assert not {"traceparent", "tracestate", "x-injected"} & set(got.headers)


async def test_a_content_type_cannot_inject_a_header(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="content type"):
        await received(tmp_path, attempt(content_type="text/plain\r\nX-Injected: 1"))


async def test_configured_headers_are_sent(tmp_path: Path) -> None:
    headers = {"X-Api-Key": Secret("k-fictive"), "Accept": "application/json"}
    got = await received(tmp_path, attempt(), headers=headers)
    assert (got.headers["x-api-key"], got.headers["accept"]) == ("k-fictive", "application/json")


async def test_over_tls_the_clinic_sees_who_we_are(tmp_path: Path, dev_certs: Path) -> None:
    async with emr(dev_certs) as server:
        config: WebhookEndpoint = endpoint(server.url)
        async with WebhookOutbound(config, channel_context(tmp_path, tls=engine_tls(dev_certs))) as channel:
            await channel.send(attempt())
        certificate = server.requests[0].certificate
        assert certificate is not None and "uri:urn:passerelle:dev:engine" in certificate.names


# ----------------------------------------------------------------- probe


async def test_the_probe_shows_each_stage(tmp_path: Path, dev_certs: Path) -> None:
    async with emr(dev_certs) as server:
        channel = WebhookOutbound(endpoint(server.url), channel_context(tmp_path, tls=engine_tls(dev_certs)))
        found = await channel.probe()
        assert [(stage, well) for stage, well, _ in found] == [
            ("dns", True),
            ("tcp", True),
            ("tls", True),
            ("http", True),
        ]
        assert found[2][2].startswith("TLSv1.3, certificate until 20")
        assert [each.method for each in server.requests] == ["OPTIONS"]
        assert not {"webhook-id", "webhook-signature", "idempotency-key"} & set(server.requests[0].headers)


async def test_the_probe_stops_where_the_way_ends(
    tmp_path: Path, dev_certs: Path, stranger_certs: Path
) -> None:
    async with emr(stranger_certs) as server:
        channel = WebhookOutbound(endpoint(server.url), channel_context(tmp_path, tls=engine_tls(dev_certs)))
        assert (await channel.probe())[-1] == ("tls", False, "the peer's certificate is not signed by our CA")
    assert [stage for stage, _, _ in await channel.probe()] == ["dns", "tcp"]
    assert (await channel.probe())[-1] == ("tcp", False, "nobody listens at the partner's address")
