"""Which codecs read the messages of a route: as its listeners say, else as their channels suggest."""

from __future__ import annotations

from collections.abc import Mapping

from engine.config.loaded import Loaded, LoadedRoute
from engine.config.mapped import codec_through
from engine.config.models import ListenerConfig
from engine.config.route import EndpointText, RouteConfig, ToRoute

DEFAULT_CODEC = "json"
"""What a listener reads where nobody says."""

HL7 = "hl7v2"
"""The codec whose messages have types (`accept: {types}`)."""

DICOM = "dicom"
"""The codec of DICOM instances."""

_NATURAL: Mapping[str, str] = {"mllp": HL7, "dicom": DICOM, "dicomweb": DICOM}
"""What a channel's listeners read where they do not say."""

_ANSWERS: Mapping[str, str] = {"mllp": HL7}
"""What a channel's endpoints answer."""

_BY_SUFFIX = {".hl7": HL7, ".dcm": DICOM}
"""What a folder's files are where the listener says only what they are called."""


def said_codec(listener: ListenerConfig) -> str | None:
    """Return what a listener reads, None where each message says it by its content type."""
    return listener.codec or _NATURAL.get(listener.type) or _of_files(listener)


def codecs_at_doors(loaded: Loaded, route: RouteConfig) -> list[str]:
    """Return the codec of the messages at each of a route's doors, in their order."""
    listeners = loaded.app.listen
    doors = [(listeners[door.listener], door.selector) for door in route.doors if door.listener in listeners]
    return [
        listener.codec_at(selector) or said_codec(listener) or DEFAULT_CODEC for listener, selector in doors
    ]


def codecs_of(loaded: Loaded, route: LoadedRoute) -> set[str]:
    """Return the codecs that a route is compiled for: those at its doors, and of what other routes hand on to it."""
    return _codecs_of(loaded, route, frozenset()) or {DEFAULT_CODEC}


def _codecs_of(loaded: Loaded, route: LoadedRoute, above: frozenset[str]) -> set[str]:
    found = set(codecs_at_doors(loaded, route.config))
    for caller in loaded.routes:
        if caller.name not in above and any(
            isinstance(entry, ToRoute) and entry.route == route.name for entry in caller.config.to
        ):
            before = _codecs_of(loaded, caller, above | {route.name})
            found |= {codec_through(loaded.root, caller.config.steps, codec) for codec in before}
    return found


def answer_codec(loaded: Loaded, route: RouteConfig) -> str:
    """Return the codec of what a route's destination answers: its endpoint's channel says it."""
    endpoints = [destination.endpoint for destination in route.destinations()]
    for name, partner in loaded.partners.items():
        for endpoint in endpoints:
            found = partner.endpoints.get(endpoint.short)
            if found is not None and endpoint.partner in (None, name):
                return _ANSWERS.get(found.type, DEFAULT_CODEC)
    return DEFAULT_CODEC


def reply_codecs(loaded: Loaded, endpoint: EndpointText) -> set[str]:
    """Return the codecs that the answers of an endpoint may have; `{partner}.oru` stands for many."""
    found = {
        reply_codec(loaded, f"{name}.{endpoint.short}")
        for name, partner in loaded.partners.items()
        if endpoint.partner in (None, name) and endpoint.short in partner.endpoints
    }
    return found or {DEFAULT_CODEC}


def reply_codec(loaded: Loaded, name: str) -> str:
    """Return the codec of the answers of `partner.endpoint`."""
    partner, _, short = name.rpartition(".")
    written = loaded.partners.get(partner)
    found = written.endpoints.get(short) if written else None
    return _ANSWERS.get(found.type, DEFAULT_CODEC) if found is not None else DEFAULT_CODEC


def _of_files(listener: ListenerConfig) -> str | None:
    wanted = str(getattr(listener, "match", ""))
    return next((codec for suffix, codec in _BY_SUFFIX.items() if wanted.lower().endswith(suffix)), None)
