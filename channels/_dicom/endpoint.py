"""What an endpoint of type `dicom` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Literal

from channels._dicom.titles import AeTitle
from engine.config.models import Address, Duration, EndpointConfig, Network, StrictModel


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: for the connection with its TLS, for the answer to the association request, and for one PDU."""

    connect: float = 10.0
    association: float = 30.0
    pdu: float = 30.0


class DicomEndpointTimeouts(StrictModel):
    """How long the partner may take; all together at most the endpoint's `timeout`."""

    connect: Duration = timedelta(seconds=10)
    """For opening a connection with its TLS."""

    association: Duration = timedelta(seconds=30)
    """For answering an association request."""

    pdu: Duration = timedelta(seconds=30)
    """From the first byte of a piece to its last; also how long it may refuse to read one of ours."""

    reply: Duration = timedelta(seconds=60)
    """For answering an instance, from its last byte."""

    idle: Duration = timedelta(seconds=20)
    """How long an association is kept on which nothing is sent."""

    def seconds(self) -> Timeouts:
        """Return what an association takes of it."""
        return Timeouts(
            self.connect.total_seconds(), self.association.total_seconds(), self.pdu.total_seconds()
        )


class DicomEndpoint(EndpointConfig):
    """Sends DICOM instances by C-STORE, each in its own transfer syntax; the partner's status decides what follows."""

    type: ClassVar[str] = "dicom"

    dicom: Address
    """The partner's server, `10.12.4.7:104`."""

    ae_title: AeTitle
    """The partner's AE title, which is called."""

    calling: AeTitle = "PASSERELLE"
    """Our own AE title."""

    priority: Literal["low", "medium", "high"] = "medium"
    """How urgent the partner is told that our instances are."""

    confirm: Literal["none", "storage_commitment"] = "none"
    """`storage_commitment` asks the partner to commit itself to the storage of each instance: it is delivered once the
    partner says so, on the same association or to a listener with `confirmations: true`, and sent again where it does
    not."""

    timeouts: DicomEndpointTimeouts = DicomEndpointTimeouts()
    """How long the partner may take."""

    allow_addresses: tuple[Network, ...] = ()
    """Networks that may be connected to although they are loopback, link-local or metadata addresses.

    Loopback needs no mention where the address itself is one.
    """

    def may_confirm_later(self) -> bool:
        """A success of C-STORE may not be the last word."""
        return self.confirm == "storage_commitment"
