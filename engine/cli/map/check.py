"""`passerelle map check [MAPPER...]`: load mappers, run their golden folders both ways, and test their laws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from engine.cli.changes import indented
from engine.cli.desk import Desk, desk_options
from engine.cli.exits import Exit
from engine.cli.map.finding import every, named
from engine.cli.terminal import Advance, View
from engine.errors import ConfigurationError

if TYPE_CHECKING:
    from engine.cli.map.inventing import Event
    from engine.cli.map.trying import Law
    from engine.mapping.two_way import TwoWayMapper


@dataclass(slots=True)
class Checked:
    """What the check of one mapper came to; `failures` are (what failed, why), each why a sentence or more."""

    name: str
    goldens: int = 0
    events: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)


@click.command()
@click.argument("mappers", nargs=-1)
@click.option(
    "--events",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    help="How many events to make up for each.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed makes the same events.")
@desk_options("config", "json", "lang")
def check(desk: Desk, mappers: tuple[str, ...], events: int, seed: int) -> int:
    """Check MAPPERS (all): what is wrong in a file with its line and column, golden folders both ways, and the laws.

    A law that fails is told with the smallest event for which it does. Ends with 1 when something fails, with 2 when a
    file does not load.
    """
    names = list(mappers) or every(desk)
    loaded, problems = _loaded(desk, names)
    results: list[Checked] = []
    for mapper in loaded:
        with desk.terminal.progress(mapper.name, events or 1) as advance:
            results.append(_checked(desk, mapper, events, seed, advance))
        if not desk.as_json:
            _print(desk, results[-1])
    if desk.as_json:
        view: View = {"mappers": [_view(each) for each in results]}
        view["problems"] = [_problem(each) for each in problems]
        desk.terminal.answer(view)
    elif problems:
        raise ConfigurationError(problems)
    if problems:
        return Exit.USAGE
    if not names:
        return Exit.NOTHING
    return Exit.FAILED if any(each.failures for each in results) else Exit.OK


def _loaded(desk: Desk, names: Sequence[str]) -> tuple[list[TwoWayMapper], list[Any]]:
    """Return the mappers that load, and everything that is wrong with the others."""
    loaded: list[TwoWayMapper] = []
    problems: list[Any] = []
    for name in names:
        try:
            loaded.append(named(desk, name))
        except ConfigurationError as error:
            problems.extend(each for each in error.problems if each not in problems)
    return loaded, problems


def _checked(desk: Desk, mapper: TwoWayMapper, events: int, seed: int, advance: Advance) -> Checked:
    from engine.cli.map.goldens import differences, goldens

    found = Checked(mapper.name)
    for golden in goldens(desk.where.config.parent, mapper.name):
        found.goldens += 1
        found.failures += [(f"golden {golden.name}", text) for text in differences(mapper, golden)]
    _try_laws(mapper, events, seed, found, advance)
    return found


def _try_laws(mapper: TwoWayMapper, count: int, seed: int, found: Checked, advance: Advance) -> None:
    """Try each law on made-up events until one breaks it; the smallest such event is told."""
    from engine.cli.map.inventing import events, smallest
    from engine.cli.map.trying import Trial, outcome

    trial = Trial(mapper)
    laws = dict(trial.laws())
    for event in islice(events(mapper.definition, seed), count):
        for name, law in [*laws.items()]:
            wrong = outcome(law, event)
            if wrong is None:
                continue
            del laws[name]  # the first event tells enough of it
            small = smallest(event, partial(_breaks, law, refused=wrong.refused))
            shown = "\n".join(indented(json.dumps(small, ensure_ascii=False)))
            found.failures.append(
                (f"{name} (seed {seed})", f"{(outcome(law, small) or wrong).text}\n{shown}")
            )
        trial.before = event
        found.events += 1
        advance()


def _breaks(law: Law, event: Event, *, refused: bool) -> bool:
    """Say whether an event breaks a law as the first one did: a refusal is no smaller difference."""
    from engine.cli.map.trying import outcome

    wrong = outcome(law, event)
    return wrong is not None and wrong.refused == refused


def _print(desk: Desk, found: Checked) -> None:
    mark, colour = ("FAIL", "red") if found.failures else ("ok  ", "green")
    if desk.terminal.colourful:
        mark = click.style(mark, fg=colour)
    counts = desk.say("{goldens} golden, {events} events", goldens=found.goldens, events=found.events)
    desk.terminal.line(f"{mark} {found.name}: {counts}")
    for what, why in found.failures:
        desk.terminal.line(f"     {what}")
        for line in why.split("\n"):
            desk.terminal.line(f"       {line}")


def _view(found: Checked) -> View:
    return {
        "mapper": found.name,
        "passed": not found.failures,
        "goldens": found.goldens,
        "events": found.events,
        "failures": [{"what": what, "why": why} for what, why in found.failures],
    }


def _problem(problem: Any) -> View:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
        "help": problem.help or None,
    }
