"""Source of generated functions: lines with their depth, and the constants that they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


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

    def source(self) -> str:
        """Return what was collected."""
        return "\n".join(self._lines) + "\n"

    def compiled(self, name: str) -> Callable[[str], Any]:
        """Compile, and return the look-up of a generated function by its name."""
        exec(compile(self.source(), f"<mapper {name}>", "exec"), self.names)  # noqa: S102  # the source is made here, of checked rules: names come as repr()
        return self.names.__getitem__
