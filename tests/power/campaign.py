"""Records a running engine, then cuts its power at every boundary and judges what is left."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.crash.child import Child, await_ready
from tests.crash.project import Ports, write_project
from tests.crash.receiver import Receiver, listening
from tests.crash.sender import Sender
from tests.peers.ports import free_port
from tests.power.disk import Disk, Survives
from tests.power.judging import complaints
from tests.power.recording import Record, Witness, read
from tests.power.shim import environment

REPOSITORY = Path(__file__).parents[2]
WORKERS = 2
_CHANGES = "CWTSDURM"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the states of one recording said."""

    states: int
    acknowledged: int
    large: int
    complaints: Counter[str] = field(default_factory=Counter)
    examples: Sequence[str] = ()
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.states} states of {self.acknowledged} acknowledged messages, {self.large} body files: "
            f"{dict(self.complaints) or 'no complaint'} ({self.states / max(0.01, self.seconds):.0f} states/s)"
            + "".join(f"\n  {each}" for each in self.examples)
        )


async def record(folder: Path, library: Path, *, accepted: int, product: Path = REPOSITORY) -> Path:
    """Run an engine under the shim until so many orders were accepted; return the log.

    `product` is where the engine's code lies: a patched copy serves as a control.
    """
    ports = Ports(free_port(), free_port())
    config = write_project(folder, ports, longest_ms=100)
    (folder / "var").mkdir()
    log = folder / "shim.log"
    command = [sys.executable, "-c", _START.format(product=str(product))]
    child = Child(config, command=command, environ=environment(library, folder / "var", log=log))
    rng = random.Random(7)
    sender = Sender(ports.engine, folder / "sent", connections=6, rng=rng, large_share=0.06)
    receiver = Receiver(folder / "tried", rng=rng)
    stop, enough = asyncio.Event(), asyncio.Event()
    sender.heard = lambda: enough.set() if sender.accepted >= accepted else None
    child.start()
    try:
        await asyncio.to_thread(await_ready, child)
        async with listening(receiver, ports.receiver), asyncio.TaskGroup() as group:
            group.create_task(sender.run(stop))
            async with asyncio.timeout(120):
                await enough.wait()
            stop.set()
        child.running.send_signal(signal.SIGKILL)
        child.running.wait()
    finally:
        child.end()
        sender.close()
    return log


_START = "import sys; sys.path.insert(0, {product!r}); from engine.cli import main; main()"


@dataclass(frozen=True, slots=True)
class _Slice:
    """One worker's share: every `step`-th chosen boundary from `first` on."""

    log: Path
    boundaries: tuple[int, ...]
    seed: int


def replay(log: Path, states: int, *, seed: int = 1) -> Verdict:
    """Judge so many states, spread evenly over the boundaries of a recording and the four ways to survive."""
    begun = time.monotonic()
    records = list(read(log))
    marks = [number for number, each in enumerate(records) if each.op in _CHANGES]
    wanted = -(-states // len(Survives))
    chosen = [marks[number * len(marks) // wanted] for number in range(wanted)]
    shares = [_Slice(log, tuple(chosen[worker::WORKERS]), seed + worker) for worker in range(WORKERS)]
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        found = list(pool.map(_judge_slice, shares))
    counted: Counter[str] = Counter()
    for each in found:
        counted.update(text.partition(":")[0] for text in each)
    witness = Witness()
    for each_record in records:
        if each_record.op == "K":
            witness.hear(each_record.data)
    large = sum(record.op == "R" for record in records)
    return Verdict(
        states=len(chosen) * len(Survives),
        acknowledged=len(witness.promised().acknowledged),
        large=large,
        complaints=counted,
        examples=[text for each in found for text in each][:10],
        seconds=time.monotonic() - begun,
    )


def _judge_slice(share: _Slice) -> list[str]:
    with asyncio.Runner() as runner:
        return runner.run(_judged(share))


async def _judged(share: _Slice) -> list[str]:
    """Walk through the recording once, and cut the power at each boundary in all ways."""
    rng = random.Random(share.seed)
    disk, witness, found = Disk(), Witness(), list[str]()
    at = 0
    records = list(read(share.log))
    for boundary in sorted(share.boundaries):
        for record in records[at : boundary + 1]:
            _follow(disk, witness, record)
        at = boundary + 1
        for survives in Survives:
            state = tempfile.mkdtemp(dir=_memory(), prefix="power-")
            try:
                await asyncio.to_thread(disk.put, Path(state), survives, rng)
                told = await complaints(Path(state), witness.promised())
            finally:
                shutil.rmtree(state)
            found += [f"{each} ({survives.value} after record {boundary})" for each in told]
    return found


def _follow(disk: Disk, witness: Witness, record: Record) -> None:
    if record.op == "K":
        witness.hear(record.data)
    else:
        disk.apply(record)


def _memory() -> str | None:
    """Return a folder in memory where there is one: thousands of states need no real disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
