"""What a sender of instances is told: statuses of C-STORE, and the form in which they are stored beside a message.

Source: DICOM PS3.4 B.2.3 and PS3.7 9.1.1.1.9 and annex C (statuses).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.model import Disposition, Fault, Verdict

SUCCESS: Final = 0x0000
PROCESSING_FAILURE: Final = 0x0110
INVALID_INSTANCE: Final = 0x0117
CLASS_NOT_SUPPORTED: Final = 0x0122
OUT_OF_RESOURCES: Final = 0xA700
CANNOT_UNDERSTAND: Final = 0xC000
_COMMENT_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """The status of one C-STORE response; `comment` is Error Comment (0000,0902), at most 64 characters."""

    status: int
    comment: str = ""

    def stored(self) -> bytes:
        """Return the form that is stored and replayed: four hexadecimal digits, then the comment."""
        return f"{self.status:04X} {self.comment}".rstrip().encode("ascii")

    @staticmethod
    def of(reply: bytes) -> Answer:
        """Return the answer of a stored form."""
        status, _, comment = reply.decode("ascii").partition(" ")
        return Answer(int(status, 16), comment)


BUSY: Final = Answer(OUT_OF_RESOURCES, "come again later")
FAILED: Final = Answer(PROCESSING_FAILURE, "the instance could not be handled")
NO_ROUTE: Final = Answer(CANNOT_UNDERSTAND, "no route takes instances here")


def fault(status: int, path: str, text: str) -> Fault:
    """Return what the channel itself holds against an instance, to be answered by `status`."""
    return Fault(path, text, f"{status:04X}")


class Statuses:
    """The exchange of one instance."""

    def reply(self, verdict: Verdict) -> bytes:
        """Return the stored form of the status that this verdict means."""
        if verdict.disposition is not Disposition.REFUSED:
            return Answer(SUCCESS).stored()
        first = verdict.faults[0] if verdict.faults else Fault("", "the instance is refused")
        return Answer(_status_of(first), _comment_of(first)).stored()


def _status_of(found: Fault) -> int:
    own = (PROCESSING_FAILURE, INVALID_INSTANCE, CLASS_NOT_SUPPORTED, CANNOT_UNDERSTAND)
    return next((status for status in own if found.code == f"{status:04X}"), CANNOT_UNDERSTAND)


def _comment_of(found: Fault) -> str:
    text = f"{found.path}: {found.text}" if found.path else found.text
    plain = "".join(character if " " <= character <= "~" and character != "\\" else "?" for character in text)
    return plain[:_COMMENT_MAX].rstrip()
