"""Pure transformations of a document, one module each, named as they are written in a route."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from engine.errors import NotFound
from engine.spi import Step
from engine.steps.contract import StepConfig, StepType, Workshop

__all__ = ["StepConfig", "StepType", "Workshop", "build", "step_names", "step_type"]

_NO_STEPS = frozenset({"assigning", "contract", "remainder", "travelling", "two_way"})


@cache
def step_names() -> tuple[str, ...]:
    """Return the names of all steps, sorted: a module `set_` is the step `set`."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.rstrip("_") for name in found if name not in _NO_STEPS))


@cache
def step_type(name: str) -> StepType:
    """Return the step type `name`; NotFound when there is none."""
    if name not in step_names():
        raise NotFound(f"no step {name!r}; there are {', '.join(step_names())}")
    module = name + "_" if name in _RESERVED else name
    found = importlib.import_module(f"engine.steps.{module}").STEP
    if not isinstance(found, StepType):
        raise TypeError(f"engine.steps.{module}.STEP is no StepType")
    return found


_RESERVED = frozenset({"set", "map"})
"""Names that would hide a builtin; their modules end in an underscore."""


def build(steps: Iterable[Mapping[str, Any]], workshop: Workshop) -> tuple[Step, ...]:
    """Compile step configurations, each a mapping of one step name to its validated config, in order."""
    built: list[Step] = []
    for step in steps:
        for name, config in step.items():
            built.append(step_type(name).build(config, workshop))
    return tuple(built)
