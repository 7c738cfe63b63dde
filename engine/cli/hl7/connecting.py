"""What `send` and `listen` have in common: addresses, and TLS from files or from a profile of the project."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.desk import Desk

if TYPE_CHECKING:
    import ssl

    from engine.security.tls import TlsFiles

_FILE: Any = click.Path(exists=True, dir_okay=False, path_type=Path)
LOOPBACK = "127.0.0.1"


class HostPort(click.ParamType):  # type: ignore[type-arg]  # generic in its stubs, not when it runs
    """`HOST:PORT`, `[IPv6]:PORT`, or a port alone for this machine."""

    name = "host:port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        from engine.config.places import read_address

        text = str(value)
        try:
            found = read_address(f"{LOOPBACK}:{text.removeprefix(':')}" if ":" not in text[1:] else text)
        except ValueError:
            self.fail(f"{value!r} is no address: write HOST:PORT, an IPv6 address in brackets", param, ctx)
        return found.host, found.port


def tls_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options that `tls_files` reads."""
    options = (
        click.option("--tls", is_flag=True, help="TLS 1.3; implied by the options below."),
        click.option("--tls-profile", metavar="NAME", help="A TLS profile of the project's config.yaml."),
        click.option("--ca", type=_FILE, help="PEM file of the authorities to trust."),
        click.option("--cert", type=_FILE, help="PEM file of our certificate."),
        click.option("--key", type=_FILE, help="PEM file of its private key."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def tls_files(
    desk: Desk, *, tls: bool, tls_profile: str | None, ca: Path | None, cert: Path | None, key: Path | None
) -> TlsFiles | None:
    """Return the files to use, None for plaintext.

    Raises:
        UsageError: a profile and files at once, or a key without its certificate.
        NotFound: the project has no such profile.
    """
    if not (tls or tls_profile or ca or cert or key):
        return None
    from engine.security.tls import TlsFiles

    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key go together")
    if tls_profile is None:
        return TlsFiles(cert=cert, key=key, ca=ca)
    if ca or cert:
        raise click.UsageError("say --tls-profile, or the files")
    from engine.config.load import load_configuration
    from engine.config.suggest import hint
    from engine.errors import NotFound

    loaded = load_configuration(desk.where.config, env=desk.where.env, environ=os.environ)
    profile = loaded.app.tls.get(tls_profile)
    if profile is None:
        told = hint(tls_profile, loaded.app.tls)
        raise NotFound(f'{desk.where.config} has no TLS profile "{tls_profile}"; {told}')
    placed = {
        name: None if path is None else loaded.root / path
        for name, path in (("cert", profile.cert), ("key", profile.key), ("ca", profile.ca))
    }
    return TlsFiles(**placed)


def client_tls(files: TlsFiles | None) -> ssl.SSLContext | None:
    """Return the context to connect with."""
    if files is None:
        return None
    from engine.security.tls import client_context

    return client_context(files)


def server_tls(files: TlsFiles | None) -> ssl.SSLContext | None:
    """Return the context to listen with; clients show a certificate where there is an authority to check it by."""
    if files is None:
        return None
    from engine.security.tls import Clients, server_context

    return server_context(files, clients=Clients.NONE if files.ca is None else Clients.REQUIRED)
