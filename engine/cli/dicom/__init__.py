"""`passerelle dicom`: try a partner's DICOM server, send instances, look at them and de-identify them by hand."""

from __future__ import annotations

import click

from engine.cli.dicom.deidentify import deidentify
from engine.cli.dicom.echo import echo
from engine.cli.dicom.find import find
from engine.cli.dicom.get import get
from engine.cli.dicom.move import move
from engine.cli.dicom.send import send
from engine.cli.dicom.show import show


@click.group()
def dicom() -> None:
    """Try DICOM servers, send, find and fetch instances, look at them and de-identify them; no engine is needed."""


for command in (echo, send, find, move, get, show, deidentify):
    dicom.add_command(command)
