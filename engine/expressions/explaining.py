"""Says how an expression was understood: every operation in brackets, every path as its codec reads it."""

from __future__ import annotations

from engine.expressions.nodes import (
    Binary,
    Choice,
    Comparison,
    Items,
    Literal,
    Logic,
    Node,
    Path,
    Unary,
)


def explained(node: Node) -> str:
    """Return the outermost operation without brackets around it."""
    text = _within(node)
    return text[1:-1] if isinstance(node, Binary | Choice | Comparison | Logic | Unary) else text


def _within(node: Node) -> str:
    match node:
        case Literal(value=value):
            text = repr(value) if isinstance(value, str) else str(value)
        case Path(root=root, path=path):
            text = _path(root, "" if path is None else str(path))
        case Items(items=items):
            text = f"[{', '.join(map(explained, items))}]"
        case Unary(operator=operator, operand=operand):
            text = f"({operator} {_within(operand)})"
        case Binary(operator=operator, left=left, right=right):
            text = f"({_within(left)} {operator} {_within(right)})"
        case Comparison(first=first, rest=rest):
            text = (
                f"({_within(first)} {' '.join(f'{operator} {_within(other)}' for operator, other in rest)})"
            )
        case Logic(operator=operator, operands=operands):
            text = f"({f' {operator} '.join(map(_within, operands))})"
        case Choice(condition=condition, chosen=chosen, other=other):
            text = f"({_within(chosen)} if {_within(condition)} else {_within(other)})"
        case _:
            named = (f"{name}={explained(value)}" for name, value in node.named)
            text = f"{node.function.name}({', '.join([*map(explained, node.positional), *named])})"
    return text


def _path(root: str, path: str) -> str:
    if not path:
        return root
    return f"{root}{path}" if path.startswith("[") else f"{root}.{path}"
