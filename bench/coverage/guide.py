"""What the HL7 v2-to-FHIR guide gives a target: read from its mapping tables, by message structure.

Source: HL7 Version 2 to FHIR, mapping guidelines (CC0), tables of messages, segments and data types.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_SEGMENT_PLACE: Final = re.compile(r"[A-Z][A-Z0-9]{2}-\d+(\.\d+)?")
_TYPE_PLACE: Final = re.compile(r"[A-Z]{2,3}\.(\d+)")
_SHEET: Final = re.compile(r"R4_ (.+?) ?- [^-]+\.csv$")
_IDENTIFIER, _TARGET, _TYPE_MAP = 1, 9, 14
_MESSAGE_TARGET, _SEGMENT_MAP = 9, 10
_NOTHING: Final = frozenset({"", "local implementation", "N/A"})

STRUCTURES: Final[Mapping[str, str]] = {
    **{f"SIU^S{number}": "SIU_S12" for number in range(12, 27)},
    **{f"ADT^A{number}": "ADT_A01" for number in ("01", "03", "04", "08", "13")},
    **{f"ADT^A{number}": "ADT_A05" for number in ("05", "14", "28", "31")},
    **{f"ADT^A{number}": "ADT_A06" for number in ("06", "07")},
    "ADT^A02": "ADT_A02",
    "ADT^A11": "ADT_A11",
    "ORU^R01": "ORU_R01",
    "ORM^O01": "ORM_O01",
    "OML^O21": "OML_O21",
}
"""Message types and the sheet of the guide that covers them; A03 has none, and follows A01 whose segments it has."""


@dataclass(frozen=True, slots=True)
class Guide:
    """The tables by the name of their sheet, such as `PID[Patient]`."""

    messages: Mapping[str, Path]
    segments: Mapping[str, Path]
    types: Mapping[str, Path]

    @classmethod
    def of(cls, folder: Path) -> Guide:
        """Find the sheets below `mappings/`."""
        return cls(*(_sheets(folder / kind) for kind in ("messages", "segments", "datatypes")))

    def places(self, kind: str) -> frozenset[str]:
        """Return the places of a message type that have a target: `PID-8`, `PID-3.4`; none where the guide is silent.

        A field whose data type has a table of its own stands for those of its components that have a target there.
        """
        sheet = self.messages.get(STRUCTURES.get(kind, ""))
        if sheet is None:
            return frozenset()
        maps = {row[_SEGMENT_MAP].strip() for row in _rows(sheet) if len(row) > _SEGMENT_MAP}
        return frozenset(place for each in maps for place in self._of_segment(each))

    def _of_segment(self, name: str) -> Iterator[str]:
        path = self.segments.get(name)
        for row in _rows(path) if path else ():
            place = row[_IDENTIFIER].strip()
            if _SEGMENT_PLACE.fullmatch(place) and row[_TARGET].strip() not in _NOTHING:
                yield from self._leaves(place, row[_TYPE_MAP].strip() if len(row) > _TYPE_MAP else "")

    def _leaves(self, place: str, mapped_by: str) -> Iterator[str]:
        path = self.types.get(mapped_by)
        components = {
            found[1]
            for row in (_rows(path) if path else ())
            if len(row) > _TARGET
            and (found := _TYPE_PLACE.fullmatch(row[_IDENTIFIER].strip()))
            and row[_TARGET].strip() not in _NOTHING
        }
        if "." in place or not components:
            yield place
        else:
            yield from (f"{place}.{component}" for component in components)


def _sheets(folder: Path) -> Mapping[str, Path]:
    found = ((path, _SHEET.search(path.name)) for path in sorted(folder.glob("*.csv")))
    return {match[1].strip(): path for path, match in found if match}


@cache
def _rows(path: Path) -> Sequence[Sequence[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row for row in csv.reader(file) if len(row) > _TARGET]
