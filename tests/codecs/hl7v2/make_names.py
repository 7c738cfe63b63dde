"""Write the names of segments and fields into `engine/codecs/hl7v2/names.tsv`: facts, taken from hl7apy's tables.

    .venv/bin/pip install hl7apy && .venv/bin/python -m tests.codecs.hl7v2.make_names

One line per field of a segment (`PID`) or component of a data type (`.CX`): number, first and last version (as
indexes of `VERSIONS`), data type, name. hl7apy is MIT licensed and needed for this only.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from engine.codecs.hl7v2.names import VERSIONS

TARGET = Path(__file__).parents[3] / "engine" / "codecs" / "hl7v2" / "names.tsv"
CAPITALS = {
    "ID",
    "SSN",
    "VIP",
    "DNR",
    "NDC",
    "DRG",
    "PMU",
    "UPIN",
    "HMO",
    "URL",
    "UB82",
    "UB92",
    "EDI",
    "NPI",
    "II",
}


Struct = tuple[int, str, str]


def structs_of(version: str) -> dict[str, list[Struct]]:
    """Return the parts (number, data type, name) of each segment, and of each data type under a point (`.CX`)."""
    package = f"hl7apy.v{version.replace('.', '_')}"
    segments: dict[str, Any] = importlib.import_module(f"{package}.segments").SEGMENTS
    types: dict[str, Any] = importlib.import_module(f"{package}.datatypes").DATATYPES_STRUCTS
    found = {name: struct[1] for name, struct in segments.items() if len(name) == 3 and len(struct) > 1}
    found |= {f".{name}": struct for name, struct in types.items()}
    return {
        name: [part for child in struct if isinstance(child, tuple) and (part := part_of(child))]
        for name, struct in found.items()
    }


def part_of(child: Any) -> Struct | None:
    number = child[0].rpartition("_")[2] if isinstance(child[0], str) else ""
    return (int(number), child[1][2] or "", words(child[1][3] or "")) if number.isdigit() else None


def words(name: str) -> str:
    """`SET_ID_PID` as `Set ID PID`: as people read it."""
    parts = name.replace("_S_", "'s_").split("_")
    shown = [part if part in CAPITALS else part.lower() for part in parts if part]
    text = " ".join(shown)
    return text[:1].upper() + text[1:]


def main() -> None:
    known: dict[tuple[str, int], list[tuple[int, str, str]]] = {}
    for index, version in enumerate(VERSIONS):
        for name, parts in structs_of(version).items():
            for number, kind, said in parts:
                known.setdefault((name, number), []).append((index, kind, said))
    lines = ["".join(runs(place, rows)) for place, rows in sorted(known.items())]
    TARGET.write_text("".join(lines), encoding="utf-8")
    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")


def runs(place: tuple[str, int], rows: list[tuple[int, str, str]]) -> list[str]:
    """Return one line per run of versions in which a part is the same."""
    lines: list[str] = []
    start = 0
    for end in range(1, len(rows) + 1):
        if end < len(rows) and rows[end][1:] == rows[start][1:]:
            continue
        first, kind, said = rows[start]
        lines.append(f"{place[0]}\t{place[1]}\t{first}\t{rows[end - 1][0]}\t{kind}\t{said}\n")
        start = end
    return lines


if __name__ == "__main__":
    main()
