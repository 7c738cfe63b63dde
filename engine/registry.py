"""Finds channel types by name: a module `channels.<name>` first, then the entry-point group `passerelle.channels`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points

from engine.errors import NotFound
from engine.spi import ChannelType

ENTRY_POINTS = "passerelle.channels"


@cache
def channel_names() -> tuple[str, ...]:
    """Return the names of all channel types that can be used, sorted, without importing them."""
    package = importlib.import_module("channels")
    if not getattr(package, "PASSERELLE_CHANNELS", False):
        raise NotFound(
            "the package `channels` is not Passerelle's (Django Channels bears the same name): "
            "install Passerelle in an environment of its own"
        )
    own = {
        module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")
    }
    return tuple(sorted(own | {point.name for point in entry_points(group=ENTRY_POINTS)}))


@cache
def channel_type(name: str) -> ChannelType:
    """Import and return the channel type `name`; NotFound when there is none."""
    if name not in channel_names():
        raise NotFound(f"no channel type {name!r}; there are {', '.join(channel_names())}")
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == name:
            found = point.load()
            break
    else:
        found = importlib.import_module(f"channels.{name}").CHANNEL
    if not isinstance(found, ChannelType) or found.name != name:
        raise NotFound(f"channels.{name} offers no CHANNEL of that name")
    return found
