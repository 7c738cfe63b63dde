"""Records a running engine, then cuts its power at every boundary and judges what is left."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import sys
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
from tests.power.cutting import Cutting
from tests.power.disk import Disk, Survives
from tests.power.judging import Found, complaints, look
from tests.power.recording import Record, Witness, read
from tests.power.shim import environment

REPOSITORY = Path(__file__).parents[2]
WORKERS = 2
_CHANGES = "CWTSDURM"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the states of one recording said. `images` of them differ in at least one byte from the one before of
    their way to survive; only those are opened, since equal bytes give an equal store."""

    states: int
    images: int
    acknowledged: int
    large: int
    complaints: Counter[str] = field(default_factory=Counter)
    examples: Sequence[str] = ()
    seconds: float = 0.0

    def __str__(self) -> str:
        said = dict(self.complaints) or "no complaint"
        return (
            f"{self.states} states ({self.images} images) of {self.acknowledged} acknowledged messages, "
            f"{self.large} body files: {said} ({self.states / max(0.01, self.seconds):.0f} states/s)"
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
    """Judge so many states, or as many as there are: boundaries spread evenly over a recording, and at each of them
    the four ways to survive. Those at which the database file itself is written are all taken."""
    begun = time.monotonic()
    records = list(read(log))
    chosen = _boundaries(records, -(-states // len(Survives)))
    shares = [_Slice(log, tuple(chosen[worker::WORKERS]), seed + worker) for worker in range(WORKERS)]
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        found = list(pool.map(_judge_slice, shares))
    told = [text for each in found for text in each.told]
    witness = Witness()
    for each_record in records:
        if each_record.op == "K":
            witness.hear(each_record.data)
    return Verdict(
        states=len(chosen) * len(Survives),
        images=sum(each.images for each in found),
        acknowledged=len(witness.promised().acknowledged),
        large=sum(record.op == "R" for record in records),
        complaints=Counter(text.partition(":")[0] for text in told),
        examples=told[:10],
        seconds=time.monotonic() - begun,
    )


def _boundaries(records: Sequence[Record], wanted: int) -> list[int]:
    marks = [number for number, each in enumerate(records) if each.op in _CHANGES]
    wanted = min(wanted, len(marks))
    chosen = {number for number in marks if records[number].name.endswith(".db")}
    even = [marks[number * len(marks) // wanted] for number in range(wanted)]
    more = max(0, wanted - len(chosen))
    return sorted(chosen | {even[number * wanted // more] for number in range(more)})


@dataclass(slots=True)
class _Judged:
    """What one worker found."""

    told: list[str] = field(default_factory=list)
    images: int = 0


def _judge_slice(share: _Slice) -> _Judged:
    gc.freeze()
    with asyncio.Runner() as runner, Cutting() as cutting:
        return runner.run(_judged(share, cutting))


async def _judged(share: _Slice, cutting: Cutting) -> _Judged:
    """Walk through the recording once, and cut the power at each boundary in all ways."""
    rng = random.Random(share.seed)
    disk, witness, judged = Disk(), Witness(), _Judged()
    seen: dict[Survives, tuple[object, Found]] = {}
    at = 0
    records = list(read(share.log))
    for boundary in share.boundaries:
        for record in records[at : boundary + 1]:
            _follow(disk, witness, record)
        at = boundary + 1
        for survives in Survives:
            state = list(disk.state(survives, rng))
            image = {left.name: left.key for left in state}
            if survives not in seen or seen[survives][0] != image:
                cutting.put(state)
                seen[survives] = (image, await look(cutting.folder, cutting.digest))
                judged.images += 1
            told = complaints(seen[survives][1], witness.promised())
            judged.told += [f"{each} ({survives.value} after record {boundary})" for each in told]
    return judged


def _follow(disk: Disk, witness: Witness, record: Record) -> None:
    if record.op == "K":
        witness.hear(record.data)
    else:
        disk.apply(record)
