"""Compiles a mapper that a test of steps writes down."""

from __future__ import annotations

from engine.codecs.fhir import children, element
from engine.codecs.hl7v2.rebuilding import REBUILDING
from engine.config.compose import compose
from engine.config.workbench import WORKBENCH
from engine.errors import Problem
from engine.mapping.loading import compile_mapper
from engine.mapping.two_way import TwoWayMapper


def mapper_of(text: str) -> TwoWayMapper:
    """Compile a mapper's text with all that computes and checks."""
    problems: list[Problem] = []
    tree = compose(text, "mapper.yaml", problems)
    assert problems == []
    return compile_mapper(tree, v2=REBUILDING, r4=element, children=children, workbench=WORKBENCH)
