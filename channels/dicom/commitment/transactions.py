"""Transaction UIDs that say which message they are about: a report is understood after any restart, with nothing kept.

A UID is `2.25.` and a UUID as a number (PS3.5 B.2). Ours is a UUID of version 8, whose 122 free bits hold the 100 bits
of the message's id and 22 of chance, because each request is a transaction of its own (PS3.4 J.3.2.1.1). The first of
these says whether it is about several messages; it names the first of them then.
Source: RFC 9562 5.8 (UUIDv8).
"""

from __future__ import annotations

from collections.abc import Sequence
from secrets import randbits
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Of the engine's ids: Crockford's base32."""

LENGTH: Final = 20
_ROOT: Final = "2.25."
CHANCE_BITS: Final = 22
_SEVERAL: Final = 1 << (CHANCE_BITS - 1)
_ID_BITS: Final = 5 * LENGTH
_LOW: Final = 62
_MIDDLE: Final = 12
_VERSION: Final = 8 << 76
_VARIANT: Final = 2 << _LOW
_FIXED: Final = 0xF << 76 | 3 << _LOW


def transaction_of(message_id: str, chance: int) -> str:
    """Return the UID of a transaction about a message; ValueError where its id is none of this engine's form."""
    if len(message_id) != LENGTH:
        raise ValueError("the message's id has another form")
    value = 0
    for character in message_id:
        value = value << 5 | ALPHABET.index(character)
    value = value << CHANCE_BITS | chance & (1 << CHANCE_BITS) - 1
    low = value & (1 << _LOW) - 1
    middle = value >> _LOW & (1 << _MIDDLE) - 1
    high = value >> (_LOW + _MIDDLE)
    return f"{_ROOT}{high << 80 | _VERSION | middle << 64 | _VARIANT | low}"


def new_transaction(message_ids: Sequence[str]) -> str:
    """Return the UID of a transaction about one message or several."""
    several = _SEVERAL if len(message_ids) > 1 else 0
    return transaction_of(message_ids[0], several | randbits(CHANCE_BITS - 1))


def is_of_several(transaction: str) -> bool:
    """Tell whether a transaction of ours is about several messages."""
    return bool(int(transaction.removeprefix(_ROOT)) & _SEVERAL)


def message_of(transaction: str) -> str:
    """Return the message that a transaction is about, "" where it is none of ours."""
    digits = transaction.removeprefix(_ROOT)
    if digits == transaction or not digits.isdecimal():
        return ""
    number = int(digits)
    if number >> 128 or number & _FIXED != _VERSION | _VARIANT:
        return ""
    low = number & (1 << _LOW) - 1
    middle = number >> 64 & (1 << _MIDDLE) - 1
    value = (number >> 80 << _MIDDLE | middle) << _LOW | low
    value >>= CHANCE_BITS
    return "".join(ALPHABET[value >> shift & 31] for shift in range(_ID_BITS - 5, -5, -5))
