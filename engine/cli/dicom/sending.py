"""Sends instances through the channel as the engine does, over a few associations side by side."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.cli.dicom.reaching import opened
from engine.errors import PasserelleError, Permanent, Rejected, Transient
from engine.model import Attempt, Body
from engine.spi import ChannelContext, Outbound

_CONTENT_TYPE = "application/dicom"


@dataclass(slots=True)
class Sent:
    """What came of it: instances by status, and what was not stored with the reason."""

    codes: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[Path, str]] = field(default_factory=list)
    octets: int = 0

    @property
    def count(self) -> int:
        return self.codes.total()

    @property
    def well(self) -> bool:
        """Whether every instance was stored."""
        return not self.failures


async def send_all(
    config: Any,
    context: ChannelContext,
    paths: Sequence[Path],
    *,
    connections: int,
    timeout: float,
    told: Callable[[], None],
) -> Sent:
    """Send each file once; `timeout` is in seconds for each."""
    sent = Sent()
    left = iter(enumerate(paths, start=1))
    async with opened(config, context) as outbound, asyncio.TaskGroup() as group:
        for _ in range(min(connections, len(paths))):
            group.create_task(_work(outbound, context, left, sent, timeout, told))
    return sent


async def _work(
    outbound: Outbound,
    context: ChannelContext,
    left: Iterator[tuple[int, Path]],
    sent: Sent,
    timeout: float,
    told: Callable[[], None],
) -> None:
    for number, path in left:
        try:
            size = path.stat().st_size
            body = Body(size, b"", None, path, _CONTENT_TYPE)
            attempt = Attempt(number, context.new_id(), 1, context.name, body, _CONTENT_TYPE, timeout)
            reply = await outbound.send(attempt)
            sent.codes[reply.code] += 1
            sent.octets += size
        except (Transient, Permanent, Rejected) as error:
            sent.codes[error.code] += 1
            sent.failures.append((path, str(error)))
        except (PasserelleError, OSError) as error:
            sent.codes["unreadable"] += 1
            sent.failures.append((path, str(error)))
        told()
