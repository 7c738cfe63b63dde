"""The tree that an expression is parsed into: our own, so that nothing but these few forms can ever be compiled."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from engine.expressions.function import Function
from engine.spi import CompiledPath

Constant = str | int | Decimal | bool | None


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the text."""

    start: int
    end: int
    value: Constant


@dataclass(frozen=True, slots=True)
class Path:
    """What is read from one of the names: `path` is None for the bare name."""

    start: int
    end: int
    root: str
    text: str
    path: CompiledPath | None


@dataclass(frozen=True, slots=True)
class Items:
    """A list or a tuple."""

    start: int
    end: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`not` or a sign."""

    start: int
    end: int
    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, or two texts put together."""

    start: int
    end: int
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Comparison:
    """`first op second op third`: holds if each pair does."""

    start: int
    end: int
    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Logic:
    """`and` or `or` over two or more operands; gives the operand that decided, as Python does."""

    start: int
    end: int
    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`chosen if condition else other`."""

    start: int
    end: int
    condition: Node
    chosen: Node
    other: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A published function; `positional` in the order of its parameters, `named` by their names."""

    start: int
    end: int
    function: Function
    positional: tuple[Node, ...]
    named: tuple[tuple[str, Node], ...]


Node = Literal | Path | Items | Unary | Binary | Comparison | Logic | Choice | Call


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below, in the order in which they stand in the text (a choice apart)."""
    match node:
        case Items(items=items):
            return items
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case Comparison(first=first, rest=rest):
            return (first, *(operand for _, operand in rest))
        case Logic(operands=operands):
            return operands
        case Choice(condition=condition, chosen=chosen, other=other):
            return (chosen, condition, other)
        case Call(positional=positional, named=named):
            return (*positional, *(argument for _, argument in named))
    return ()


def paths(node: Node) -> tuple[Path, ...]:
    """Return every path below and at `node`, in the order of the text."""
    if isinstance(node, Path):
        return (node,)
    return tuple(path for child in children(node) for path in paths(child))
