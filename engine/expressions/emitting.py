"""Turns our tree into one Python function, so that a message costs about a microsecond per expression.

No text that a user wrote is ever given to `eval`, `exec` or the Python parser: a filter over Python's own tree must
know every dangerous form of every Python version, and has been escaped from again and again. Here the direction is
the other one: only the forms of `nodes` exist, and each gives syntax nodes that are written down in this file, whose
names are bound in a namespace without builtins. What cannot be said in the grammar cannot be compiled.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from decimal import Decimal
from types import CodeType, FunctionType
from typing import Any

from engine.expressions import operators
from engine.expressions.instants import ordering_key
from engine.expressions.kinds import as_text, bounded, storable
from engine.expressions.nodes import (
    Binary,
    Call,
    Choice,
    Comparison,
    Items,
    Literal,
    Logic,
    Node,
    Path,
    Unary,
)
from engine.spi import Scope

FAILURES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a value that does not fit can raise; anything else is a bug and must show as one."""

_PARTNERS = frozenset({"partner", "sender"})
_COMPARISONS = {
    "==": "equal",
    "!=": "unequal",
    "<": "less",
    "<=": "less_or_equal",
    ">": "greater",
    ">=": "greater_or_equal",
    "in": "within",
    "not in": "not_within",
}
_CALCULATIONS = {
    "+": "plus",
    "-": "minus",
    "*": "times",
    "/": "divided",
    "//": "floor_divided",
    "%": "remainder",
}
_OPERATORS: dict[str, Any] = {
    name: getattr(operators, name) for name in [*_COMPARISONS.values(), *_CALCULATIONS.values(), "negated"]
}

Evaluate = Callable[[Scope], Any]
Failed = Callable[[Exception, CodeType], Exception]


def compile_value(node: Node, failed: Failed) -> Evaluate:
    """Return the function that evaluates `node`; `failed` turns what goes wrong into the error to raise."""
    emitter = _Emitter()
    return _function(emitter.value(node), emitter.bound, failed)


def compile_storable(node: Node, failed: Failed) -> Evaluate:
    """Return the function that evaluates `node` to a value that a document may hold: times become texts."""
    if isinstance(node, Path):  # what a document holds already, most templates; nothing to be done
        return compile_value(node, failed)
    emitter = _Emitter()
    return _function(emitter.storable(node), emitter.bound, failed)


def compile_text(parts: list[str | Node], failed: Failed) -> Evaluate:
    """Return the function that puts constant texts and values together to one text."""
    emitter = _Emitter()
    return _function(emitter.text(parts), emitter.bound, failed)


class _Emitter:
    """Collects the objects that the function refers to while its syntax tree is built."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {
            **_OPERATORS,
            "storable": storable,
            "as_text": as_text,
            "bounded": bounded,
        }
        self._temporaries = 0

    def value(self, node: Node) -> ast.expr:
        """Return the syntax of one node."""
        match node:
            case Literal():
                syntax = self._literal(node)
            case Path():
                syntax = self._path(node)
            case Items(items=items):
                syntax = ast.List([self.value(item) for item in items], ast.Load())
            case Unary(operator="not", operand=operand):
                syntax = ast.UnaryOp(ast.Not(), self.value(operand))
            case Unary(operand=operand):
                syntax = self._bound_call("negated", operand)
            case Binary(operator=operator, left=left, right=right):
                syntax = self._bound_call(_CALCULATIONS[operator], left, right)
            case Comparison():
                syntax = self._comparison(node)
            case Logic(operator=operator, operands=operands):
                joint = ast.And() if operator == "and" else ast.Or()
                syntax = ast.BoolOp(joint, [self.value(operand) for operand in operands])
            case Choice(condition=condition, chosen=chosen, other=other):
                syntax = ast.IfExp(self.value(condition), self.value(chosen), self.value(other))
            case _:
                syntax = self._call(node)
        return _at(syntax, node)

    def text(self, parts: list[str | Node]) -> ast.expr:
        """Return the syntax of an f-string over the parts."""
        values: list[ast.expr] = []
        for part in parts:
            if isinstance(part, str):
                values.append(ast.Constant(part))
            else:
                values.append(ast.FormattedValue(_at(self._bound_call("as_text", part), part), -1))
        return _call("bounded", ast.JoinedStr(values))

    def storable(self, node: Node) -> ast.expr:
        """Return the syntax of a value in which times are texts."""
        return _at(self._bound_call("storable", node), node)

    def _bound_call(self, name: str, *arguments: Node) -> ast.expr:
        return _call(name, *(self.value(argument) for argument in arguments))

    def _bind(self, value: Any) -> str:
        name = f"_{len(self.bound)}"
        self.bound[name] = value
        return name

    def _literal(self, node: Literal) -> ast.expr:
        if isinstance(node.value, Decimal):  # no syntax of Python's spells one
            return _name(self._bind(node.value))
        return ast.Constant(node.value)

    def _path(self, node: Path) -> ast.expr:
        held: ast.expr = ast.Attribute(_name("scope"), node.root, ast.Load())
        if node.path is not None:
            return _call(self._bind(node.path.get), held)
        # a partner reads as its name, as in "{partner}.emr"
        return _call(self._bind(_name_of), held) if node.root in _PARTNERS else held

    def _comparison(self, node: Comparison) -> ast.expr:
        """Join the pairs with `and`; what stands between two of them is evaluated once, if at all."""
        pairs: list[ast.expr] = []
        left, left_node = self.value(node.first), node.first
        for position, (operator, operand) in enumerate(node.rest):
            right = following = self.value(operand)
            if position + 1 < len(node.rest):
                name = f"between{self._temporaries}"
                self._temporaries += 1
                right = _at(ast.NamedExpr(ast.Name(name, ast.Store()), right), operand)
                following = _at(_name(name), operand)
            pairs.append(_at(self._pair(left, left_node, operator, right, operand), node))
            left, left_node = following, operand
        return pairs[0] if len(pairs) == 1 else ast.BoolOp(ast.And(), pairs)

    def _pair(
        self, left: ast.expr, left_node: Node, operator: str, right: ast.expr, right_node: Node
    ) -> ast.expr:
        """Compare directly where a literal makes it safe: that is most filters, and several times as fast."""
        if operator in ("==", "!=") and (_is_plain(left_node) or _is_plain(right_node)):
            test: ast.cmpop = ast.Eq() if operator == "==" else ast.NotEq()
            return ast.Compare(left, [test], [right])
        if operator in ("in", "not in") and isinstance(right_node, Items):
            if all(isinstance(item, Literal) for item in right_node.items):
                right = _at(
                    ast.Tuple([self.value(item) for item in right_node.items], ast.Load()), right_node
                )
            test = ast.In() if operator == "in" else ast.NotIn()
            return ast.Compare(left, [test], [right])
        return _call(_COMPARISONS[operator], left, right)

    def _call(self, node: Call) -> ast.expr:
        function = node.function
        names = list(function.parameters.parameters)
        positional: list[ast.expr] = [_name("scope")] if function.scoped else []
        for place, argument in enumerate(node.positional):
            positional.append(self._argument(node, names[min(place, len(names) - 1)], argument))
        named = [ast.keyword(name, self._argument(node, name, argument)) for name, argument in node.named]
        return ast.Call(_name(self._bind(function.call)), positional, named)

    def _argument(self, node: Call, name: str, argument: Node) -> ast.expr:
        prepare = node.function.prepare.get(name)
        if prepare is None or not isinstance(argument, Literal):
            return self.value(argument)
        return _at(_name(self._bind(prepare(argument.value))), argument)


def _is_plain(node: Node) -> bool:
    """Say whether `==` with this literal means what it means in Python: it is no point in time."""
    return isinstance(node, Literal) and not (isinstance(node.value, str) and ordering_key(node.value))


def _name_of(partner: Any) -> Any:
    return "" if partner is None else partner["name"]


def _name(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(_name(name), list(arguments), [])


def _at(syntax: ast.expr, node: Node) -> ast.expr:
    """Give the syntax the node's place in the text, which a failure is traced back to."""
    syntax.lineno = syntax.end_lineno = 1
    syntax.col_offset, syntax.end_col_offset = node.start, node.end
    return syntax


def _locate(syntax: ast.AST, start: int, end: int) -> None:
    """Give all syntax without a place that of what is around it; `ast.fix_missing_locations` took half of compiling."""
    if "lineno" in syntax._attributes:
        if hasattr(syntax, "lineno"):
            start, end = syntax.col_offset, syntax.end_col_offset  # type: ignore[attr-defined]  # set together
        else:
            syntax.lineno = syntax.end_lineno = 1  # type: ignore[attr-defined]  # all kinds that are asked for have it
            syntax.col_offset, syntax.end_col_offset = start, end  # type: ignore[attr-defined]  # the same
    for name in syntax._fields:
        child = getattr(syntax, name, None)
        if isinstance(child, list):
            for each in child:
                if isinstance(each, ast.AST):
                    _locate(each, start, end)
        elif isinstance(child, ast.AST):
            _locate(child, start, end)


def _function(value: ast.expr, bound: dict[str, Any], failed: Failed) -> Evaluate:
    """Return `def evaluate(scope): try: return VALUE; except FAILURES as error: raise failed(error) from None`."""
    raising = ast.Raise(_call("failed", _name("error")), ast.Constant(None))
    attempt = ast.Try([ast.Return(value)], [ast.ExceptHandler(_name("FAILURES"), "error", [raising])], [], [])
    nothing = ast.arguments([], [ast.arg("scope")], None, [], [], None, [])
    module = ast.Module([ast.FunctionDef("evaluate", nothing, [attempt], [])], [])
    _locate(module, 0, 0)
    compiled = compile(module, "<expression>", "exec")
    code = next(part for part in compiled.co_consts if isinstance(part, CodeType))
    space = {**bound, "FAILURES": FAILURES, "failed": lambda error: failed(error, code), "__builtins__": {}}
    return FunctionType(code, space)
