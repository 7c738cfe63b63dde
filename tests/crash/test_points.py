"""Every fault point of the code, struck at its 1st, 2nd and (in soak) 7th hit, and nothing lost (G1 to G5)."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.crash.changes_checker import counts, wrong
from tests.crash.checker import read_store
from tests.crash.points import SQLITE, marked, modules, points, sites
from tests.crash.project import Broker
from tests.crash.scenarios import SCENARIOS, scenario_of
from tests.crash.stage import Stage, staged
from tests.peers.rabbitmq import RabbitMQ
from tests.peers.smtp import smtp
from tests.power.shim import build

HITS = (1, 2, 7)
"""At which hits a point is struck: all of them in soak; else one, the first and the second in turns."""
STAGES = 3
_EFFECTS = re.compile(
    r"""\(["']COMMIT|\bos\.f(?:data)?sync\(|\bos\.(?:rename|replace|link)\(|\.rename\(|sendall\(|"""
    r"""transport\.write(?:lines)?\(|\.basic_(?:publish|ack|nack|reject)\(|\.pack_into\("""
)


def test_every_commit_fsync_rename_and_send_has_a_point() -> None:
    bare = []
    for name, path in modules():
        source = path.read_text(encoding="utf-8")
        covered = marked(name, source)[1].lines
        for number, line in enumerate(source.splitlines(), 1):
            if _EFFECTS.search(line) and number not in covered:
                bare.append(f"{path.name}:{number}: {line.strip()}")
    assert bare == []


def test_no_sql_file_commits_by_itself() -> None:
    folder = Path(__file__).parents[2] / "engine"
    assert [
        path.name for path in folder.rglob("*.sql") if re.search(r"^\s*COMMIT", path.read_text(), re.M)
    ] == []


def test_there_are_at_least_thirty_points_and_no_scenario_for_none() -> None:
    found = points()
    assert len(found) >= 30
    assert len(found) == len(set(found)) == 2 * (sum(map(len, sites().values())) + len(SQLITE))
    assert [prefix for prefix in SCENARIOS if not any(point.startswith(prefix) for point in found)] == []


async def test_nothing_is_lost_at_any_point(tmp_path: Path, shared_broker: RabbitMQ) -> None:
    strikes = [(point, HITS[number % 2]) for number, point in enumerate(points())]
    await _struck(tmp_path, shared_broker, strikes)


@pytest.mark.soak
async def test_nothing_is_lost_at_any_hit_of_any_point(tmp_path: Path, shared_broker: RabbitMQ) -> None:
    await _struck(tmp_path, shared_broker, [(point, hit) for point in points() for hit in HITS])


async def _struck(folder: Path, rabbit: RabbitMQ, strikes: Sequence[tuple[str, int]]) -> None:
    begun = time.monotonic()
    library = build(folder)
    waiting = asyncio.Queue[tuple[str, int]]()
    for strike in sorted(strikes, key=lambda strike: scenario_of(strike[0]).__name__):
        waiting.put_nowait(strike)
    async with smtp(None) as relay:
        stages = [
            _play(folder / f"stage-{number}", library, rabbit, relay.port, waiting)
            for number in range(STAGES)
        ]
        accepted = sum(await asyncio.gather(*stages))
    took = time.monotonic() - begun
    print(f"{len(strikes)} kills at {len(points())} points: {accepted} orders accepted, {took:.0f} s")
    assert accepted > len(strikes)


async def _play(
    folder: Path, library: Path, rabbit: RabbitMQ, relay: int, waiting: asyncio.Queue[tuple[str, int]]
) -> int:
    broker = Broker(rabbit.url, rabbit.fresh_name("in"), rabbit.fresh_name("out"))
    async with staged(folder, broker, relay, library, random.Random(folder.name)) as stage:
        while not waiting.empty():
            point, hit = waiting.get_nowait()
            await stage.strike(point, hit, scenario_of(point))
        await stage.settle()
        return await _judge(stage)


async def _judge(stage: Stage) -> int:
    report = await stage.report()
    print(report)
    assert report.sound, str(report)
    assert report.pending == 0
    # A body during whose routing the process died twice is set aside for a human, as promised; nothing else is dead.
    dead = read_store(stage.database).dead
    assert {duty.reason for duty in dead} <= {"poison"}
    poisoned = {duty.control_id.partition(" ")[0] for duty in dead}
    journals = await stage.journals()
    said = {
        **counts(journals),
        "repeated": stage.platform.repeated,
        "released": stage.operator.released.total(),
    }
    print(said)
    assert wrong(journals) == []
    assert stage.platform.wrong == []
    assert [what for what, count in said.items() if not count] == []
    out = {path.read_text().strip() for path in (stage.folder / "out").glob("*.json")}
    taken = {path.name for path in (stage.folder / "in/done").glob("m*.json")} - poisoned
    assert [name for name in taken if f'{{"n": {int(name[1:6])}}}' not in out] == []
    missing = stage.queued - await stage.arrived_in_queue()
    assert [number for number in missing if f"q{number}" not in poisoned] == []
    return report.accepted
