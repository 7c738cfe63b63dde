"""A decoded JSON message: its data, and the CloudEvents attributes around it where there are any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CODEC_NAME = "json"


@dataclass(slots=True)
class JsonDocument:
    """`root` is any JSON value: dict, list, str, int, Decimal, bool or None, without a float.

    For a CloudEvent `root` is the event's data and `envelope` its other attributes, as the sender wrote them.
    """

    root: Any
    envelope: Mapping[str, Any] | None = None
    codec: str = CODEC_NAME

    def copy(self) -> JsonDocument:
        """Return an independent copy; leaves are immutable and shared, the envelope is never changed in place."""
        return JsonDocument(copied(self.root), self.envelope, self.codec)


def copied(value: Any) -> Any:
    """Return `value` with every dict and list in it made anew."""
    kind = type(value)
    if kind is dict:
        return {
            key: copied(item) if type(item) is dict or type(item) is list else item
            for key, item in value.items()
        }
    if kind is list:
        return [copied(item) if type(item) is dict or type(item) is list else item for item in value]
    return value
