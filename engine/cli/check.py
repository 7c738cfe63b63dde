"""`passerelle check`: find everything wrong with the configuration, before an engine runs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.exits import Exit
from engine.config.check_texts import Explanation, explanations
from engine.config.doors import takings, untaken
from engine.config.load import load_configuration
from engine.config.loaded import Loaded
from engine.errors import ConfigurationError, Problem
from engine.runtime.compiling.assembling import assemble


@click.command()
@click.option(
    "--explain", is_flag=True, help="Print what each door takes, and each expression as it was understood."
)
@click.option("--strict", is_flag=True, help="End with 1 when there are warnings.")
@desk_options("config", "env", "json", "lang")
def check(desk: Desk, explain: bool, strict: bool) -> int:
    """Find everything wrong with the configuration; errors end with 2.

    Warns where two routes take the same messages (both run), and lists the known message types that no route takes.
    """
    try:
        loaded = load_configuration(desk.where.config, env=desk.where.env, environ=os.environ)
        assemble(loaded)  # what only compiling finds is no surprise of `run` either
    except ConfigurationError as error:
        if not desk.as_json:
            raise
        desk.terminal.answer({"problems": [_shown(each) for each in error.problems]})
        return Exit.USAGE
    if desk.as_json:
        view: dict[str, object] = {
            "problems": [_shown(each) for each in loaded.warnings],
            "untaken": untaken(loaded),
        }
        if explain:
            view["doors"] = [asdict(each) for each in takings(loaded)]
            view["explained"] = [
                {
                    "file": each.mark.source.name,
                    "line": each.mark.line,
                    "text": each.text,
                    "understood": each.understood,
                }
                for each in _explained(loaded)
            ]
        desk.terminal.answer(view)
    else:
        _print(desk, loaded, explain=explain)
    return Exit.FAILED if strict and loaded.warnings else Exit.OK


def _print(desk: Desk, loaded: Loaded, *, explain: bool) -> None:
    for problem in loaded.warnings:
        click.echo(problem.render(), err=True)
    if explain:
        desk.table(
            "Doors",
            ("listener", "selector", "route", "takes", "otherwise"),
            [
                (each.listener, each.selector, each.route, each.kinds or "*", desk.say.word(each.otherwise))
                for each in takings(loaded)
            ],
        )
        for each in _explained(loaded):
            desk.terminal.line(f"{each.mark.source.name}:{each.mark.line}: {each.text}")
            desk.terminal.line(f"    {each.understood}")
    if lost := untaken(loaded):
        desk.terminal.line(desk.say("no route takes {types}", types=", ".join(lost)))
    text = "the configuration is good: {routes} routes, {listeners} doors, {partners} partners"
    counts = {
        "routes": len(loaded.routes),
        "listeners": len(loaded.app.listen),
        "partners": len(loaded.partners),
    }
    desk.terminal.line(desk.say(text, **counts))


def _explained(loaded: Loaded) -> Iterator[Explanation]:
    return (each for route in loaded.routes for each in explanations(loaded, route))


def _shown(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "severity": problem.severity,
        "message": problem.message,
        "help": problem.help or None,
    }
