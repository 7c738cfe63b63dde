"""Source of generated functions: lines with their depth, and the constants that they name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class Expression(str):
    """Source that yields a text, among texts that are meant as they are."""

    __slots__ = ()


def joined(parts: Iterable[str]) -> str:
    """Return the expression of several texts, one behind the other."""
    found: list[str] = []
    for part in parts:
        if found and not isinstance(part, Expression) and not isinstance(found[-1], Expression):
            found[-1] += part
        else:
            found.append(part)
    told = list(map(shown, found))
    return told[0] if len(told) == 1 else f"''.join(({', '.join(told)},))"


def shown(part: str) -> str:
    """Return the source of a text."""
    return str(part) if isinstance(part, Expression) else repr(part)


class Code:
    """Collects the source of several functions and compiles them in one namespace."""

    def __init__(self, **names: Any) -> None:
        self.names: dict[str, Any] = dict(names)
        self._lines: list[str] = []
        self._depth = 0
        self._ids: dict[int, str] = {}
        self._count = 0

    def line(self, text: str) -> None:
        """Add one line at the present depth."""
        self._lines.append("    " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add a head and what is added meanwhile below it; an empty block is left out."""
        at = len(self._lines)
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1
        if len(self._lines) == at + 1:
            del self._lines[at]

    def constant(self, value: Any) -> str:
        """Return the name by which the generated source reads `value`."""
        name = self._ids.get(id(value))
        if name is None:
            name = self.fresh("k")
            self._ids[id(value)] = name
            self.names[name] = value
        return name

    def fresh(self, prefix: str) -> str:
        """Return a name that nothing has yet."""
        self._count += 1
        return f"{prefix}{self._count}"

    @property
    def size(self) -> int:
        """How many lines there are."""
        return len(self._lines)

    def flushed(self, name: str) -> Callable[[str], Any]:
        """Compile what was collected, as `compiled` does, and begin anew; constants keep their names."""
        find = self.compiled(name)
        self.drop()
        return find

    def drop(self) -> None:
        """Forget what was collected since it was compiled last."""
        self._lines.clear()
        self._depth = 0

    def source(self) -> str:
        """Return what was collected."""
        return "\n".join(self._lines) + "\n"

    def compiled(self, name: str) -> Callable[[str], Any]:
        """Compile, and return the look-up of a generated function by its name."""
        exec(compile(self.source(), f"<mapper {name}>", "exec"), self.names)  # noqa: S102  # the source is made here, of checked rules: names come as repr()
        return self.names.__getitem__
