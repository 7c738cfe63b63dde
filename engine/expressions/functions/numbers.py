"""Functions on numbers; decimals stay decimals, no binary fraction ever appears."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

from engine.expressions.function import Function, Unsuited
from engine.expressions.kinds import as_text, kind_of

_NUMBER = re.compile(r"\s*[+-]?\d{1,500}(\.\d{1,500})?\s*", re.ASCII)
_ROUNDING = Context(prec=600, rounding=ROUND_HALF_UP)
_MAX_DIGITS = 30


def number(value: Any) -> int | Decimal:
    """Return the number that a text says (`012`, `-1.50`); a number stays as it is, anything else is refused."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return value
    source = as_text(value)
    found = _NUMBER.fullmatch(source)
    if found is None:
        raise Unsuited(f"{kind_of(value) if source else 'an absent value'} is no number here")
    return Decimal(source.strip()) if found[1] else int(source)


def round_(value: Any, digits: Any = 0) -> int | Decimal:
    """Return the number rounded to `digits` decimals, halves away from zero; without decimals a whole number."""
    if not isinstance(digits, int) or not 0 <= digits <= _MAX_DIGITS:
        raise Unsuited(f"round needs 0 to {_MAX_DIGITS} digits")
    exact = Decimal(number(value))
    try:
        rounded = exact.quantize(Decimal(1).scaleb(-digits), context=_ROUNDING)
    except InvalidOperation:
        raise Unsuited("a number is too large to be rounded") from None
    return rounded if digits else int(rounded)


FUNCTIONS = (Function("number", number), Function("round", round_))
