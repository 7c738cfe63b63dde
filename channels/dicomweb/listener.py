"""What a listener of type `dicomweb` can be told."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from channels._http.listener import HttpListenerConfig, HttpTimeouts
from engine.config.models import (
    Address,
    Count,
    Duration,
    Group,
    ListenerLimits,
    Many,
    Name,
    Secret,
    Size,
    matching,
)

Root = Annotated[
    str,
    matching("a path", "write /dicom-web, or nothing", r"(?:/[A-Za-z0-9._~-]+){0,8}"),
]


class DicomWebLimits(ListenerLimits):
    """What a DICOMweb listener takes and gives at once."""

    body: Size = 4 * 2**30
    """Largest instance in bytes, as they arrive; a larger one is refused, and its first 64 KiB are kept with the
    refusal."""

    request: Size = 64 * 2**30
    """Largest request in bytes: many instances may come in one."""

    instances: Count = 10_000
    """Most instances in one request, and most that are given in one answer."""

    results: Count = 1000
    """Most results of one search; who asks for more pages by `offset`."""


class DicomWebTimeouts(HttpTimeouts):
    """How long a sender may take before it is cut off."""

    body: Duration = timedelta(minutes=30)
    """From the end of the head to the end of the body; also how long a reader may refuse to read a piece of its
    answer."""


class DicomWebListener(HttpListenerConfig):
    """Takes DICOM instances by STOW-RS, and gives out what the store still holds: QIDO-RS and WADO-RS.

    Each instance is a message of its own; the answer comes once all of them are durable.
    """

    type: ClassVar[str] = "dicomweb"

    dicomweb: Address
    """Address to listen on, `127.0.0.1:8042`."""

    root: Root = ""
    """Path before `/studies`, for callers that expect one: `/dicom-web`."""

    read: Annotated[tuple[Name, ...], *Many] = ()
    """Partners that may search and fetch what the store holds; nobody where none is named. Each answer is journalled
    with who got what before it is given."""

    tokens: dict[Name, Secret] = Field(default_factory=dict)
    """Bearer token of each partner that cannot show a certificate. Where there are tokens, nobody comes in without
    one, except by a certificate that belongs to a partner."""

    limits: DicomWebLimits = DicomWebLimits()
    """Limits of this door."""

    timeouts: DicomWebTimeouts = DicomWebTimeouts()
    """How long slow senders are borne."""

    group: Group | None = None
    """Tell routes of a study or a series as a whole, once nothing came of it for a while: the CloudEvent
    `imaging-study-stored`, at the door `study` or `series`."""

    def selector_fault(self, selector: str) -> str:
        """Refuse a door within the listener, but the one where studies or series come as a whole."""
        if not selector or (self.group is not None and selector == self.group.by):
            return ""
        told = f'a DICOMweb listener has no door "{selector}"'
        return f"{told} without group: {{by: {selector}}}" if selector in ("study", "series") else told

    def codec_at(self, selector: str) -> str | None:
        """Read what is told of studies and series as JSON."""
        return "json" if self.group is not None and selector == self.group.by else None
