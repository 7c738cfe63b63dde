"""What every HTTP listener can be told: limits come with all listeners, how long a slow sender is borne is HTTP's."""

from __future__ import annotations

from datetime import timedelta

from channels._http.doors import is_door
from engine.config.models import Duration, ListenerConfig, StrictModel


class HttpTimeouts(StrictModel):
    """How long a sender may take before it is cut off."""

    head: Duration = timedelta(seconds=10)
    """From the first byte of a request, or from the connection's beginning, to the end of the head."""

    body: Duration = timedelta(seconds=60)
    """From the end of the head to the end of the body; also how long a sender may refuse to read its answer."""

    idle: Duration = timedelta(seconds=75)
    """How long a connection is kept without a request."""


class HttpListenerConfig(ListenerConfig):
    """A door that speaks HTTP/1.1."""

    timeouts: HttpTimeouts = HttpTimeouts()
    """How long slow senders are borne."""

    def selector_fault(self, selector: str) -> str:
        """Refuse what no request can ask for."""
        if not selector or is_door(selector):
            return ""
        return f'"{selector}" is no door: write POST, PUT or PATCH, a blank and a path'
