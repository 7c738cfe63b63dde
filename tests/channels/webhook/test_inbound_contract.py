"""The contract of every way in, for signed webhooks."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from channels.webhook.inbound import WebhookListener
from engine.security.secrets import Secret
from engine.security.signing import load_signing_key, sign
from engine.spi import ChannelContext, SmallState
from engine.testing.channels import InboundContract, Sender
from tests.channels.http.posting import Poster
from tests.channels.http.serving import DOOR, LOOPBACK
from tests.channels.http.wire import post
from tests.channels.webhook.clinic import SHARED


class SigningPlatform(Poster):
    """A platform that signs what it posts."""

    def message(self, control_id: str) -> bytes:
        body = b'{"summary": "fictive"}'
        keys = [load_signing_key(Secret(SHARED))]
        return post(body, headers=sign(keys, message_id=control_id, timestamp=int(time.time()), body=body))


class TestWebhook(InboundContract):
    """A signed webhook keeps what every listener promises."""

    @asynccontextmanager
    async def sender(self, folder: Path) -> AsyncIterator[Sender]:
        verify = {"standard_webhooks": [Secret(SHARED)]}
        platform = SigningPlatform(WebhookListener.model_validate({"webhook": LOOPBACK, "verify": verify}))
        try:
            yield platform
        finally:
            await platform.close()

    def context(self, sender: Sender, folder: Path, state: SmallState) -> ChannelContext:
        return dataclasses.replace(super().context(sender, folder, state), selectors=(DOOR,))
