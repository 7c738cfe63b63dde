"""Reads the docstrings that stand below fields: the descriptions of JSON Schema and reference.

pydantic can do it when a class is made; that reads every module's source at each start and doubles the time that
models take. Here it is read when somebody asks.
"""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache

from pydantic import BaseModel


def described(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstring of each field of `model` that has one, its own and those of its bases."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            found.update(_of_module(base.__module__).get(base.__qualname__, {}))
    for name, field in model.model_fields.items():
        if field.description:
            found[name] = " ".join(field.description.split())
    return found


def summary(model: type[BaseModel]) -> str:
    """Return what a model says of itself, "" when it says nothing of its own."""
    return inspect.cleandoc(model.__doc__ or "")


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    """Return class -> field -> docstring of one module."""
    source = inspect.getsource(sys.modules[name])
    found: dict[str, dict[str, str]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            found[node.name] = dict(_of_class(node))
    return found


def _of_class(node: ast.ClassDef) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for field, below in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found.append((field.target.id, " ".join(inspect.cleandoc(below.value.value).split())))
    return found
