"""`passerelle certs`: a local authority for development, and what certificates are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.exits import Exit
from engine.security.certificates import list_certificates, make_dev_certificates

_REFERENCE = re.compile(r"([a-z0-9][a-z0-9-]*)\.(?:pem|key|whsec)\b|\bdns:([a-z0-9][a-z0-9-]*)\.localhost\b")
_OWN = frozenset({"ca", "engine"})
_SOON = 30


@click.group()
def certs() -> None:
    """Make certificates for development; list what is there."""


@certs.command()
@click.argument("names", nargs=-1)
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Default: certs beside config.yaml."
)
@desk_options("config", "json", "lang")
def dev(desk: Desk, names: tuple[str, ...], folder: Path | None) -> None:
    """Make a local authority with certificates and webhook secrets for this machine; what is good is left alone.

    NAMES are partners; by default those whose files the configuration names.
    """
    folder = folder or desk.where.config.parent / "certs"
    written = make_dev_certificates(folder, names or names_in(desk.where.config))
    if desk.as_json:
        desk.terminal.answer({"written": [str(path) for path in written]})
        return
    for path in written:
        desk.terminal.line(desk.say("wrote {file}", file=path))
    if not written:
        desk.terminal.line(desk.say("everything is there already"))


@certs.command("list")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Default: certs beside config.yaml."
)
@desk_options("config", "json", "lang")
def list_(desk: Desk, folder: Path | None) -> int:
    """List certificates, the one that ends first in front; ends with 1 when one ends within 30 days."""
    folder = folder or desk.where.config.parent / "certs"
    found = list_certificates(folder) if folder.is_dir() else ()
    if not found:
        desk.terminal.note(desk.say("nothing"))
        return Exit.NOTHING
    if desk.as_json:
        desk.terminal.answer(
            {
                "certificates": [
                    {
                        "file": str(each.path),
                        "subject": each.subject,
                        "issuer": each.issuer,
                        "names": list(each.names),
                        "ends": each.not_after.isoformat(),
                        "days_left": each.days_left,
                        "sha256": each.sha256,
                        "authority": each.authority,
                    }
                    for each in found
                ]
            }
        )
    else:
        desk.table(
            "Certificates",
            ("file", "names", "ends", "days left", "key"),
            [
                (
                    each.path.name,
                    each.names,
                    f"{each.not_after:%Y-%m-%d}",
                    each.days_left,
                    each.key is not None,
                )
                for each in found
            ],
        )
    return Exit.FAILED if any(each.days_left < _SOON for each in found) else Exit.OK


def names_in(config: Path) -> tuple[str, ...]:
    """Return the names whose certificates or secrets a configuration refers to, before it can be loaded.

    Read as text from config.yaml and the YAML files below its folder's `partners`: the files it refers to are missing.
    """
    found = {name for path in _files(config) for name in _named(path)}
    return tuple(sorted(found - _OWN))


def _files(config: Path) -> Iterator[Path]:
    if config.is_file():
        yield config
    yield from sorted((config.parent / "partners").glob("*.yaml"))


def _named(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        for match in _REFERENCE.finditer(line.partition(" #")[0]):
            yield match[1] or match[2]
