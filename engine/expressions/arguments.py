"""Checks a call when it is compiled: its arguments fit the function, its literals can be right."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches

from engine.errors import ExpressionError
from engine.expressions.function import Function
from engine.expressions.nodes import Call, Literal, Node


def check_arguments(call: Call, known: Mapping[str, Collection[str]]) -> None:
    """Refuse a call whose arguments do not fit the function's parameters, or whose literals cannot be right."""
    function = call.function
    usage = f"write {function.usage}"
    try:
        bound = function.parameters.bind(*call.positional, **dict(call.named))
    except TypeError as error:
        raise ExpressionError(
            f"{function.name}: {error}", offset=call.start, length=call.end - call.start, help=usage
        ) from None
    for name, argument in bound.arguments.items():
        if isinstance(argument, Literal):
            _check_literal(function, name, argument, known)
        elif name in function.literal:
            raise _below(argument, f"{name} must be a literal", usage)


def _check_literal(
    function: Function, name: str, argument: Literal, known: Mapping[str, Collection[str]]
) -> None:
    if name in function.prepare:
        try:
            function.prepare[name](argument.value)
        except ValueError as error:
            raise _below(argument, str(error), "") from None
    parameter, kind = function.refers
    if name == parameter and kind in known and argument.value not in known[kind]:
        names = sorted(known[kind])
        hint = meant(str(argument.value), names) or (
            f"there are {', '.join(names)}" if names else "there are none"
        )
        raise _below(argument, f'there is no {kind} "{argument.value}"', hint)


def _below(node: Node, message: str, help: str) -> ExpressionError:
    return ExpressionError(message, offset=node.start, length=node.end - node.start, help=help)


def meant(word: str, known: Collection[str]) -> str:
    """Return `did you mean "x"?` for the known word closest to `word`, "" when none is close."""
    close = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""
