"""What a listener of type `dicom` can be told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar, Self

from pydantic import Field, model_validator

from channels._dicom.titles import AeTitle
from engine.config.models import (
    Address,
    Bool,
    Count,
    Duration,
    EndpointName,
    Group,
    ListenerConfig,
    ListenerLimits,
    Name,
    Size,
    StrictModel,
)

_LEAST_PDU, _MOST_PDU = 2**12, 2**20

MPPS = "mpps"
"""The door of a listener where events of performed procedure steps come."""


class DicomLimits(ListenerLimits):
    """What a DICOM listener takes at once."""

    body: Size = 4 * 2**30
    """Largest instance in bytes, as they arrive; a larger one is refused, and its first 64 KiB are kept with the
    refusal."""

    connections: Count = 16
    """Most associations open at once from one partner, or from one address where no partner is known."""

    associations: Count = 64
    """Most associations open at once from all together; a further one is rejected and may come again."""

    pdu: Size = 2**18
    """Longest piece in which an instance may arrive, from 4 KiB to 1 MiB; senders are told."""

    @model_validator(mode="after")
    def _pieces_are_of_use(self) -> Self:
        if not _LEAST_PDU <= self.pdu <= _MOST_PDU:
            raise ValueError("an instance arrives in pieces of 4 KiB to 1 MiB")
        return self


class DicomListenerTimeouts(StrictModel):
    """How long a sender may take."""

    association: Duration = timedelta(seconds=30)
    """From the connection to the end of its association request."""

    pdu: Duration = timedelta(seconds=30)
    """From the first byte of a piece to its last; also how long it may refuse to read an answer."""

    idle: Duration = timedelta(minutes=2)
    """How long an association is kept on which nothing comes."""


class Commitment(StrictModel):
    """How a listener answers who asks it to commit itself to the storage of instances."""

    reports: dict[AeTitle, EndpointName] = Field(default_factory=dict)
    """Endpoints to report to, by the AE title of who asked: `{CT1: hospital.ct1}`. A report goes out on the association
    of the request while that is open; to who is not listed here, on that one only."""


class DicomListener(ListenerConfig):
    """Takes DICOM instances by C-STORE, and answers C-ECHO; success is said once an instance is durable.

    Every storage class and every transfer syntax is taken as it comes, but for deflated ones.
    """

    type: ClassVar[str] = "dicom"

    dicom: Address
    """Address to listen on, `127.0.0.1:11112`."""

    ae_title: AeTitle = "PASSERELLE"
    """Our AE title; an association that calls another is rejected."""

    callers: dict[AeTitle, Name] = Field(default_factory=dict)
    """AE titles that may call, and the partner that each belongs to; the certificate must be that partner's. Where none
    are given, any may call."""

    commitment: Commitment | None = None
    """Answer requests for storage commitment: what the store holds of this door or this partner is committed to."""

    confirmations: Bool = False
    """Hear partners that commit themselves to the storage of what they were sent (`confirm: storage_commitment`)."""

    limits: DicomLimits = DicomLimits()
    """Limits of this door."""

    timeouts: DicomListenerTimeouts = DicomListenerTimeouts()
    """How long a sender may take."""

    group: Group | None = None
    """Tell routes of a study or a series as a whole, once nothing came of it for a while: the CloudEvent
    `imaging-study-stored`, at the door `study` or `series`."""

    worklist: Name | None = None
    """Name of the worklist that modalities are answered from, as endpoints of type `worklist` keep it."""

    stations: dict[AeTitle, tuple[AeTitle, ...]] = Field(default_factory=dict)
    """AE titles that are answered the steps of certain stations only, and the stations of each: `CT1: [CT1, CT2]`. Who
    is not listed is answered all."""

    mpps: bool = False
    """Take what modalities tell of the steps that they perform, at the door `mpps`: the CloudEvents `imaging-started`,
    `imaging-updated`, `imaging-completed` and `imaging-discontinued`. The steps of the worklist follow."""

    relay: EndpointName | None = None
    """Endpoint (`partner.endpoint`, of type `dicom` or `dicom_query`) of the archive that answers queries (C-FIND, of
    patients and studies) which come here. Each is journalled with who asked; C-CANCEL is passed on."""

    @model_validator(mode="after")
    def _steps_are_of_a_worklist(self) -> Self:
        if self.worklist is None and (self.stations or self.mpps):
            raise ValueError("stations and mpps need the worklist that they are about: `worklist: NAME`")
        return self

    def endpoints(self) -> Mapping[str, str]:
        """Return where reports of storage commitment go, and which archive is asked."""
        reports = self.commitment.reports if self.commitment is not None else {}
        found = {f"commitment.reports.{title}": name for title, name in reports.items()}
        return {**found, "relay": self.relay} if self.relay is not None else found

    def hears_confirmations(self) -> bool:
        """Reports of storage commitment are told apart before any route is asked."""
        return self.confirmations

    def selector_fault(self, selector: str) -> str:
        """Refuse a door within the listener, but those of studies, series and performed steps."""
        if not selector or (self.group is not None and selector == self.group.by):
            return ""
        if selector == MPPS:
            return "" if self.mpps else "a DICOM listener has no door for performed steps without mpps: true"
        told = f'a DICOM listener has no door "{selector}"'
        return f"{told} without group: {{by: {selector}}}" if selector in ("study", "series") else told

    def codec_at(self, selector: str) -> str | None:
        """Read what is told of studies, series and performed steps as JSON."""
        told = selector == MPPS or (self.group is not None and selector == self.group.by)
        return "json" if told else None
