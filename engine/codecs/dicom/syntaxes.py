"""How a data set is spelled: what its transfer syntax says of value representations, byte order and compression.

Source: DICOM PS3.5 10 and annex A (2024e); PS3.6 annex A.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
_JPIP_DEFLATED: Final = frozenset({"1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})


@dataclass(frozen=True, slots=True)
class Form:
    """`implicit` data sets do not say their value representations; `little` is the byte order."""

    implicit: bool
    little: bool
    deflated: bool = False


_EXPLICIT: Final = Form(implicit=False, little=True)
_FORMS: Final = {
    IMPLICIT_LITTLE: Form(implicit=True, little=True),
    EXPLICIT_LITTLE: _EXPLICIT,
    EXPLICIT_BIG: Form(implicit=False, little=False),
    DEFLATED: Form(implicit=False, little=True, deflated=True),
    **{uid: Form(implicit=False, little=True, deflated=True) for uid in _JPIP_DEFLATED},
}
META: Final = _EXPLICIT
"""File meta information is always so (PS3.10 7.1)."""


def form_of(transfer_syntax: str) -> Form:
    """Return how data sets of a transfer syntax are spelled.

    Every syntax but those above, known or yet to come, is explicit and little endian (PS3.5 A.4).
    """
    return _FORMS.get(transfer_syntax, _EXPLICIT)
