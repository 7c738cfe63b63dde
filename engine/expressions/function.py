"""What a published function is, and how it says that its arguments do not fit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

Prepare = Callable[[Any], Any]


class Unsuited(ValueError):
    """A value does not fit where it stands; the text names kinds of values, never a value."""


@dataclass(frozen=True, slots=True)
class Function:
    """A pure function that expressions may call; its docstring is its reference.

    `scoped` functions get the scope as their first argument, which expressions do not see. `prepare` maps a parameter
    to what checks a literal argument once, at compile time, raising ValueError; the function is then called with
    what it returned. `literal` parameters take nothing but literals. `refers` is (parameter, kind of thing): its
    literal is looked up among the names of that kind.
    """

    name: str
    call: Callable[..., Any]
    scoped: bool = False
    prepare: Mapping[str, Prepare] = field(default_factory=lambda: MappingProxyType({}))
    literal: frozenset[str] = frozenset()
    refers: tuple[str, str] = ("", "")

    @property
    def parameters(self) -> inspect.Signature:
        """The parameters as expressions see them."""
        return _visible(self.call, 1 if self.scoped else 0)

    @property
    def usage(self) -> str:
        """How it is written: `table(name, key, miss='error')`."""
        shown = []
        for parameter in self.parameters.parameters.values():
            text = f"*{parameter.name}" if parameter.kind is parameter.VAR_POSITIONAL else parameter.name
            if parameter.default is not parameter.empty:
                text += f"={parameter.default!r}"
            shown.append(text)
        return f"{self.name}({', '.join(shown)})"


@cache
def _visible(call: Callable[..., Any], hidden: int) -> inspect.Signature:
    signature = inspect.signature(call)
    return signature.replace(parameters=list(signature.parameters.values())[hidden:])
