"""The groups of a message by the numbers of their segments: as `v2_structure.walk` finds them, nothing cut yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.mapping.rules import PRESENT_CODE, When
from engine.mapping.v2.structure import JOIN, MEMBER, START, Context


class Span:
    """The message, or one item: which of its segments a rule may read, by name, and its groups."""

    __slots__ = ("children", "context", "last", "members")

    def __init__(self, context: Context, last: int) -> None:
        self.context = context
        self.members: dict[str, int] = {}
        self.children: dict[int, list[Span]] | None = None
        self.last = last


def spans(texts: Sequence[str], root: Context, separator: str) -> Span:
    """Return the message as groups of segment numbers; what no rule reads is in none of them."""
    top = node = Span(root, -1)
    open_groups = [top]
    actions = root.actions
    for number, text in enumerate(texts):
        name = text[:3]
        action = actions.get(name)
        if action is None or (text[3:4] != separator and len(text) != 3):
            continue
        ups, kind, argument = action
        if kind == JOIN:
            at, above = argument
            if at > open_groups[-1 - ups].last:
                open_groups[-1 - ups].last, kind, argument = at, MEMBER, name
            else:
                ups, kind, argument = ups + above[0], above[1], above[2]
        if ups:
            del open_groups[-ups:]
            node = open_groups[-1]
        if kind == START:
            child = Span(argument, 0 if argument.members[0] == name else argument.anchors.index(name))
            child.members[name] = number
            if node.children is None:
                node.children = {argument.number: [child]}
            elif (known := node.children.get(argument.number)) is None:
                node.children[argument.number] = [child]
            else:
                known.append(child)
            node = child
            open_groups.append(node)
        elif argument != "" and name not in node.members:
            node.members[name] = number
        actions = node.context.actions
    return top


def take_children(group: Any, x: dict[str, Any], take: Callable[[Any, dict[str, Any], str], None]) -> None:
    """Read the groups of a group (a `Span`, or a `Group`) into its event object; `take` reads one, given its number.

    Groups are numbered in the order in which the mapper has them.
    """
    children = group.children
    for number in sorted(children):
        found = children[number]
        many = found[0].context.many if found else None
        if many is None or (many.when is not None and not holds(many.when, x)):
            continue
        made: Any
        if many.many:
            made = []
            for child in found:
                y: dict[str, Any] = {}
                take(child, y, str(len(made) + 1))
                if y:
                    made.append(y)
        else:
            made = {}
            take(found[0], made, "1")
        if made:
            owner = x
            for key in many.path[:-1]:
                owner = owner.setdefault(key, {})
            owner[many.path[-1]] = made


def holds(when: When, x: Any) -> bool:
    """Say whether a condition holds for an event object."""
    for path, codes in when.tests:
        value = x
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if not (value in codes or (PRESENT_CODE in codes and value is not None)):
            return False
    return True
