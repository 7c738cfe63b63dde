"""A webhook listener: only what is signed, lately, by a key we hold, on the bytes as they came."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from channels.webhook.inbound import WebhookInbound, WebhookListener
from engine.security.secrets import Secret
from engine.security.signing import load_signing_key, new_key_pair, new_shared_secret, sign
from engine.testing.channels import RecordingIntake, channel_context
from engine.testing.virtual_clock import VirtualClock
from tests.channels.http.serving import DOOR, LOOPBACK
from tests.channels.http.wire import Got, post, wire

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
BODY = '{"summary": "rendez-vous fictif, déplacé"}'.encode()
FIRST, SECOND, STRANGE = new_shared_secret(), new_shared_secret(), new_shared_secret()
PRIVATE, PUBLIC = new_key_pair()


@asynccontextmanager
async def listening(folder: Path, intake: RecordingIntake) -> AsyncIterator[str]:
    """Serve a listener that holds two shared keys and a public one, at noon; yields its address."""
    keys = {"standard_webhooks": [FIRST, SECOND, Secret(PUBLIC)]}
    config = WebhookListener.model_validate({"webhook": LOOPBACK, "verify": keys, "partner": "platform"})
    context = replace(channel_context(folder, name="hooks", clock=VirtualClock(NOON)), selectors=(DOOR,))
    async with anyio.create_task_group() as group:
        yield await group.start(WebhookInbound(config, context).serve, intake)
        group.cancel_scope.cancel()


def signed(key: Secret, *, age: int = 0, message_id: str = "m-1") -> dict[str, str]:
    timestamp = int(NOON.timestamp()) - age
    return sign([load_signing_key(key)], message_id=message_id, timestamp=timestamp, body=BODY)


async def posted(
    folder: Path, intake: RecordingIntake, headers: Mapping[str, str], body: bytes = BODY
) -> Got:
    async with listening(folder, intake) as address, wire(address) as client:
        await client.write(post(body, headers=headers))
        return await client.read()


@pytest.mark.parametrize("key", [FIRST, SECOND, PRIVATE])
async def test_each_key_of_a_rotation_is_accepted(tmp_path: Path, key: Secret) -> None:
    intake = RecordingIntake()
    headers = signed(key)
    assert (await posted(tmp_path, intake, headers)).status == 202
    message = intake.messages[0]
    assert (message.control_id, message.partner, message.body.read()) == ("m-1", "platform", BODY)
    assert message.headers == headers, "the signature is evidence of who sent it"


async def refused(folder: Path, headers: Mapping[str, str], body: bytes = BODY) -> str:
    intake = RecordingIntake()
    answer = await posted(folder, intake, headers, body)
    assert answer.status == 401 and answer.headers["www-authenticate"]
    assert not intake.messages and intake.outstanding == 0
    return str(answer.json["detail"])


async def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    assert "no signature matches" in await refused(tmp_path, signed(STRANGE))


async def test_one_changed_byte_is_refused(tmp_path: Path) -> None:
    assert "no signature matches" in await refused(
        tmp_path, signed(FIRST), BODY.replace(b"fictif", b"fictiF")
    )


async def test_another_id_is_refused(tmp_path: Path) -> None:
    assert "no signature matches" in await refused(tmp_path, {**signed(FIRST), "webhook-id": "m-2"})


@pytest.mark.parametrize(("age", "said"), [(301, "301 s ago"), (-301, "301 s ahead")])
async def test_an_old_or_early_signature_is_refused(tmp_path: Path, age: int, said: str) -> None:
    assert said in await refused(tmp_path, signed(FIRST, age=age))


@pytest.mark.parametrize("age", [300, -300])
async def test_five_minutes_are_tolerated(tmp_path: Path, age: int) -> None:
    assert (await posted(tmp_path, RecordingIntake(), signed(FIRST, age=age))).status == 202


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_a_missing_header_is_refused_by_its_name_before_the_body(tmp_path: Path, missing: str) -> None:
    headers = {name: value for name, value in signed(FIRST).items() if name != missing}
    intake = RecordingIntake()
    async with listening(tmp_path, intake) as address, wire(address) as client:
        await client.write(post(BODY, headers={**headers, "Expect": "100-continue"})[: -len(BODY)])
        answer = await client.read()
        assert answer.status == 401 and missing in answer.json["detail"]
        assert intake.most_admitted == 0


@pytest.mark.parametrize("signature", ["v1,%%%", "v1", "v9,AAAA", "x" * 50])
async def test_a_malformed_signature_is_refused(tmp_path: Path, signature: str) -> None:
    await refused(tmp_path, {**signed(FIRST), "webhook-signature": signature})


async def test_a_second_signature_header_is_400(tmp_path: Path) -> None:
    intake = RecordingIntake()
    async with listening(tmp_path, intake) as address, wire(address) as client:
        request = post(BODY, headers=signed(FIRST)).replace(b"\r\n\r\n", b"\r\nWebhook-Id: m-2\r\n\r\n", 1)
        await client.write(request)
        assert (await client.read()).status == 400
        assert not intake.messages
