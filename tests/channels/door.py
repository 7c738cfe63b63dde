"""A listener that serves within a test: where it listens, what it handed in, and what it counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import anyio

from engine.spi import Inbound
from engine.testing.channels import CountedInMemory, RecordingIntake

LIMIT: Final = 30.0
Channel = TypeVar("Channel", bound=Inbound)


@dataclass(frozen=True, slots=True)
class Door(Generic[Channel]):
    """What a test sees of the listener; `address` is where it listens, as it told."""

    address: str
    intake: RecordingIntake
    channel: Channel
    counted: CountedInMemory

    def events(self, event: str) -> float:
        """Return how often the listener counted something."""
        return self.counted.total("channel_events", channel=self.channel.context.name, event=event)

    async def until(self, event: str) -> None:
        """Return once the listener counted something; TimeoutError when it does not."""
        name = self.channel.context.name
        await self.counted.until("channel_events", seconds=LIMIT, channel=name, event=event)


@asynccontextmanager
async def opened(
    channel: Channel, counted: CountedInMemory, intake: RecordingIntake | None
) -> AsyncIterator[Door[Channel]]:
    """Serve a channel that counts into `counted`; cancelled on leaving."""
    script = intake or RecordingIntake()
    async with anyio.create_task_group() as group:
        address = await group.start(channel.serve, script)
        yield Door(address, script, channel, counted)
        group.cancel_scope.cancel()
