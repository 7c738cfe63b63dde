"""What an endpoint of type `dicom_query` can be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from channels._dicom.endpoint import DicomEndpoint, DicomEndpointTimeouts
from channels._dicom.titles import AeTitle
from engine.config.models import Address, Count, EndpointConfig, Name, Network, Size


class DicomQueryEndpoint(EndpointConfig):
    """Asks an archive what each message says, in JSON: for what it holds, or to have it brought here.

    A message is `{"level": "study", "match": {"PatientID": "..."}, "return": ["StudyDescription"]}`. What was found is
    the partner's answer: a route with `acknowledge: delivered` gives it to whoever sent the message.
    """

    type: ClassVar[str] = "dicom_query"

    dicom_query: Address
    """The archive's server, `10.12.4.7:104`."""

    ae_title: AeTitle
    """The archive's AE title, which is called."""

    calling: AeTitle = "PASSERELLE"
    """Our own AE title."""

    ask: Literal["find", "move", "get"] = "find"
    """What it is asked for. `find`: matches (C-FIND). `move`: to send the instances to another AE title (C-MOVE).
    `get`: to bring the instances on the association that asks (C-GET)."""

    move_to: AeTitle | None = None
    """AE title that the archive sends to, as it knows it: that of one of our listeners, or a third one's. Needs
    `ask: move`."""

    into: Name | None = None
    """Listener whose routes take what is brought. Needs `ask: get`."""

    results: Count = 1000
    """Most matches of one search; the archive is told to stop at the next one, and the answer says so."""

    largest: Size = 4 * 2**30
    """Largest instance in bytes that is brought."""

    timeouts: DicomEndpointTimeouts = DicomEndpointTimeouts()
    """How long the archive may take."""

    allow_addresses: tuple[Network, ...] = ()
    """Networks that may be connected to although they are loopback, link-local or metadata addresses.

    Loopback needs no mention where the address itself is one.
    """

    @model_validator(mode="after")
    def _knows_where_to(self) -> Self:
        if (self.ask == "move") != (self.move_to is not None):
            raise ValueError("`ask: move` and `move_to` go together")
        if (self.ask == "get") != (self.into is not None):
            raise ValueError("`ask: get` and `into` go together")
        return self

    def listeners(self) -> Mapping[str, str]:
        """Return where what is brought is handed in."""
        return {"into": self.into} if self.into is not None else {}

    def callee(self) -> DicomEndpoint:
        """Return whom to call, as an association needs it."""
        return DicomEndpoint(
            dicom=self.dicom_query,
            ae_title=self.ae_title,
            calling=self.calling,
            tls=self.tls,
            plaintext=self.plaintext,
            timeouts=self.timeouts,
            allow_addresses=self.allow_addresses,
        )
