"""What is agreed on with a sender: storage of every class in the transfer syntax that it proposes, and verification.

Source: DICOM PS3.8 7.1.1.13 and annex B, PS3.4 annex B (storage), PS3.6 annex A (UIDs), PS3.5 annex A.5 (deflate).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import Final

from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import _STORAGE_CLASSES

VERIFICATION: Final = "1.2.840.10008.1.1"
_STORAGE_ROOT: Final = "1.2.840.10008.5.1.4.1.1."
_SYNTAX_ROOT: Final = "1.2.840.10008.1.2."
_DICOM_ROOT: Final = "1.2.840.10008."
_DEFLATED: Final = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
"""Deflated data sets: 400 kB of them may become a gigabyte wherever they are opened."""


@cache
def _classes() -> frozenset[str]:
    return frozenset(str(uid) for uid in _STORAGE_CLASSES.values())


def is_storage(uid: str) -> bool:
    """Tell whether an abstract syntax is a storage class: a listed, a retired or a private one."""
    return uid in _classes() or uid.startswith(_STORAGE_ROOT) or not uid.startswith(_DICOM_ROOT)


def is_taken(syntax: str) -> bool:
    """Tell whether instances of a transfer syntax are taken: all that DICOM defines, but the deflated ones."""
    return f"{syntax}.".startswith(_SYNTAX_ROOT) and syntax not in _DEFLATED


def supported(
    proposed: Iterable[PresentationContext], services: Collection[str] = ()
) -> list[PresentationContext]:
    """Return what this side supports of what a sender proposes, transfer syntaxes in the sender's order.

    So what a sender names first is agreed on: it is how it has its objects, and none is ever changed on the way.
    `services` are the classes that are served beside storage: in any syntax that is not compressed, in either role.
    """
    found: dict[UID, list[UID]] = {}
    for context in proposed:
        abstract = context.abstract_syntax
        if abstract is None or not (abstract == VERIFICATION or abstract in services or is_storage(abstract)):
            continue
        known = found.setdefault(abstract, [])
        taken = _is_plain if abstract in services else is_taken
        known += [uid for uid in context.transfer_syntax if taken(uid) and uid not in known]
    # where none is taken, naming one that was not proposed makes the refusal say what is refused: the syntax
    return [
        _context(abstract, syntaxes or [ImplicitVRLittleEndian], either_role=abstract in services)
        for abstract, syntaxes in found.items()
    ]


def _is_plain(syntax: str) -> bool:
    return syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


def _context(abstract: UID, syntaxes: list[UID], *, either_role: bool) -> PresentationContext:
    context = PresentationContext()
    if either_role:  # who reports a storage commitment on an association of its own is the service's provider
        context.scu_role = context.scp_role = True
    context.abstract_syntax = abstract
    context.transfer_syntax = [*syntaxes]
    return context
