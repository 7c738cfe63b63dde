"""Which codec a document has after a `map`: what its mapper makes, or the side that it leads to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config.nodes import ListNode, MapNode, Node
from engine.config.two_way import two_way
from engine.errors import ConfigurationError
from engine.steps.two_way import CODECS, SIDES

MAPPED_CODEC = "json"
"""What a one-way mapper makes."""


@dataclass(frozen=True, slots=True)
class Said:
    """A `map` as it is written, as far as the codec of what it makes hangs on it."""

    mapper: str
    source: str | None = None
    target: str | None = None

    @classmethod
    def of(cls, config: Any) -> Said:
        """Read a validated configuration of the step `map`."""
        return cls(config.mapper, config.from_, config.to)

    @classmethod
    def written(cls, node: Node) -> Said:
        """Read the step's node in a file."""
        if not isinstance(node, MapNode):
            return cls(str(node))
        said = {key: str(value) for key, value in node.items()}
        return cls(said.get("mapper", ""), said.get("from"), said.get("to"))


def codec_after(root: Path, said: Said, codec: str) -> str:
    """Return the codec of what a `map` makes of a document; what cannot be told is told elsewhere."""
    if said.target is not None and said.target in CODECS:
        return CODECS[said.target]
    try:
        mapper = two_way(root, said.mapper)
    except ConfigurationError:
        return MAPPED_CODEC
    if mapper is None:
        return MAPPED_CODEC
    others = mapper.sides - {said.source or SIDES.get(codec, "")}
    return CODECS[next(iter(others))] if len(others) == 1 else MAPPED_CODEC


def codec_through(root: Path, steps: Iterable[Mapping[str, Any]], codec: str) -> str:
    """Return the codec of a document after validated steps."""
    for step in steps:
        if "map" in step:
            codec = codec_after(root, Said.of(step["map"]), codec)
    return codec


def codec_past(root: Path, steps: Node | None, codec: str, until: int | None) -> str:
    """Return the codec of a document after the first `until` steps of a file's list (None: after all)."""
    for step in steps[:until] if isinstance(steps, ListNode) else ():
        if isinstance(step, MapNode) and "map" in step:
            codec = codec_after(root, Said.written(step["map"]), codec)
    return codec
