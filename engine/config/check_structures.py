"""Says where `validate: hl7v2` cannot stand: it takes its time, and no sender waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from engine.config.findings import Findings
from engine.config.formats import HL7, codecs_of
from engine.config.loaded import Loaded, LoadedRoute
from engine.config.nodes import Location
from engine.config.route import Destination, OneOf, ToRoute
from engine.errors import Problem
from engine.steps.validate import judged_by_standard


def check_structures(loaded: Loaded, problems: list[Problem]) -> None:
    """Check every route that judges its messages by HL7's own structures."""
    handed_on = {
        entry.route for route in loaded.routes for entry in route.config.to if isinstance(entry, ToRoute)
    }
    for route in loaded.routes:
        findings = Findings(route.tree, problems)
        for place, steps in _elsewhere(route):
            for at in _judging(place, steps):
                findings.error(
                    at, "it judges the message as it was received", "put it into `steps` of the route"
                )
        for at in _judging(("steps",), route.config.steps):
            _check(loaded, route, at, findings, handed_on=route.name in handed_on)


def _check(loaded: Loaded, route: LoadedRoute, at: Location, findings: Findings, *, handed_on: bool) -> None:
    if route.config.acknowledge != "stored":
        told = "this takes up to 5 s for a message, and its sender would wait"
        findings.error(at, told, "say `acknowledge: stored`")
    elif handed_on or not route.config.doors:
        told = "another route hands on to this one, whose sender would wait"
        findings.error(at, told, "put it into a route with a listener of its own")
    if codecs_of(loaded, route) != {HL7}:
        findings.error(at, "only HL7 v2 has these structures", "say `codec: hl7v2` at the listener")


def _judging(place: Location, steps: Sequence[Mapping[str, object]]) -> Iterator[Location]:
    """Give the places of such steps in a list."""
    for index, step in enumerate(steps):
        if judged_by_standard([step]):
            yield (*place, index, "validate")


def _elsewhere(route: LoadedRoute) -> Iterator[tuple[Location, Sequence[Mapping[str, object]]]]:
    """Give the steps of destinations and fallbacks, with their places."""
    for index, entry in enumerate(route.config.to):
        choices = (
            entry.one_of if isinstance(entry, OneOf) else [entry] if isinstance(entry, Destination) else []
        )
        for number, destination in enumerate(choices):
            at: Location = ("to", index, "one_of", number) if isinstance(entry, OneOf) else ("to", index)
            yield (*at, "steps"), destination.steps
            for way, fallback in enumerate(destination.fallback.to if destination.fallback else ()):
                yield (*at, "fallback", "to", way, "steps"), fallback.steps
