"""`passerelle test`: the golden tests beside the routes."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import click

from engine.cli.exits import Exit
from engine.testing.golden import Verdicts, load_cases, run_case


@click.command()
@click.argument("routes", nargs=-1)
@click.option("--config", "path", default="config.yaml", type=click.Path(path_type=Path), help="The project.")
@click.option("--env", help="Overlay env/NAME.yaml.")
@click.option("--update", is_flag=True, help="Write the golden files instead of comparing them.")
@click.option("-k", "words", default="", help="Only tests whose name holds these words.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per test.")
def test(
    routes: tuple[str, ...], path: Path, env: str | None, update: bool, words: str, as_json: bool
) -> int:
    """Run the golden tests of ROUTES (all): the real intake, dispatcher and store; clock and transport are replaced."""
    began = time.monotonic()
    results = asyncio.run(_run(path, env, routes, words, update=update))
    for result in results:
        _tell(result, as_json=as_json)
    failed = sum(not result.passed for result in results)
    if not as_json:
        took = time.monotonic() - began
        click.secho(
            f"{len(results) - failed} passed, {failed} failed in {took:.1f} s",
            fg="red" if failed else "green",
        )
    if not results:
        return Exit.NOTHING
    return Exit.FAILED if failed else Exit.OK


async def _run(
    path: Path, env: str | None, routes: tuple[str, ...], words: str, *, update: bool
) -> list[Verdicts]:
    from engine.config.load import load_configuration
    from engine.config.suggest import hint

    loaded = load_configuration(path, env=env, environ=os.environ)
    known = {route.name for route in loaded.routes}
    for name in routes:
        if name not in known:
            raise click.UsageError(f'there is no route "{name}"; {hint(name, known)}')
    return [
        await run_case(loaded, route, case, update=update)
        for route in loaded.routes
        if not routes or route.name in routes
        for case in load_cases(route)
        if words.lower() in case.name.lower()
    ]


def _tell(result: Verdicts, *, as_json: bool) -> None:
    if as_json:
        told = {
            "route": result.route,
            "test": result.name,
            "passed": result.passed,
            "differences": list(result.differences),
        }
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    mark = click.style("ok  ", fg="green") if result.passed else click.style("FAIL", fg="red")
    click.echo(f"{mark} {result.route}: {result.name}")
    for difference in result.differences:
        click.echo("     " + difference.replace("\n", "\n     "))
    for file in result.updated:
        click.echo(f"     wrote {file}")
