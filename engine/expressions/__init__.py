"""Expressions and templates: paths lexed by the document's codec, a small grammar, the published functions.

Pure: no clock, no network, no disk. Compiled once when a route is loaded, about a microsecond per message.
"""

from __future__ import annotations

from engine.expressions.compiled import NAMES, Expression, Template, compile_expression, compile_template
from engine.expressions.failures import ExpressionFailed
from engine.expressions.functions import FunctionReference, function_reference
from engine.expressions.instants import instant

__all__ = [
    "NAMES",
    "Expression",
    "ExpressionFailed",
    "FunctionReference",
    "Template",
    "compile_expression",
    "compile_template",
    "function_reference",
    "instant",
]
