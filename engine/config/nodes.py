"""The tree of a YAML file: mappings and lists that know where each key and each value was written.

They are `dict` and `list`, so that models validate them as they are; the leaves are `Text`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias, Union

from engine.config.text import Mark, Text

Node: TypeAlias = Union[Text, "MapNode", "ListNode"]
Location: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the root of a tree."""


class MapNode(dict[str, Node]):
    """A mapping; `keys_at` holds where each key stands, `flow` says that it was written in braces."""

    __slots__ = ("flow", "keys_at", "mark")

    def __init__(self, mark: Mark, *, flow: bool = False) -> None:
        super().__init__()
        self.mark = mark
        self.flow = flow
        self.keys_at: dict[str, Mark] = {}

    def put(self, key: str, at: Mark, node: Node) -> None:
        """Set one key and its place."""
        self[key] = node
        self.keys_at[key] = at


class ListNode(list[Node]):
    """A list; `flow` says that it was written in brackets."""

    __slots__ = ("flow", "mark")

    def __init__(self, mark: Mark, *, flow: bool = False) -> None:
        super().__init__()
        self.mark = mark
        self.flow = flow


def child(node: Node, step: str | int) -> tuple[Node, Mark | None] | None:
    """Return what stands at one key or index, and the place of that key or item; None where nothing stands."""
    if isinstance(node, MapNode) and isinstance(step, str):
        return (node[step], node.keys_at[step]) if step in node else None
    if isinstance(node, ListNode) and isinstance(step, int):
        return (node[step], node[step].mark) if step < len(node) else None
    return None


def find(root: Node, location: Sequence[str | int]) -> Node | None:
    """Return the node at `location`, None where there is none."""
    node: Node | None = root
    for step in location:
        found = child(node, step) if node is not None else None
        node = found[0] if found else None
    return node


def nearest(root: Node, location: Sequence[str | int]) -> Node:
    """Return the node at `location`, or the last one on the way to it."""
    node = root
    for step in location:
        found = child(node, step)
        if found:
            node = found[0]
    return node


def locate(root: Node, location: Sequence[str | int]) -> Mark:
    """Return where the value at `location` stands, or what is nearest to it where there is no such value.

    A block mapping or list is shown by its key, everything else by itself. What pydantic puts into a location beside
    keys and indexes (names of union members) is passed over.
    """
    mark, node = root.mark, root
    for step in location:
        if step == "[key]":
            return locate_key(root, location[: list(location).index(step)])
        found = child(node, step)
        if found:
            node, mark = found[0], _place(*found)
    if mark is None:
        raise ValueError("a tree was not read from a file")
    return mark


def locate_key(root: Node, location: Sequence[str | int]) -> Mark:
    """Return where the key at the end of `location` stands, its value's place where it is the index of an item."""
    node: Node = root
    at: Mark | None = None
    for step in location:
        found = child(node, step)
        if found:
            node, at = found
    return at or locate(root, location)


def leaves(root: Node, location: Location = ()) -> Iterator[tuple[Location, Text]]:
    """Give every scalar with its location, in the order of the file."""
    if isinstance(root, MapNode):
        for key, node in root.items():
            yield from leaves(node, (*location, key))
    elif isinstance(root, ListNode):
        for index, node in enumerate(root):
            yield from leaves(node, (*location, index))
    else:
        yield location, root


def _place(node: Node, at: Mark | None) -> Mark | None:
    if isinstance(node, Text):
        return node.mark if node.mark and node.mark.length else at
    return node.mark if node.flow else at
