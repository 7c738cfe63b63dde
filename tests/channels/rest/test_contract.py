"""The contract of every way in, over plain HTTP on loopback."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from channels.rest import RestListener
from engine.spi import ChannelContext, SmallState
from engine.testing.channels import InboundContract, Sender
from tests.channels.http.posting import Poster
from tests.channels.http.serving import DOOR, LOOPBACK
from tests.channels.http.wire import post


class Platform(Poster):
    """A platform that names its messages by Idempotency-Key."""

    def message(self, control_id: str) -> bytes:
        return post(b'{"summary": "fictive"}', headers={"Idempotency-Key": control_id})


class TestRest(InboundContract):
    """REST keeps what every listener promises."""

    @asynccontextmanager
    async def sender(self, folder: Path) -> AsyncIterator[Sender]:
        platform = Platform(RestListener(rest=LOOPBACK))
        try:
            yield platform
        finally:
            await platform.close()

    def context(self, sender: Sender, folder: Path, state: SmallState) -> ChannelContext:
        return dataclasses.replace(super().context(sender, folder, state), selectors=(DOOR,))
