"""Puts named step lists where they are used: `do: name` becomes the steps of `step_lists: {name: [...]}`."""

from __future__ import annotations

from engine.config.nodes import ListNode, MapNode, Node
from engine.config.plugins import STEP_LIST
from engine.config.suggest import hint
from engine.config.text import Mark, Text
from engine.errors import Problem


def expand_steps(node: Node, lists: MapNode, problems: list[Problem]) -> None:
    """Expand every `steps:` of a route in place; an unknown list, or one that holds itself, is a problem."""
    for key, child in node.items() if isinstance(node, MapNode) else ():
        if key == "steps" and isinstance(child, ListNode):
            child[:] = _expanded(child, lists, (), problems)
        else:
            expand_steps(child, lists, problems)
    for child in node if isinstance(node, ListNode) else ():
        expand_steps(child, lists, problems)


def _expanded(
    steps: ListNode, lists: MapNode, within: tuple[str, ...], problems: list[Problem]
) -> list[Node]:
    expanded: list[Node] = []
    for step in steps:
        name = step.get(STEP_LIST) if isinstance(step, MapNode) and len(step) == 1 else None
        if not isinstance(name, Text):
            expanded.append(step)
        elif name in within:
            _refuse(name.mark, f'the step list "{name}" holds itself', "", problems)
        elif not isinstance(found := lists.get(name), ListNode):
            _refuse(name.mark, f'there is no step list "{name}"', hint(name, lists), problems)
        else:
            expanded.extend(_expanded(found, lists, (*within, str(name)), problems))
    return expanded


def _refuse(mark: Mark | None, message: str, help: str, problems: list[Problem]) -> None:
    if mark:
        problems.append(mark.problem(message, help=help))
