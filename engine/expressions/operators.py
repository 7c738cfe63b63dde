"""What operators do to the values of messages: Python's meaning where it is safe, bounded and without surprises.

Two texts that are both RFC 3339 date-times compare as points in time, all other texts as text. A text never
compares with a number: `number(...)` says that it is one. Results have a size limit, so that no message can make a
short expression use much memory or time.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any

from engine.expressions.function import Unsuited
from engine.expressions.instants import comparable, instant
from engine.expressions.kinds import MAX_TEXT, kind_of

ARITHMETIC = Context(
    prec=60,
    rounding=ROUND_HALF_EVEN,
    Emin=-9999,
    Emax=9999,
    traps=[DivisionByZero, InvalidOperation, Overflow],
)
_LARGEST = 10**1000


def equal(left: Any, right: Any) -> bool:
    """`==`: values of two kinds are unequal, never an error."""
    if left == right:
        return True
    left, right = _aligned(left, right)
    return bool(left == right)


def unequal(left: Any, right: Any) -> bool:
    """`!=`."""
    return not equal(left, right)


def _ordering(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def ordered(left: Any, right: Any) -> bool:
        if (
            type(left) is str
            and type(right) is str
            and left[19:] == right[19:]
            and left[10:11] == right[10:11]
        ):
            # two date-times of one offset are in order as texts, and other texts are texts
            return compare(left, right)
        left, right = _aligned(left, right)
        try:
            return compare(left, right)
        except TypeError:
            raise Unsuited(f"{kind_of(left)} cannot be compared with {kind_of(right)}") from None

    return ordered


less = _ordering(operator.lt)
less_or_equal = _ordering(operator.le)
greater = _ordering(operator.gt)
greater_or_equal = _ordering(operator.ge)


def _aligned(left: Any, right: Any) -> tuple[Any, Any]:
    """Return the two operands so that date-times compare as points in time, whichever of them is a text."""
    if type(left) is str:
        if type(right) is str:
            return comparable(left, right)
        if isinstance(right, datetime):
            return instant(left) or left, right
    elif type(right) is str and isinstance(left, datetime):
        return left, instant(right) or right
    return left, right


def within(part: Any, whole: Any) -> bool:
    """`in`: an item of a list, a key of an object, or a part of a text."""
    if isinstance(whole, str) and not isinstance(part, str):
        raise Unsuited(f"{kind_of(part)} cannot be a part of a text")
    if not isinstance(whole, str | list | tuple | Mapping):
        raise Unsuited(f"nothing can be in {kind_of(whole)}")
    if isinstance(whole, Mapping) and not isinstance(part, str):
        return False
    return part in whole


def not_within(part: Any, whole: Any) -> bool:
    """`not in`."""
    return not within(part, whole)


def plus(left: Any, right: Any) -> Any:
    """`+`: two numbers, or two texts one after the other."""
    if isinstance(left, str) and isinstance(right, str):
        if len(left) + len(right) > MAX_TEXT:
            raise Unsuited(f"a text would have more than {MAX_TEXT} characters")
        return left + right
    if type(left) is int and type(right) is int and -_LARGEST < (result := left + right) < _LARGEST:
        return result
    return _calculated(left, right, "added to", int.__add__, ARITHMETIC.add)


def minus(left: Any, right: Any) -> Any:
    """`-`."""
    return _calculated(left, right, "subtracted from", int.__sub__, ARITHMETIC.subtract)


def times(left: Any, right: Any) -> Any:
    """`*`: numbers only, a text is not repeated."""
    return _calculated(left, right, "multiplied with", int.__mul__, ARITHMETIC.multiply)


def divided(left: Any, right: Any) -> Any:
    """`/`: a decimal, never a binary fraction."""
    return _calculated(left, right, "divided by", None, ARITHMETIC.divide)


def floor_divided(left: Any, right: Any) -> Any:
    """`//`: rounds down, also below zero."""
    return _calculated(
        left, right, "divided by", int.__floordiv__, lambda one, other: _floored(one, other)[0]
    )


def remainder(left: Any, right: Any) -> Any:
    """`%`: has the sign of the divisor, as in Python."""
    return _calculated(left, right, "divided by", int.__mod__, lambda one, other: _floored(one, other)[1])


def negated(operand: Any) -> Any:
    """A sign."""
    return minus(0, operand)


def _calculated(
    left: Any,
    right: Any,
    verb: str,
    whole: Callable[[int, int], int] | None,
    fractional: Callable[[Decimal, Decimal], Decimal],
) -> Any:
    if not _is_number(left) or not _is_number(right):
        raise Unsuited(f"{kind_of(left)} and {kind_of(right)} cannot be {verb} each other")
    if right == 0 and verb == "divided by":
        raise Unsuited("a division by zero")
    try:
        if whole is not None and isinstance(left, int) and isinstance(right, int):
            result: int | Decimal = whole(left, right)
            if -_LARGEST < result < _LARGEST:
                return result
        else:
            return fractional(Decimal(left), Decimal(right))
    except (InvalidOperation, Overflow):
        pass
    raise Unsuited("a number is too large")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _floored(left: Decimal, right: Decimal) -> tuple[Decimal, Decimal]:
    """Return quotient and remainder rounded down; Decimal's own round towards zero."""
    quotient, rest = ARITHMETIC.divmod(left, right)
    if rest and (rest < 0) != (right < 0):
        return ARITHMETIC.subtract(quotient, Decimal(1)), ARITHMETIC.add(rest, right)
    return quotient, rest
