"""Storage commitment as it is said: what is asked for in one transaction, and what is reported of it.

Source: DICOM PS3.4 annex J (Storage Commitment Push Model), J.3.2 (N-ACTION), J.3.3 (N-EVENT-REPORT), PS3.3 C.14.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from channels._dicom.commands import is_uid
from engine.codecs.dicom.encoding import decode, encode
from engine.errors import MalformedMessage

COMMITMENT: Final = "1.2.840.10008.1.20.1"
WELL_KNOWN: Final = "1.2.840.10008.1.20.1.1"
"""The one SOP instance of the service."""

REQUEST: Final = 1
"""Action type of a request."""

ALL_COMMITTED, SOME_FAILED = 1, 2
"""Event types of a report."""

PROCESSING_FAILURE: Final = 0x0110
NO_SUCH_INSTANCE: Final = 0x0112
CLASS_CONFLICT: Final = 0x0119
REFERENCES_MAX: Final = 20_000

_TRANSACTION, _FAILED, _REFERENCED = 0x00081195, 0x00081198, 0x00081199
_CLASS, _INSTANCE, _REASON = 0x00081150, 0x00081155, 0x00081197


@dataclass(frozen=True, slots=True)
class Reference:
    """One instance, by its class and its UID."""

    sop_class: str
    sop_instance: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a transaction: what is committed to, and why (PS3.3 C.14.1.1) the rest is not."""

    transaction: str
    committed: Sequence[Reference]
    failed: Mapping[Reference, int]

    @property
    def event_type(self) -> int:
        return SOME_FAILED if self.failed else ALL_COMMITTED


def write_request(transaction: str, references: Sequence[Reference], syntax: str) -> bytes:
    """Return the action information of a request."""
    made = Dataset()
    made.TransactionUID = transaction
    made.ReferencedSOPSequence = DicomSequence([_item(each) for each in references])
    return encode(made, syntax)


def read_request(data: bytes, syntax: str) -> tuple[str, tuple[Reference, ...]]:
    """Return transaction and instances of a request; MalformedMessage where it is none."""
    made = decode(data, syntax)
    references = tuple(_reference(item) for item in _items(made, _REFERENCED))
    if not references:
        raise MalformedMessage("a request for commitment without an instance")
    return _transaction(made), references


def write_report(report: Report, syntax: str) -> bytes:
    """Return the event information of a report."""
    made = Dataset()
    made.TransactionUID = report.transaction
    if report.committed:
        made.ReferencedSOPSequence = DicomSequence([_item(each) for each in report.committed])
    if report.failed:
        failed = []
        for reference, reason in report.failed.items():
            item = _item(reference)
            item.FailureReason = reason
            failed.append(item)
        made.FailedSOPSequence = DicomSequence(failed)
    return encode(made, syntax)


def read_report(data: bytes, syntax: str) -> Report:
    """Return what a report says; MalformedMessage where it is none."""
    made = decode(data, syntax)
    failed = {
        _reference(item): int(item[_REASON].value if _REASON in item else PROCESSING_FAILURE)
        for item in _items(made, _FAILED)
    }
    committed = tuple(_reference(item) for item in _items(made, _REFERENCED))
    return Report(_transaction(made), committed, failed)


def _item(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = reference.sop_class
    item.ReferencedSOPInstanceUID = reference.sop_instance
    return item


def _items(made: Dataset, tag: int) -> Sequence[Dataset]:
    found = made[tag].value if tag in made else ()
    if len(found) > REFERENCES_MAX:
        raise MalformedMessage(f"more than {REFERENCES_MAX} instances in one transaction")
    return list(found)


def _reference(item: Dataset) -> Reference:
    found = Reference(
        str(item[_CLASS].value if _CLASS in item else ""),
        str(item[_INSTANCE].value if _INSTANCE in item else ""),
    )
    if not (is_uid(found.sop_class) and is_uid(found.sop_instance)):
        raise MalformedMessage("an instance of a transaction without its UIDs")
    return found


def _transaction(made: Dataset) -> str:
    transaction = str(made[_TRANSACTION].value if _TRANSACTION in made else "")
    if not is_uid(transaction):
        raise MalformedMessage("a transaction without a UID")
    return transaction
