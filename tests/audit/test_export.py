"""An export is the same bytes for the same rows, and shows any change."""

from __future__ import annotations

from typing import Any

import pytest

from engine.audit.export import Export, canonical, is_whole


def export() -> list[dict[str, Any]]:
    lines = Export()
    rows = [lines.row({"sequence": number, "detail": f"row {number}"}) for number in (1, 2, 3)]
    head = Export().head(after=0, at="2026-11-02T14:00:00Z")
    return [head, *rows, lines.tail(root=b"\x01", broken_at=None)]


def whole() -> list[dict[str, Any]]:
    lines = Export()
    head = lines.head(after=0, at="2026-11-02T14:00:00Z")
    rows = [lines.row({"sequence": number, "detail": f"row {number}"}) for number in (1, 2, 3)]
    return [head, *rows, lines.tail(root=b"\x01", broken_at=None)]


def test_a_line_is_canonical_json() -> None:
    assert canonical({"b": 1, "a": "é\n", "c": None}) == '{"a":"é\\n","b":1,"c":null}\n'.encode()


def test_an_untouched_export_is_whole() -> None:
    assert is_whole(whole())


@pytest.mark.parametrize("missing", [0, 1, 3, 4])
def test_an_export_without_one_of_its_lines_is_not(missing: int) -> None:
    lines = whole()
    del lines[missing]
    assert not is_whole(lines)


def test_a_changed_row_shows() -> None:
    lines = whole()
    lines[2] = {**lines[2], "detail": "row two"}
    assert not is_whole(lines)


def test_rows_in_another_order_show() -> None:
    lines = whole()
    lines[1], lines[2] = lines[2], lines[1]
    assert not is_whole(lines)


def test_the_head_is_part_of_the_proof() -> None:
    assert not is_whole(export())


def test_what_may_identify_a_person_is_masked() -> None:
    row = Export().row({"sequence": 1, "detail": "asked by jean@example.org"})
    assert row["detail"] == "asked by [masked]"
