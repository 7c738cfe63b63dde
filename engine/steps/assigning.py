"""What `set` and `each` have in common: places and the values that are written to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.spi import CompiledPath, Scope
from engine.steps.contract import PathText, TemplateText, Workshop

Assignment = tuple[CompiledPath, Callable[[Scope], Any]]
"""A place and what gives its value."""


def assignments(
    values: Mapping[PathText, TemplateText], workshop: Workshop, paths: Workshop
) -> tuple[Assignment, ...]:
    """Compile path -> template pairs; `paths` is where the paths are read.

    A constant is read in the format's own notation: `MSH-9: ADT^A08` has two components. What an expression gives is
    a value, so that a delimiter in it is written as an escape.
    """
    return tuple((paths.path(path), _value(text, workshop)) for path, text in values.items())


def _value(text: TemplateText, workshop: Workshop) -> Callable[[Scope], Any]:
    template = workshop.template(text)
    if template.constant is None:
        return template.evaluate
    value = workshop.codec.notation(template.constant)
    return lambda scope: value
