"""`passerelle hl7`: look at HL7 v2 messages, compare them, send them and listen for them by hand."""

from __future__ import annotations

import click

from engine.cli.hl7.diff import diff
from engine.cli.hl7.listen import listen
from engine.cli.hl7.send import send
from engine.cli.hl7.show import show
from engine.cli.hl7.validate import validate


@click.group()
def hl7() -> None:
    """Look at HL7 v2 messages, compare, judge and send them, and listen for them; no engine is needed."""


for command in (show, diff, validate, send, listen):
    hl7.add_command(command)
