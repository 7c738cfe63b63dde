"""The power goes at any moment: what was acknowledged is there, and what was settled stays settled (G1, G5)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.power.campaign import REPOSITORY, Verdict, record, replay
from tests.power.shim import build

_PRAGMA = "engine/store/sqlite/connection.py"
_SYNCHRONOUS = ('"synchronous": "2"', "PRAGMA synchronous = FULL")


async def test_five_thousand_power_cuts_lose_nothing(tmp_path: Path) -> None:
    short = await _verdict(tmp_path / "short", accepted=150, states=4_200)
    long = await _verdict(tmp_path / "long", accepted=500, states=1_000)
    for verdict in (short, long):
        assert not verdict.complaints, str(verdict)
        assert verdict.large > 0
    assert short.states + long.states >= 5_000
    assert long.acknowledged >= 500


@pytest.mark.soak
async def test_fifty_thousand_power_cuts_lose_nothing(tmp_path: Path) -> None:
    sizes = [(250, 10_000)] * 4 + [(800, 6_000), (1_600, 6_000)]
    verdicts = [
        await _verdict(tmp_path / str(number), accepted=accepted, states=states)
        for number, (accepted, states) in enumerate(sizes)
    ]
    assert [str(each) for each in verdicts if each.complaints] == []
    assert sum(each.states for each in verdicts) >= 50_000


@pytest.mark.parametrize(
    ("file", "patches", "complaint"),
    [
        (_PRAGMA, [(_SYNCHRONOUS[0], '"synchronous": "1"'), (_SYNCHRONOUS[1], "PRAGMA synchronous = NORMAL")], "lost"),
        (_PRAGMA, [(_SYNCHRONOUS[0], '"synchronous": "0"'), (_SYNCHRONOUS[1], "PRAGMA synchronous = OFF")], "lost"),
        ("engine/store/sqlite/files.py", [("        os.fsync(file.fileno())\n", "")], "content"),
    ],
    ids=["synchronous-normal", "synchronous-off", "body-file-without-fsync"],
)  # fmt: skip
async def test_an_engine_that_syncs_less_is_caught(
    tmp_path: Path, file: str, patches: Sequence[tuple[str, str]], complaint: str
) -> None:
    product = _patched(tmp_path / "product", file, patches)
    verdict = await _verdict(tmp_path / "run", accepted=60, states=200, product=product)
    assert verdict.complaints[complaint] > 0, str(verdict)


async def _verdict(folder: Path, *, accepted: int, states: int, product: Path = REPOSITORY) -> Verdict:
    library = await asyncio.to_thread(_prepared, folder)
    log = await record(folder, library, accepted=accepted, product=product)
    verdict = await asyncio.to_thread(replay, log, states)
    print(verdict)
    return verdict


def _prepared(folder: Path) -> Path:
    folder.mkdir()
    return build(folder)


def _patched(folder: Path, file: str, patches: Sequence[tuple[str, str]]) -> Path:
    """Copy the product and change one file of it."""
    for room in ("engine", "channels"):
        shutil.copytree(REPOSITORY / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / file
    text = path.read_text(encoding="utf-8")
    for old, new in patches:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return folder
