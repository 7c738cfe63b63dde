"""`passerelle map`: run two-way mappers by hand, check their laws, and measure what they carry."""

from __future__ import annotations

import click

from engine.cli.map.check import check
from engine.cli.map.coverage import coverage
from engine.cli.map.run import run


@click.group()
def map_() -> None:
    """Run a mapper on a file, check mappers, and measure what they carry; no engine is needed."""


for command in (run, check, coverage):
    map_.add_command(command)
