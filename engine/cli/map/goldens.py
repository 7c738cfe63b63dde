"""Runs the golden folders of a mapper both ways: `mappings/golden/MAPPER/NAME/`, with a document of each side.

`scope.json` beside them is what computed values read: `meta`, `sender`, `partner`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.cli.changes import Picture, changes
from engine.cli.map.documents import CODECS, given, scope_of, written
from engine.errors import Rejected
from engine.mapping.two_way import TwoWayMapper
from engine.spi import Scope

FILES: Final = {
    "v2": "message.hl7",
    "event": "event.json",
    "fhir": "fhir.json",
    "json": "document.json",
    "dicom": "dicom.json",
}
SCOPE: Final = "scope.json"
_SHOWN: Final = 5
"""Differences of one document that are told; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Golden:
    """One folder with the documents that it holds, by side."""

    folder: Path
    sides: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.folder.name


def goldens(root: Path, mapper: str) -> Sequence[Golden]:
    """Return a mapper's golden folders, the project's first, then those that are shipped."""
    from engine.config.shipped import folders

    found: dict[str, Golden] = {}
    for place in folders(root, "mappings"):
        for folder in sorted((place / "golden" / mapper).glob("*/")):
            sides = tuple(side for side, file in FILES.items() if (folder / file).is_file())
            if sides:
                found.setdefault(folder.name, Golden(folder, sides))
    return list(found.values())


def differences(mapper: TwoWayMapper, golden: Golden) -> Iterator[str]:
    """Yield what differs, as sentences with paths; values are those of the golden files, which are invented.

    The message must come back byte for byte, the event must be read from each side and FHIR or JSON be made of it.
    What FHIR does not carry of the event is no difference on the way back; whatever it says must be right.
    """
    event = _event(golden)
    for side in ("v2", "fhir", "json", "dicom"):
        if side in golden.sides and side in mapper.sides:
            try:
                yield from _of_side(mapper, golden, side, event)
            except Rejected as error:
                yield f"{FILES[side]}: {error}"


def _of_side(mapper: TwoWayMapper, golden: Golden, side: str, event: dict[str, Any] | None) -> Iterator[str]:
    source = given(golden.folder / FILES[side], side)[0].root
    decoded = mapper.get(side, source)
    if event is not None and (side == "v2" or mapper.sides == {"event", side}):
        told = f"event.json, read from {FILES[side]}"
        yield from _told(told, _json("event", event), _json("event", decoded.data))
    if event is not None and side != "v2":
        made = mapper.put(side, event, scope=_scope(mapper, golden, event))
        yield from _told(f"{FILES[side]}, made of event.json", _json(side, source), _json(side, made))
    again = Picture(CODECS[side], written(side, mapper.put(side, decoded.data, decoded.complement)))
    yield from _told(f"{FILES[side]}, there and back", Picture(CODECS[side], written(side, source)), again)


def _scope(mapper: TwoWayMapper, golden: Golden, event: dict[str, Any]) -> Scope:
    path = golden.folder / SCOPE
    return scope_of(path if path.is_file() else None, None, "", mapper.event_type(event))


def _event(golden: Golden) -> dict[str, Any] | None:
    if "event" not in golden.sides:
        return None
    root = given(golden.folder / FILES["event"], "event")[0].root
    return root if isinstance(root, dict) else None


def _json(side: str, root: Any) -> Picture:
    """Return a JSON document whose keys are in order: their order tells nothing."""
    ordered = json.dumps(json.loads(written(side, root), parse_float=str), sort_keys=True)
    return Picture(CODECS[side], ordered.encode())


def _told(what: str, wanted: Picture, found: Picture) -> Iterator[str]:
    differ = changes(wanted, found)
    for each in differ[:_SHOWN]:
        yield f"{what}: {each.path}: expected {_shown(each.before)}, found {_shown(each.after)}"
    if len(differ) > _SHOWN:
        yield f"{what}: and {len(differ) - _SHOWN} more"
    if not differ and wanted.codec == CODECS["v2"] and wanted.data != found.data:
        at = next(
            (at for at, pair in enumerate(zip(wanted.data, found.data, strict=False)) if pair[0] != pair[1]),
            0,
        )
        yield f"{what}: the fields are the same, the bytes differ from byte {at}"


def _shown(text: str | None) -> str:
    return "nothing" if text is None else text
