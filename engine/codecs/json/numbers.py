"""Numbers that keep their spelling: `1.50`, `1E5` and `-0` leave as they came.

A binary float would turn 1.50 into 1.5 and 0.1 into something near it; a dose or an amount must not change on its
way. Whole numbers are `int`, everything else is a `Decimal`; the few whose spelling `Decimal` does not, or
might not, keep (`1E5`, `0.0000001`) are a `SpelledDecimal`.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Self

MAX_CHARACTERS = 1_000
MAX_EXPONENT = 1_000
"""Arithmetic and schema checks cost time that grows with the exponent: 1E-9999 takes 10 ms against `multipleOf`."""


_NEAR_NOUGHT = "0.000000"
_NEW = Decimal.__new__


class SpelledDecimal(Decimal):
    """A decimal that reads as it was written; equal to, and counting like, any other of its value."""

    __slots__ = ("_spelling",)
    _spelling: str

    def __new__(cls, spelling: str) -> Self:
        number = super().__new__(cls, spelling)
        number._spelling = spelling
        return number

    def __str__(self) -> str:
        return self._spelling

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return (type(self), (self._spelling,))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class NumberOutOfRange(ValueError):
    """A number is longer, or its exponent larger, than Passerelle reads (RFC 8259 6 lets it set limits)."""


def read_decimal(text: str) -> Decimal:
    """Return the number that a JSON token with a fraction or an exponent spells; NumberOutOfRange."""
    if len(text) > MAX_CHARACTERS:
        raise NumberOutOfRange(f"a number has more than {MAX_CHARACTERS} characters")
    if "e" not in text and "E" not in text:
        number = Decimal(text)
        # what is no nearer to nought prints as it was written
        return number if _NEAR_NOUGHT not in text or str(number) == text else _spelled(text)
    try:
        spelled = _spelled(text)
    except InvalidOperation:
        raise NumberOutOfRange("the exponent of a number is out of range") from None
    if abs(spelled.adjusted()) > MAX_EXPONENT:
        raise NumberOutOfRange("the exponent of a number is out of range")
    return spelled


def _spelled(text: str) -> SpelledDecimal:
    """Make one past the constructor in Python: a body can hold a million of them."""
    number = _NEW(SpelledDecimal, text)
    number._spelling = text
    return number


def read_integer(text: str) -> int | Decimal:
    """Return the number that a JSON token without fraction spells; only `-0` is no int, since its sign would go."""
    return int(text) if text != "-0" else Decimal("-0")
