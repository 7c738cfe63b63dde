"""Whom a command speaks DICOM with: an address or an endpoint of the project, by the channel that the engine uses.

The channel is found by its name, as the engine finds it: what a command shows is what a delivery would meet.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.desk import Desk
from engine.cli.hl7.connecting import HostPort, client_tls, tls_files, tls_options

if TYPE_CHECKING:
    from engine.spi import ChannelContext, Outbound

_EVERYWHERE: Final = (ip_network("0.0.0.0/0"), ip_network("::/0"))


def target_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the argument TARGET and the options that `target` reads."""
    argument = click.argument("target", metavar="HOST:PORT|PARTNER.ENDPOINT")
    options = (
        click.option("--ae", metavar="TITLE", help="The AE title to call; ANY-SCP where nothing is said."),
        click.option(
            "--calling", metavar="TITLE", help="Our own AE title; PASSERELLE where nothing is said."
        ),
    )
    function = tls_options(function)
    for option in reversed(options):
        function = option(function)
    return argument(function)


def reached(
    desk: Desk,
    target: str,
    *,
    ae: str | None,
    calling: str | None,
    connections: int = 1,
    types: Sequence[str] = ("dicom",),
    **tls: Any,
) -> tuple[Any, ChannelContext]:
    """Return the endpoint's configuration and a context for its channel.

    An address that somebody typed may be reached without TLS and wherever it is; an endpoint of the project only as it
    is configured.

    Raises:
        UsageError: it is neither, or the options do not go with it.
        NotFound: the project has no such endpoint, or it is none of these types.
    """
    if ":" not in target and target.count(".") == 1 and not target.replace(".", "").isdecimal():
        return _of_project(desk, target, ae, calling, connections, types)
    from engine.config.models import EndpointLimits, PlaintextException
    from engine.registry import channel_type

    host, port = HostPort().convert(target, None, None)
    model = channel_type("dicom").endpoint
    assert model is not None, "the channel dicom has endpoints"
    shown = f"[{host}]" if ":" in host else host
    written = {"dicom": f"{shown}:{port}", "ae_title": ae or "ANY-SCP"} | (
        {"calling": calling} if calling else {}
    )
    config = model.model_validate(written).model_copy(
        update={
            "allow_addresses": _EVERYWHERE,
            "plaintext": PlaintextException.model_construct(allow=_EVERYWHERE, reason="", until=date.max),
            "limits": EndpointLimits(concurrency=connections),
        }
    )
    return config, _context(target, client_tls(tls_files(desk, **tls)))


def opened(config: Any, context: ChannelContext) -> Outbound:
    """Return the sending side of the channel, to be entered."""
    from engine.registry import channel_type

    make = channel_type("dicom").outbound
    assert make is not None, "the channel dicom sends"
    return make(config, context)


def _of_project(
    desk: Desk, name: str, ae: str | None, calling: str | None, connections: int, types: Sequence[str]
) -> tuple[Any, ChannelContext]:
    from engine.config.load import load_configuration
    from engine.config.models import EndpointLimits
    from engine.errors import NotFound
    from engine.security.tls import TlsFiles, client_context

    if ae or calling:
        raise click.UsageError("an endpoint of the project has its own AE titles")
    loaded = load_configuration(desk.where.config, env=desk.where.env, environ=os.environ)
    partner, _, short = name.partition(".")
    found = loaded.partners[partner].endpoints.get(short) if partner in loaded.partners else None
    if found is None or found.type not in types:
        raise NotFound(f'{desk.where.config} has no DICOM endpoint "{name}"')
    tls = None
    if found.tls is not None:
        profile = loaded.app.tls[found.tls]
        placed = {
            part: None if path is None else loaded.root / path
            for part, path in (("cert", profile.cert), ("key", profile.key), ("ca", profile.ca))
        }
        tls = client_context(TlsFiles(**placed))
    found = found.model_copy(update={"limits": EndpointLimits(concurrency=connections)})
    return found, replace(_context(name, tls), folder=loaded.root)


def _context(name: str, tls: Any) -> ChannelContext:
    from engine.clock import SystemClock
    from engine.ids import IdSource
    from engine.spi import ChannelContext

    clock = SystemClock()
    logger = logging.getLogger("passerelle.cli.dicom")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return ChannelContext(
        name=name,
        clock=clock,
        logger=logger,
        counters=_Uncounted(),
        state=_Stateless(),
        folder=Path(),
        var=Path(tempfile.gettempdir()),
        new_id=IdSource(clock).next,
        tls=tls,
    )


class _Uncounted:
    """Nobody reads metrics of a command."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        return None

    def observe(self, name: str, value: float, **labels: str) -> None:
        return None


class _Stateless:
    """A command keeps nothing between its runs."""

    async def get(self, name: str) -> str | None:
        return None

    async def put(self, name: str, value: str) -> None:
        return None
