"""The replayed disk: what a cut leaves, and when two cuts leave the same."""

from __future__ import annotations

import random

from tests.power.disk import Disk, Survives
from tests.power.recording import Record

_BEGUN = (
    Record("C", "a", 0, b""),
    Record("W", "a", 0, b"x" * 1024),
    Record("S", "a", 0, b""),
    Record("D", ".", 0, b""),
)
_GOES_ON = (
    *(Record("W", "a", 512 * place, bytes([65 + place]) * 1024) for place in range(6)),
    Record("S", "a", 0, b""),
    Record("W", "a", 100, b"z" * 600),
    Record("T", "a", 700, b""),
)


def _disk(*records: Record) -> Disk:
    disk = Disk()
    for record in records:
        disk.apply(record)
    return disk


def _content(disk: Disk, survives: Survives) -> dict[str, bytes]:
    return {left.name: bytes(left.content()) for left in disk.state(survives, random.Random(1))}


def test_what_was_synced_is_there_and_what_was_not_may_be() -> None:
    disk = _disk(*_BEGUN, Record("W", "a", 0, b"y"))
    assert _content(disk, Survives.NONE) == {"a": b"x" * 1024}
    assert _content(disk, Survives.ALL) == {"a": b"y" + b"x" * 1023}


def test_a_name_is_lost_until_its_folder_was_synced() -> None:
    disk = _disk(*_BEGUN[:3])
    assert _content(disk, Survives.NONE) == {}
    assert _content(disk, Survives.ALL) == {"a": b"x" * 1024}


def test_a_torn_write_is_there_up_to_a_sector() -> None:
    disk = _disk(*_BEGUN, Record("W", "a", 0, b"y" * 1024))
    rng = random.Random(1)
    found = {bytes(left.content()) for _ in range(100) for left in disk.state(Survives.TORN, rng)}
    assert found == {b"y" * end + b"x" * (1024 - end) for end in (0, 512, 1024)}


def test_equal_keys_mean_equal_content() -> None:
    disk, rng = _disk(*_BEGUN), random.Random(2)
    seen: dict[tuple[int, ...], set[bytes]] = {}
    for record in _GOES_ON:
        disk.apply(record)
        for survives in (*Survives, *[Survives.TORN] * 50):
            for left in disk.state(survives, rng):
                seen.setdefault(left.key, set()).add(bytes(left.content()))
    assert len(seen) > 40
    assert {len(contents) for contents in seen.values()} == {1}
