"""The store's contract for DICOM instances: what it holds of them, and the studies that are told of as a whole.

Part of the contract in `engine.store.protocol`, which gives these names, too. UIDs cross this border as text and are
stored as keyed digests; what can be read of an instance is content, and goes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.model import Body, Gathered

Sought = tuple[str, str]
"""A kind and a text by which a study is looked up (`Instance.sought`)."""

Attributes = Mapping[str, Any]
"""Attributes of an instance, its series and its study, in the DICOM JSON model."""


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """An instance and the message that brought it; `body` is None where it was not asked for."""

    message: int
    message_id: str
    listener: str
    partner: str
    received_ms: int
    size: int
    sha256: bytes
    attributes: Attributes
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A study, a series or an instance: its newest instance speaks for it; how many series and instances there are."""

    newest: InstanceRow
    series: int
    instances: int
    modalities: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GatheringRow:
    """A study or series (`by`) of which nothing has come for a while; `version` says how often it was told of."""

    id: int
    listener: str
    by: str
    revision: int
    version: int
    due_ms: int


class Instances(Protocol):
    """What is held of DICOM instances; of several copies of one SOP Instance UID the newest counts.

    Written in the commit of a message: by `Message.instance`, and by `Message.gathered`, whose commit is refused with
    Conflict where an instance came meanwhile.
    """

    async def held(
        self, level: str, uids: Sequence[str], *, limit: int, offset: int = 0
    ) -> Sequence[InstanceRow]:
        """Return instances with their bodies, of one study or series, or with these UIDs (`level` says of what)."""

    async def summaries(
        self,
        level: str,
        *,
        study: str,
        wanted: Callable[[Held], bool],
        holding: Sequence[bytes] = (),
        among: Sequence[Sought] = (),
        limit: int,
        offset: int = 0,
    ) -> Sequence[Held]:
        """Return studies, series or instances, newest first; `study` "" looks at all of them.

        `wanted` is called in a thread, for each until there are enough, but not for what lacks one of `holding`: bytes
        of the attributes as JSON, which spare reading them. Of what no instance is sought by one of `among` nothing is
        looked at, where that is given.
        """

    async def ripe(self, now_ms: int, limit: int) -> Sequence[GatheringRow]:
        """Return what is to be told of now, the longest waiting first."""

    async def next_ms(self) -> int | None:
        """Return when the next study or series is to be told of, None where nothing waits."""

    async def gathered(self, gathering: int) -> Sequence[InstanceRow]:
        """Return the instances of a gathering without their bodies, in the order in which they came."""

    async def told(self, gathered: Gathered) -> None:
        """End a gathering of which nothing is told; no change where an instance came meanwhile."""
