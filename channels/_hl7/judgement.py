"""What a partner's acknowledgement means for a delivery, whatever it came by: the table of GUARANTEES in one place.

Source: HL7 v2.5.1 2.9.2, 2.9.3, tables 0008 (MSA-1) and 0357 (ERR-3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from engine.codecs.hl7v2.answers import Ack
from engine.errors import Deferred, PasserelleError, Permanent, Rejected, Transient
from engine.model import Fault, Reply

CODES: Final = frozenset({"AA", "AE", "AR", "CA", "CE", "CR"})
ELSE: Final = "else"
_CONTENT: Final = frozenset({"100", "101", "102", "103"})
_THEIRS: Final = frozenset({"206", "207"})


@dataclass(frozen=True, slots=True)
class Action:
    """What a negative answer leads to: `retry`, `hold` for some seconds, `dead`, `fallback` or `delivered`."""

    word: str
    seconds: float = 0.0


Actions = Mapping[str, Mapping[str, Action]]
"""An endpoint's own table: MSA-1, then ERR-3 or `else`, to what is done."""
_NOTHING: Final[Mapping[str, Action]] = MappingProxyType({})
STANDARD: Final[Actions] = MappingProxyType({})


def refusal(ack: Ack, reply: Reply, table: Actions = STANDARD) -> PasserelleError | None:
    """Return what an answer raises, None where it is positive; `reply` is its evidence.

    The endpoint's own table decides first, by the code of ERR-3 and then by MSA-1. Else a code of ERR-3 decides before
    MSA-1: content at fault (100-103) is rejected, trouble at the partner's (206, 207) passes. Else AE and CE are tried
    again, AR and CR rejected. A code that table 0008 lacks is no answer: the outcome is unknown.
    """
    code = ack.code
    if code in ("AA", "CA"):
        return None
    if code not in CODES:
        return Transient(
            "the partner's answer has no code of table 0008", sent=True, code="garbage", reply=reply
        )
    numbers = [error.code for error in ack.errors if error.code]
    acts = table.get(code, _NOTHING)
    chosen = next((acts[number] for number in numbers if number in acts), acts.get(ELSE))
    told = f"the partner answered {code}" + (f" with {_plain(numbers[0])}" if numbers else "")
    if chosen is not None:
        return _acted(chosen, told, _name(code, numbers), reply)
    if any(number in _CONTENT for number in numbers):
        return Rejected(told, faults=_faults(ack), code=_name(code, numbers), reply=reply)
    if any(number in _THEIRS for number in numbers) or code in ("AE", "CE"):
        return Transient(told, code=_name(code, numbers), reply=reply)
    return Rejected(told, faults=_faults(ack), code=_name(code, numbers), reply=reply)


def _acted(action: Action, told: str, code: str, reply: Reply) -> PasserelleError | None:
    if action.word == "delivered":
        return None
    if action.word == "hold":
        return Deferred(told, retry_after=action.seconds, code=code, reply=reply)
    if action.word == "fallback":
        return Permanent(told, code=code, reply=reply)
    if action.word == "dead":
        return Rejected(told, code=code, reply=reply)
    return Transient(told, code=code, reply=reply)


def _faults(ack: Ack) -> tuple[Fault, ...]:
    """Return the places that the partner names; its own words stay in the evidence, since they may hold anything."""
    return tuple(
        Fault(error.location[:40], "the partner refuses this", _plain(error.code))
        for error in ack.errors[:20]
    )


def _name(code: str, numbers: list[str]) -> str:
    return f"{code}_{_plain(numbers[0])}" if numbers else code


def _plain(number: str) -> str:
    """Return a code that may be logged: table 0357 has three digits, and partners write what they like."""
    return number if number.isascii() and number.isalnum() and len(number) <= 8 else "another_code"
