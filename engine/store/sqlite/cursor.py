"""How statements are run here: apsw's cursors and connections, whose rows are as our SQL made them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol


class Found(Protocol):
    """What a statement returned: rows as tuples in the order of its columns."""

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Runs(Protocol):
    """A cursor or a connection of apsw."""

    def execute(self, statements: str, bindings: Any = None, /) -> Found: ...

    def executemany(self, statements: str, sequenceofbindings: Iterable[Any], /) -> Found: ...
