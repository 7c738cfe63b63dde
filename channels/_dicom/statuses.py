"""What the status of a C-STORE response leads to: delivered, tried again, dead, or the next fallback.

Source: DICOM PS3.4 B.2.3 (storage), PS3.7 9.1.1.1.9 and annex C (statuses of every service).
"""

from __future__ import annotations

from typing import Final

from channels._dicom.requesting import Answer
from engine.errors import PasserelleError, Permanent, Rejected, Transient
from engine.model import Reply

_SUCCESS: Final = 0x0000
_WARNINGS: Final = frozenset({0x0001, 0x0107, 0x0116})
_PERMANENT: Final = {
    0x0118: "no such class",
    0x0122: "the class is not supported",
    0x0124: "we are not authorized",
    0x0211: "the operation is not known",
}
_REJECTED: Final = {
    0x0105: "no such attribute",
    0x0106: "an attribute has an invalid value",
    0x0111: "another instance has this UID",
    0x0117: "the instance is invalid",
    0x0119: "class and instance do not fit",
    0x0120: "an attribute is missing",
    0x0121: "an attribute has no value",
    0x0212: "an argument is mistyped",
}
_FAMILIES: Final = {
    0xA7: "out of resources",
    0xA9: "the data set does not match its class",
    **{0xC0 + each: "the partner cannot understand it" for each in range(16)},
}


def is_warning(status: int) -> bool:
    """Tell whether an instance was stored with a warning (coerced, elements discarded, class mismatch)."""
    return status & 0xF000 == 0xB000 or status in _WARNINGS


def judged(answer: Answer) -> Reply:
    """Return the partner's evidence where it took the instance.

    The reply's code is the status in hexadecimal, its body the partner's comment.

    Raises:
        Transient: A7xx, 0110 and whatever the standard does not list: come again.
        Permanent: this endpoint does not take such instances, or not from us.
        Rejected: A9xx, Cxxx and the like: the instance itself is at fault.
    """
    status = answer.status
    reply = Reply(f"{status:04X}", answer.comment.encode())
    if status == _SUCCESS or is_warning(status):
        return reply
    raise refused(status, reply)


def refused(status: int, reply: Reply) -> PasserelleError:
    """Return what a status that is neither success nor warning means."""
    code = f"{status:04X}"
    family = _FAMILIES.get(status >> 8)
    if status in _PERMANENT:
        return Permanent(f"the partner answers {code}: {_PERMANENT[status]}", code=code, reply=reply)
    if status in _REJECTED:
        return Rejected(f"the partner answers {code}: {_REJECTED[status]}", code=code, reply=reply)
    if family is not None and status >> 8 != 0xA7:
        return Rejected(f"the partner answers {code}: {family}", code=code, reply=reply)
    why = family or ("processing failed" if status == 0x0110 else "a status that is not listed")
    return Transient(f"the partner answers {code}: {why}", code=code, reply=reply)
