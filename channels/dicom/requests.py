"""One request of a DIMSE service as it came, and the line by which it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from channels._dicom.commands import Command

PENDING: Final = frozenset({0xFF00, 0xFF01})
"""Statuses after which further responses follow (PS3.7 annex C.1.3)."""

DATA_BYTES: Final = 4 * 1024 * 1024
"""Largest data set of a request that is no instance, in bytes."""


@dataclass(frozen=True, slots=True)
class Request:
    """`data` is the data set (an identifier, a list of attributes) in `transfer_syntax`, b"" where there is none.

    `abstract_syntax` is the SOP class of the presentation context that it came in.
    """

    command: Command
    data: bytes
    transfer_syntax: str
    abstract_syntax: str


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered: `data` is encoded in the request's transfer syntax, `elements` go into the command set."""

    status: int
    data: bytes = b""
    comment: str = ""
    elements: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def is_last(self) -> bool:
        """Whether the request has its answer by it: none that is pending is."""
        return self.status not in PENDING


@dataclass(frozen=True, slots=True)
class EventReport:
    """What is told of an instance by N-EVENT-REPORT (PS3.7 10.1.1)."""

    sop_class: str
    sop_instance: str
    event_type: int
    data: bytes


class Line(Protocol):
    """How one request is answered, from the thread of its association."""

    def cancelled(self) -> bool:
        """Tell whether nobody waits for more: a C-CANCEL came, or the association has ended."""

    def respond(self, response: Response) -> None:
        """Send a response; after the last one the request is answered. What is said to who has gone is lost."""

    def report(self, report: EventReport, *, seconds: float) -> int | None:
        """Send a report on the request's context once it is answered; its status, None for silence."""
