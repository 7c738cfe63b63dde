"""What happens when an expression meets a value that does not fit: the message is refused, naming path and place."""

from __future__ import annotations

from itertools import islice
from types import CodeType

from engine.errors import Rejected
from engine.expressions.function import Unsuited
from engine.expressions.nodes import Node, paths
from engine.model import Fault


class ExpressionFailed(Rejected):
    """An expression could not be evaluated on this message.

    `offset` and `length` are the part of the expression that failed; its texts quote the expression, never a value.
    """

    def __init__(self, message: str, *, path: str, offset: int, length: int) -> None:
        super().__init__(message, faults=(Fault(path, message, "expression"),), code="expression")
        self.offset = offset
        self.length = length


def failure(error: Exception, code: CodeType, text: str, nodes: tuple[Node, ...]) -> ExpressionFailed:
    """Return the error for `error`, which the function of `code` met; `text` is what was compiled to it."""
    start, end = _place(error, code) or (0, len(text))
    inside = [path for node in nodes for path in paths(node) if start <= path.start and path.end <= end]
    part = text[start:end]
    shown = part if len(part) <= 80 else f"{part[:80]}..."
    return ExpressionFailed(
        f"{_reason(error)}: {shown}",
        path=inside[0].text if inside else "",
        offset=start,
        length=max(1, end - start),
    )


def _reason(error: Exception) -> str:
    """Say what is wrong; Python's own texts may quote a value, so only ours are passed on."""
    if isinstance(error, Unsuited):
        return str(error)
    return "the values do not fit here"


def _place(error: Exception, code: CodeType) -> tuple[int, int] | None:
    """Return where in the text the instruction stands that raised; None where Python keeps no columns."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code is not code:
        trace = trace.tb_next
    if trace is None:
        return None
    _, _, start, end = next(islice(code.co_positions(), trace.tb_lasti // 2, None))
    return None if start is None or end is None else (start, end)
