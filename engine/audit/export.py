"""Exports the journal as lines of RFC 8785 JSON: the same rows are the same bytes, wherever and whenever exported.

The first line says what follows; the last holds the count, the SHA-256 of all lines before it, and the chain's root.
Rows hold pseudonymous ids only, so an export may leave the house with the journal's own rights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785

from engine.audit.redaction import redacted

FORMAT = "passerelle-journal"
VERSION = 1


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return a JSON object in canonical form and a line end.

    Source: RFC 8785 (JSON Canonicalization Scheme) 3.2.
    """
    return rfc8785.dumps(dict(value)) + b"\n"


class Export:
    """Makes the lines of one export in order: `head`, `row` for each, `tail`; knows the digest so far."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.rows = 0

    def head(self, *, after: int, at: str | None) -> dict[str, Any]:
        """Return the first line: `after` is the sequence that the rows follow, `at` the time of the export."""
        return self._counted({"format": FORMAT, "version": VERSION, "after": after, "exported": at})

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row's line."""
        self.rows += 1
        return self._counted({**row, "detail": redacted(row["detail"]) if row["detail"] else None})

    def tail(self, *, root: bytes, broken_at: int | None) -> dict[str, Any]:
        """Return the last line; `root` is the chain's, `broken_at` the first commit that does not fit."""
        return {
            "rows": self.rows,
            "sha256": self._digest.hexdigest(),
            "root": root.hex(),
            "broken_at": broken_at,
        }

    def _counted(self, line: dict[str, Any]) -> dict[str, Any]:
        self._digest.update(canonical(line))
        return line


def is_whole(lines: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the lines of an export are all there and as they were written."""
    if len(lines) < 2 or lines[0].get("format") != FORMAT:
        return False
    digest = hashlib.sha256(b"".join(canonical(line) for line in lines[:-1])).hexdigest()
    return lines[-1].get("rows") == len(lines) - 2 and lines[-1].get("sha256") == digest
