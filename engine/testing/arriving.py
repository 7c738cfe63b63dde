"""Makes the messages of golden tests as a listener's channel would hand them in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.codecs import codec
from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from engine.config.formats import HL7
from engine.config.models import ListenerConfig
from engine.config.route import Door
from engine.model import Message
from engine.runtime.receiving.standing_in import message_at, reader_at
from engine.testing.cases import Arrival


def arriving(
    arrival: Arrival, door: Door, listener: ListenerConfig, folder: Path, *, id: str, now_ms: int
) -> Message:
    """Return the message that an arrival stands for; its file lies below `folder`."""
    reader = reader_at(listener, door, arrival.file.name)
    return message_at(
        listener,
        door,
        _content(folder / arrival.file, arrival.set, reader),
        reader=reader,
        id=id,
        now_ms=now_ms,
        file=arrival.file.name,
        control_id=arrival.control_id,
    )


def _content(path: Path, changed: Mapping[str, str], reader: str) -> bytes:
    content = path.read_bytes()
    if not changed:
        return content
    if reader == HL7:
        root = parse(content)
        for place, value in changed.items():
            codec(HL7).path(place).set(root, value)
        return write(root)
    return _changed_json(content, changed)


def _changed_json(content: bytes, changed: Mapping[str, str]) -> bytes:
    root: Any = json.loads(content)
    for dotted, value in changed.items():
        *parents, last = dotted.split(".")
        node = root
        for name in parents:
            node = node[int(name)] if isinstance(node, list) else node[name]
        node[last] = value
    return json.dumps(root).encode()
