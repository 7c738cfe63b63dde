"""Which acknowledgements a message asks for, in the original and in the enhanced mode.

Source: HL7 v2.5.1 2.9.2 (original mode), 2.9.3 (enhanced mode), 2.15.9.15 and 2.15.9.16 (MSH-15, MSH-16), tables 0008
and 0155.
"""

from __future__ import annotations

from typing import Final, Literal

from engine.codecs.hl7v2.header import Header

Acks = Literal["auto", "original", "enhanced"]

ALWAYS, NEVER, ERRORS, SUCCESS = "AL", "NE", "ER", "SU"
_CONDITIONS: Final = frozenset({ALWAYS, NEVER, ERRORS, SUCCESS})
_COMMIT: Final = {"AA": "CA", "AE": "CE", "AR": "CR"}
_GOOD: Final = frozenset({ALWAYS, SUCCESS})
_BAD: Final = frozenset({ALWAYS, ERRORS})


def conditions(header: Header, acks: Acks) -> tuple[str, str] | None:
    """Return the conditions for commit and application acknowledgements; None means the original mode.

    Where one of MSH-15 and MSH-16 is empty, it means NE; a word that table 0155 does not have is read as AL, since an
    answer too many harms less than one that is missing.
    """
    if acks == "original":
        return None
    accept, application = header.accept_acknowledgement, header.application_acknowledgement
    if not accept and not application and acks == "auto":
        return None
    if acks == "enhanced" and not accept:
        accept = ALWAYS
    return _condition(accept), _condition(application)


def _condition(text: str) -> str:
    word = text.strip().upper()
    if not word or word == '""':
        return NEVER
    return word if word in _CONDITIONS else ALWAYS


def answers(asked: tuple[str, str] | None, code: str, *, kept: bool) -> tuple[str, ...]:
    """Return the codes (MSA-1) to answer with, in order, for what the original mode would answer with `code`.

    `kept` says that the message is durable, though refused: then a commit acknowledgement may be positive, and the
    application tells the refusal; where the sender does not want to hear the application's, the refusal is told by
    the commit acknowledgement, so that nobody believes a message delivered that was refused.
    """
    if asked is None:
        return (code,)
    accept, application = asked
    if code == "AA":
        commit = ("CA",) if accept in _GOOD else ()
        return (*commit, "AA") if application in _GOOD else commit
    if kept and application in _BAD:
        return ("CA", code) if accept in _GOOD else (code,)
    if accept in _BAD:
        return (_COMMIT[code],)
    return (code,) if application in _BAD else ()


def awaits_application(header: Header, acks: Acks) -> bool:
    """Tell whether an application acknowledgement follows the partner's positive commit acknowledgement."""
    asked = conditions(header, acks)
    if asked is None:
        return False
    return asked[1] in _GOOD or (acks == "enhanced" and not header.application_acknowledgement)


def answered_when_good(header: Header, acks: Acks) -> bool:
    """Tell whether the partner says anything at all where all goes well."""
    asked = conditions(header, acks)
    return asked is None or acks == "enhanced" or asked[0] in _GOOD or asked[1] in _GOOD


def answered_when_bad(header: Header, acks: Acks) -> bool:
    """Tell whether the partner says anything at all where something goes wrong."""
    asked = conditions(header, acks)
    return asked is None or acks == "enhanced" or asked[0] in _BAD or asked[1] in _BAD
