"""A delivery's row as a change of it must know it."""

from __future__ import annotations

from typing import NamedTuple


class Standing(NamedTuple):
    """Columns of settle.sql, `standing`.

    Everything but `blocked` and `overtaken` changes only together with `revision`: who compares the revision in the
    UPDATE may use what was known before.
    """

    revision: int
    state: int
    chain: int
    endpoint: int
    route: int
    destination: int
    lane: bytes | None
    holds: int
    blocked: int
    message: int
    generation: int
    open: int
    overtaken: int
    part: int
    bucket: int
    flags: int
