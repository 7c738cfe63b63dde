"""`memory` while a message is routed: what partners' answers taught of its ordering key, read only when asked for.

Routing is pure CPU work and the store is read asynchronously. So a first run that asks notes the key and finds
nothing, and the store is asked. Where it knows nothing either the plan stands, else the message is routed once more.
Routes that do not ask pay nothing, and no route does while none of the configuration remembers anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Known = Mapping[str, Mapping[str, str]]
"""What was read of the store so far, by ordering key."""


class Recalling(dict[str, str]):
    """The values of one message's ordering key; `wanted` gets the key when it is asked for before it was read."""

    def __init__(self, key: Callable[[], str], known: Known, wanted: set[str]) -> None:
        super().__init__()
        self._key = key
        self._known = known
        self._wanted = wanted

    def __missing__(self, name: str) -> str:
        key = self._key()
        found = self._known.get(key)
        if found is None:
            if key:
                self._wanted.add(key)
            raise KeyError(name)
        return found[name]
