"""`passerelle dicom find TARGET KEY...`: ask an archive what it holds, by C-FIND."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.dicom.questioning import LEVELS, answer, asker, question_of
from engine.cli.dicom.reaching import target_options
from engine.cli.exits import Exit
from engine.cli.hl7.tree import masked, shortened

_OPEN: Final = frozenset({"AE", "CS", "DA", "IS", "TM", "UI", "UL", "US"})
"""Representations that hold no name and no number of a person; but dates of birth."""

_BIRTH: Final = "00100030"


@click.command()
@target_options
@click.argument("keys", nargs=-1, metavar="KEY[=VALUE]...")
@click.option("--level", type=click.Choice(LEVELS), default="study", show_default=True)
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Most matches.")
@click.option("--clear", is_flag=True, help="Show values as they are; without it they are masked.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=60.0, show_default=True, metavar="SECONDS"
)
@desk_options("config", "env", "json", "lang")
def find(
    desk: Desk, target: str, keys: tuple[str, ...], level: str, limit: int, clear: bool, timeout: float, **how: Any
) -> int:  # fmt: skip
    """Find patients, studies, series or images: PatientID=4711 is to match, StudyDescription is to be told.

    Values may hold wildcards and ranges (PatientName=ROY*, StudyDate=20260101-). Ends with 3 when nothing is found.
    """
    import asyncio

    config, context = asker(desk, target, ask="find", how=how)
    question = question_of(keys, level=level, limit=limit)
    with desk.terminal.progress(target, 1) as advance:
        reply = asyncio.run(answer(config, context, question, timeout=timeout, counted=lambda count: None))
        advance()
    told = json.loads(reply.body)
    results = [_shown(each, clear=clear) for each in told["results"]]
    if desk.as_json:
        desk.terminal.answer({"complete": told["complete"], "masked": not clear, "results": results})
    else:
        for result in results:
            for name, value in result.items():
                desk.terminal.line(f"{name}  {shortened(value)}")
            desk.terminal.line()
        desk.terminal.line(f"{len(results)}{'' if told['complete'] else '+'}")
    return Exit.OK if results else Exit.NOTHING


def _shown(model: Mapping[str, Any], *, clear: bool) -> dict[str, str]:
    from pydicom.datadict import keyword_for_tag

    found: dict[str, str] = {}
    for tag, attribute in model.items():
        value = "\\".join(_text(each) for each in attribute.get("Value", []))
        is_open = attribute["vr"] in _OPEN and tag != _BIRTH
        found[keyword_for_tag(int(tag, 16)) or tag] = value if clear or is_open else masked(value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("Alphabetic", "")) if "Alphabetic" in value else f"{len(value)} attributes"
    return "" if value is None else str(value)
