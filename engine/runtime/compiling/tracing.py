"""Follows what a list of steps does to a document before there is one: its codec, what it may hold, if it changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.config.mapped import MAPPED_CODEC
from engine.runtime.compiling.supplies import Supplies, names_read
from engine.runtime.compiling.workshop import Workshop
from engine.runtime.routing.flow import READING, guard
from engine.runtime.routing.outlet import Exposure
from engine.spi import Document, Scope, Step
from engine.steps import step_type
from engine.steps.two_way import CODECS, TwoWayMap

_KEEPING = READING | {"split", "remove"}
"""Steps that add nothing to a document."""

CONTENT = frozenset({"msg", "source", "vars", "memory"})
"""Names by which a text reads the message."""


Revision = Callable[[Document, Scope], Document]
"""Makes a mapped document anew for a scope in which only `meta` is another."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known of the document at one place of a route.

    `source` and `codec` name the formats of the message and of the document now; `exposure` is the most that it may
    hold; `changed` says that a step may have written to it, `made` that it is a message of our own making: a part, or
    a mapper's. `kindless` says that the event's type makes no difference to it.
    `uniform` says that the message as received comes this far whatever `meta` says; `revise` then makes what the last
    step, a mapper, made of it under one `meta` into what it makes under another.
    """

    source: str
    codec: str
    exposure: Exposure = Exposure.FULL
    changed: bool = False
    made: bool = False
    kindless: bool = False
    uniform: bool = True
    revise: Revision | None = None


def build_steps(
    configs: Sequence[dict[str, Any]], at: Trace, supplies: Supplies, placed: Callable[[int], Any]
) -> tuple[tuple[Step, ...], Trace]:
    """Compile steps in order and return them with what is known after them.

    `placed` gives a context manager for the step of an index, which turns errors into problems at its place.
    """
    named: list[tuple[str, Step]] = []
    for index, step in enumerate(configs):
        for name, config in step.items():
            with placed(index):
                workshop = Workshop(supplies, at.codec, source=at.source)
                named.append((name, step_type(name).build(config, workshop)))
                uniform = at.uniform and name in READING and "meta" not in workshop.names
                at = replace(_after(name, config, at, supplies, named[-1][1]), uniform=uniform)
    return guard(named), at


def _after(name: str, config: Any, at: Trace, supplies: Supplies, step: Step) -> Trace:
    if name in READING:
        return replace(at, revise=None)  # what is asked of the mapped document may hang on the event's type
    if isinstance(step, TwoWayMap):
        return Trace(
            at.source,
            CODECS[step.target],
            Exposure.MINIMAL if step.chosen else Exposure.FULL,
            changed=True,
            made=True,
            kindless=step.kindless,
            revise=step.revise if at.uniform and step.reads_event else None,
        )
    if name == "map":
        free = supplies.mapper(config.mapper, at.codec).content_free
        exposure = Exposure.NOTHING if free else Exposure.MINIMAL
        kindless = supplies.kindless(config.mapper, at.codec)
        revise = supplies.mapper(config.mapper, at.codec).revise if at.uniform else None
        return Trace(
            at.source, MAPPED_CODEC, exposure, changed=True, made=True, kindless=kindless, revise=revise
        )
    if name == "deidentify":  # what is left is of nobody, but tells what nobody was examined for
        return replace(at, exposure=Exposure.MINIMAL, changed=True, kindless=False, revise=None)
    if name in _KEEPING:
        return replace(at, changed=True, made=at.made or name == "split", revise=None)
    adds = name != "set" or _adds_content(config, at, supplies)
    return replace(
        at,
        exposure=max(at.exposure, Exposure.MINIMAL) if adds else at.exposure,
        changed=True,
        kindless=False,
        revise=None,
    )


def _adds_content(config: Any, at: Trace, supplies: Supplies) -> bool:
    workshop = Workshop(supplies, at.codec, source=at.source)
    made = [workshop.template(text) for text in config.values.values()]
    return any(names_read(template.names, template.paths) & CONTENT for template in made)
