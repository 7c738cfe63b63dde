"""Query/retrieve, as its provider is asked: classes by information model, identifiers, counts of sub-operations.

Source: DICOM PS3.4 C.3 (information models), C.4.1 to C.4.3 (C-FIND, C-MOVE, C-GET); PS3.7 9.1.2 to 9.1.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pydicom.dataset import Dataset

from channels._dicom.commands import C_FIND_RQ, C_GET_RQ, C_MOVE_RQ, Command, number
from channels._dicom.proposing import Proposal
from channels._dicom.requesting import PENDING, Answer, Requestor
from engine.codecs.dicom.encoding import decode, encode
from engine.errors import MalformedMessage, Transient

_CLASSES: Final = "1.2.840.10008.5.1.4.1.2"
FIND: Final = MappingProxyType({"patient": f"{_CLASSES}.1.1", "study": f"{_CLASSES}.2.1"})
MOVE: Final = MappingProxyType({"patient": f"{_CLASSES}.1.2", "study": f"{_CLASSES}.2.2"})
GET: Final = MappingProxyType({"patient": f"{_CLASSES}.1.3", "study": f"{_CLASSES}.2.3"})
"""SOP classes by information model: patient root, study root."""

EXPLICIT: Final = "1.2.840.10008.1.2.1"
IMPLICIT: Final = "1.2.840.10008.1.2"
CANCELLED: Final = 0xFE00
_PRIORITY, _DESTINATION = 0x0700, 0x0600
_REMAINING, _COMPLETED, _FAILED, _WARNING = 0x1020, 0x1021, 0x1022, 0x1023


@dataclass(frozen=True, slots=True)
class Counts:
    """Sub-operations of a C-MOVE or C-GET, as the provider counts them; 0 where it does not say."""

    remaining: int = 0
    completed: int = 0
    failed: int = 0
    warning: int = 0

    @classmethod
    def of(cls, command: Command) -> Counts:
        """Return what a response counts."""
        told = (command.number(element) or 0 for element in (_REMAINING, _COMPLETED, _FAILED, _WARNING))
        return cls(*told)


@dataclass(frozen=True, slots=True)
class End:
    """The last answer: its status, the peer's comment, what was counted, and the instances that failed."""

    status: int
    comment: str
    counts: Counts
    failed: tuple[str, ...] = ()


def proposals(sop_class: str) -> tuple[Proposal, ...]:
    """Return what is proposed to ask in: explicit before implicit VR, little endian."""
    return (Proposal(sop_class, (EXPLICIT, IMPLICIT)),)


def find(
    requestor: Requestor,
    sop_class: str,
    identifier: Dataset,
    *,
    seconds: float,
    wanted: Callable[[Dataset], bool],
) -> End:
    """Search; `wanted` is given each match, and ends the search by returning False (C-CANCEL).

    Raises:
        Transient, Permanent: as `Requestor`; Transient where a match cannot be read.
    """
    goes_on = True
    for answer in _asked(requestor, C_FIND_RQ, sop_class, identifier, seconds=seconds):
        if answer.status not in PENDING:
            return _end(answer)
        if goes_on and not wanted(_decoded(answer)):
            goes_on = False
            requestor.cancel()
    raise Transient("the partner's answers have no end", code="garbage")


def retrieve(
    requestor: Requestor,
    sop_class: str,
    identifier: Dataset,
    *,
    move_to: str,
    seconds: float,
    told: Callable[[Counts], object],
) -> End:
    """Have instances moved to an AE title, or brought on this association where `move_to` is "" (C-GET).

    `told` hears how far it is. Raises as `find`.
    """
    field = C_MOVE_RQ if move_to else C_GET_RQ
    elements = {_DESTINATION: move_to.encode("ascii")} if move_to else {}
    for answer in _asked(requestor, field, sop_class, identifier, seconds=seconds, elements=elements):
        if answer.status not in PENDING:
            return _end(answer)
        told(Counts.of(answer.command))
    raise Transient("the partner's answers have no end", code="garbage")


def _asked(
    requestor: Requestor,
    field: int,
    sop_class: str,
    identifier: Dataset,
    *,
    seconds: float,
    elements: Mapping[int, bytes] = MappingProxyType({}),
) -> Iterator[Answer]:
    syntax = requestor.accepted[requestor.context_for(sop_class)].syntax
    yield from requestor.ask(
        field,
        sop_class,
        data=encode(identifier, syntax),
        syntax=syntax,
        elements={_PRIORITY: number(0), **elements},
        seconds=seconds,
    )


def _decoded(answer: Answer) -> Dataset:
    try:
        return decode(answer.data, answer.syntax)
    except MalformedMessage as error:
        raise Transient("a match of the partner's cannot be read", code="garbage") from error


def _end(answer: Answer) -> End:
    failed: tuple[str, ...] = ()
    if answer.data:
        listed = _decoded(answer).get("FailedSOPInstanceUIDList") or []
        failed = (str(listed),) if isinstance(listed, str) else tuple(map(str, listed))
    return End(answer.status, answer.comment, Counts.of(answer.command), failed)
