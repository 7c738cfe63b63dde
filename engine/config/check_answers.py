"""Checks routes whose sender waits for the destination's answer: there must be one, in time, in the sender's format."""

from __future__ import annotations

from collections.abc import Sequence

from engine.config.doors import common_kinds
from engine.config.findings import Findings
from engine.config.formats import answer_codec, codecs_at_doors
from engine.config.loaded import Loaded, LoadedRoute
from engine.config.mapped import codec_through
from engine.config.route import Delivered, ToRoute, ToSubscribers
from engine.errors import Problem


def check_answers(loaded: Loaded, problems: list[Problem]) -> None:
    """Check every route that says `acknowledge: delivered`, and that no two of them answer the same message."""
    answering = [route for route in loaded.routes if isinstance(route.config.acknowledge, Delivered)]
    for index, route in enumerate(answering):
        findings = Findings(route.tree, problems)
        _check_doors(loaded, route, findings)
        _check_destination(route, findings)
        _check_format(loaded, route, findings)
        _check_alone(route, answering[:index], findings)


def _check_doors(loaded: Loaded, route: LoadedRoute, findings: Findings) -> None:
    listeners = loaded.app.listen
    for door in route.config.doors:
        listener = listeners.get(door.listener)
        if listener is not None and not loaded.plugins.channel_type(listener.type).converses:
            told = f'nobody waits for an answer at "{door.listener}": {listener.type} gives none'
            findings.error_of_key(("acknowledge",), told, "say `routed` or `stored`")


def _check_destination(route: LoadedRoute, findings: Findings) -> None:
    config = route.config
    if len(config.to) != 1 or isinstance(config.to[0], ToRoute | ToSubscribers):
        findings.error_of_key(("to",), "the sender gets one answer: give the route one destination")
        return
    if config.order_by:
        told = "whoever waits for an answer does not wait behind others"
        findings.error_of_key(("order_by",), told, "leave it out")
    lists = [config.steps, *(each.steps for each in config.destinations())]
    if any("split" in step for steps in lists for step in steps):
        findings.error_of_key(("acknowledge",), "the sender gets one answer: parts would give several")


def _check_format(loaded: Loaded, route: LoadedRoute, findings: Findings) -> None:
    said = route.config.acknowledge
    assert isinstance(said, Delivered)
    answer = codec_through(loaded.root, said.steps, answer_codec(loaded, route.config))
    for codec in dict.fromkeys(codecs_at_doors(loaded, route.config)):
        if codec != answer:
            told = f"the sender speaks {codec}, and the answer is {answer}"
            findings.error_of_key(("acknowledge",), told, "map the answer in `acknowledge: {steps}`")


def _check_alone(route: LoadedRoute, others: Sequence[LoadedRoute], findings: Findings) -> None:
    for other in others:
        if set(route.config.doors) & set(other.config.doors) and (common := common_kinds(route, other)):
            told = f'"{other.name}" answers {common} at the same door: a sender gets one answer'
            findings.error_of_key(("acknowledge",), told)
