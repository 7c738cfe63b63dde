"""Channel `worklist`: events feed a stored worklist, which modalities ask for through a `dicom` listener.

Orders, appointments and changes of patients are delivered as events; what each of them says is kept until its steps are
past. The same event again, or an older one, does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from engine.config.models import Duration, EndpointConfig, Exposure, Name
from engine.errors import CommitUnknown, Permanent, Rejected, Transient
from engine.model import Attempt, Reply
from engine.spi import ChannelContext, ChannelType, Narrow, Outbound, Told


class WorklistEndpoint(EndpointConfig):
    """Keep a worklist by the events that are delivered: orders, appointments, changes of patients."""

    type: ClassVar[str] = "worklist"

    worklist: Name
    """Name of the worklist; endpoints may share one, `dicom` listeners say which one they answer from."""

    modality: str = ""
    """Modality of steps that say none (`CT`)."""

    station: str = ""
    """AE title of the station of steps that say none."""

    keep: Duration = timedelta(days=30)
    """How long a step is kept after its day."""

    def exposure(self) -> Exposure | None:
        """The engine's own store is on this machine."""
        return None


class WorklistOutbound(Outbound):
    """Lets a worklist learn; `Reply.code` is `learned`, or `known` where that changed nothing."""

    config: WorklistEndpoint

    def __init__(self, config: WorklistEndpoint, context: ChannelContext) -> None:
        super().__init__(config, context)
        house = {"zone": context.zone, "modality": config.modality, "station": config.station}
        self._house = {name: value for name, value in house.items() if value}
        self._keep_ms = round(config.keep.total_seconds() * 1000)

    async def send(self, attempt: Attempt) -> Reply:
        worklists = self.context.worklists
        if worklists is None:
            raise Permanent("this engine keeps no worklists", code="no_worklists")
        told = Told(
            attempt.body.read(),
            attempt.kind,
            attempt.delivery,
            attempt.message_id,
            self._house,
            self._keep_ms,
        )
        try:
            async with asyncio.timeout(attempt.timeout):
                new = await worklists.learn(self.config.worklist, told)
        except TimeoutError as error:
            raise Transient("the store did not answer in time", sent=True, code="timeout") from error
        except CommitUnknown as error:  # it may be learned: saying it again does no harm
            raise Transient("the store cannot say whether it is kept", sent=True, code="unknown") from error
        except Rejected as error:
            raise Rejected(
                str(error), faults=error.faults, code=error.code, reply=Reply(error.code)
            ) from error
        return Reply("learned" if new else "known")

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        worklists = self.context.worklists
        if worklists is None:
            return [("worklist", False, "this engine keeps no worklists")]
        try:
            await worklists.steps(self.config.worklist, Narrow(), limit=1)
        except Transient as error:
            return [("worklist", False, str(error))]
        return [("worklist", True, self.config.worklist)]


CHANNEL = ChannelType("worklist", endpoint=WorklistEndpoint, outbound=WorklistOutbound)
