"""Names of segments' fields and of their components, for tools that show messages to people; read on first use.

The table `names.tsv` holds facts of the standard, versions 2.1 to 2.8; `tests/codecs/hl7v2/make_names.py` makes it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

VERSIONS: Final = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8")
_Row = tuple[int, int, str, str]


def field_name(segment: str, field: int, version: str = "2.5.1") -> str:
    """Return what field `segment`-`field` is called (`Patient identifier list`), "" when nobody knows."""
    return _row(segment, field, version)[1]


def field_type(segment: str, field: int, version: str = "2.5.1") -> str:
    """Return the data type of a field (`CX`), "" when nobody knows."""
    return _row(segment, field, version)[0]


def component_name(kind: str, component: int, version: str = "2.5.1") -> str:
    """Return what a component of the data type `kind` is called, "" when nobody knows."""
    return _row(f".{kind}", component, version)[1]


def component_type(kind: str, component: int, version: str = "2.5.1") -> str:
    """Return the data type of a component, "" when nobody knows."""
    return _row(f".{kind}", component, version)[0]


def _row(name: str, number: int, version: str) -> tuple[str, str]:
    """Return data type and name; a version that does not have the part gets those of the nearest one that has."""
    rows = _table().get((name, number))
    if not rows:
        return "", ""
    wanted = _index(version)
    _, _, kind, said = min(rows, key=lambda row: max(row[0] - wanted, wanted - row[1], 0))
    return kind, said


def _index(version: str) -> int:
    """Return the place of a version among `VERSIONS`; one that is not known counts as the one before it."""
    return max(0, sum(1 for known in VERSIONS if known <= version) - 1)


@cache
def _table() -> dict[tuple[str, int], list[_Row]]:
    table: dict[tuple[str, int], list[_Row]] = {}
    text = files("engine.codecs.hl7v2").joinpath("names.tsv").read_text("utf-8")
    for line in text.splitlines():
        name, number, first, last, kind, said = line.split("\t")
        table.setdefault((name, int(number)), []).append((int(first), int(last), kind, said))
    return table
