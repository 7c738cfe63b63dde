"""Tables of codes: read, checked, and turned into look-ups for each side."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from typing import Any

from engine.mapping.faults import Faults, key_mark
from engine.mapping.rules import Table


def read_tables(
    nodes: Mapping[str, Any], faults: Faults, read: Collection[tuple[str, str]] = ()
) -> dict[str, Table]:
    """Return the tables of a mapper; a v2 code with two meanings is a fault.

    `read` are the (table, column) pairs that computed values read: such a column may have any name.
    """
    return {
        name: _table(
            name,
            node,
            {"v2", "fhir", "json", "dicom"} | {column for one, column in read if one == name},
            faults,
        )
        for name, node in nodes.items()
    }


def _table(name: str, node: Any, columns: Set[str], faults: Faults) -> Table:
    rows: dict[str, dict[str, tuple[str, ...]]] = {}
    seen: dict[str, str] = {}
    if not isinstance(node, Mapping):
        faults.add(node, "a table is {event code: {v2: code, fhir: code}}")
        return Table(name, rows)
    for code, row in node.items():
        if code == "open":
            continue
        if not isinstance(row, Mapping) or set(row) - columns:
            faults.add(row, f"a row is {{v2: code, fhir: code}}; {code} has none of these")
            continue
        rows[code] = {
            "json" if side == "dicom" else side: _codes(value, faults) for side, value in row.items()
        }
        for one in rows[code].get("v2", ()):
            if one in seen:
                faults.add(
                    key_mark(node, code), f"the v2 code {one} has two meanings: {seen[one]} and {code}"
                )
            seen[one] = code
    is_open = str(node.get("open", "false")) == "true"
    for code in rows if is_open else ():
        if seen.get(code, code) != code:
            faults.add(
                key_mark(node, code),
                f"{code} is the v2 code of {seen[code]}: in an open table it cannot be an event code, too",
            )
    return Table(name, rows, is_open)


def _codes(node: Any, faults: Faults) -> tuple[str, ...]:
    codes = (
        (str(node),)
        if isinstance(node, str)
        else tuple(map(str, node))
        if isinstance(node, list | tuple)
        else ()
    )
    if not codes or "" in codes:
        faults.add(node, "a code, or a list of codes, is needed here")
    return codes


def check_columns(table: Table, side: str, mark: Any, faults: Faults) -> None:
    """Tell the rows that lack a column for a side on which the table is used."""
    lacking = sorted(code for code, row in table.rows.items() if side not in row)
    if lacking:
        faults.add(
            mark,
            f"table {table.name} has no {side} code for {', '.join(lacking[:5])}",
            help="add the column, or leave the rule's path of that side out",
        )
