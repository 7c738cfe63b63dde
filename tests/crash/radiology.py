"""A radiology department under fire: modalities that insist on every instance, and the store that is left judged.

Each modality stores studies of its own, one instance after the other, small and large ones, and sends again under the
same UID what was not answered. What got success is written down with the digest of its pixels.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from engine.clock import SystemClock
from engine.store.protocol import Query, Store
from engine.store.sqlite.store import open_sqlite
from tests.channels.dicom.modality import SECONDARY_CAPTURE, instance
from tests.crash.child import Child, await_ready
from tests.crash.forking import Forks
from tests.crash.lines import Line
from tests.peers.ports import free_port

MODALITIES = 3
PER_STUDY = 8
SMALL, LARGE = 2_000, 300_000
"""Pixels that stay in a row, and pixels that become a file."""

_QUIET_SECONDS = 1
_CONFIG = """\
engine: {{name: crash}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
listen:
  images: {{dicom: 127.0.0.1:{port}, unmatched: filtered, group: {{by: study, quiet: {quiet}s}}}}
partners:
  reading: {{endpoints: {{room: {{inbox: reading, phi: full}}}}}}
"""
_ROUTE = (
    "route: studies\nfrom: {images: study}\naccept: {events: [imaging-study-stored]}\nto: [reading.room]\n"
)


@dataclass(slots=True)
class Archive:
    """What modalities were told: `stored` holds the digest of the pixels by UID, `studies` the UIDs by study."""

    stored: dict[str, str] = field(default_factory=dict)
    studies: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    open: int = 0
    """Instances that are on their way at this moment."""

    again: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)
    """Whether the campaign has ended, well or not: nobody insists any more."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is left: `lost` UIDs that got success and are not there, or not as they were sent."""

    stored: int
    kills: int
    again: int
    caught: int
    lost: list[str]
    untold: list[str]
    twice: list[str]
    leftovers: list[str]
    conserved: bool

    @property
    def sound(self) -> bool:
        wrong = (self.lost, self.untold, self.twice, self.leftovers)
        return self.conserved and not any(wrong)


class Modality(threading.Thread):
    """Stores instances until it is stopped; every one is insisted on."""

    def __init__(self, port: int, archive: Archive, seed: int) -> None:
        super().__init__(name=f"modality-{seed}", daemon=True)  # a campaign that failed waits for none
        self._archive = archive
        self._random = random.Random(seed)
        self._ended = threading.Event()
        self._line = Line(port, SECONDARY_CAPTURE)

    def finish(self) -> None:
        """Begin no further instance."""
        self._ended.set()

    def run(self) -> None:
        while not self._ended.is_set():
            study, series = str(generate_uid()), str(generate_uid())
            for _ in range(PER_STUDY):
                if self._ended.is_set():
                    break
                self._insist(self._made(study, series))
        self._line.close()

    def _made(self, study: str, series: str) -> Dataset:
        made = instance(str(generate_uid()), pixels=0)
        made.StudyInstanceUID, made.SeriesInstanceUID = study, series
        size = self._random.choice((SMALL, LARGE))
        made.add_new(0x7FE00010, "OB", self._random.randbytes(size))
        return made

    def _insist(self, made: Dataset) -> None:
        """Send until success is said."""
        archive = self._archive
        tries = 1
        with archive.lock:
            archive.open += 1
        while self._line.say(lambda line: line.send_c_store(made)) != 0:
            if archive.over.is_set():
                return
            tries += 1
            time.sleep(0.02)
        uid = str(made.SOPInstanceUID)
        with archive.lock:
            archive.open -= 1
            archive.again += tries > 1
            archive.stored[uid] = hashlib.sha256(made[0x7FE00010].value).hexdigest()
            archive.studies[str(made.StudyInstanceUID)].add(uid)


def campaign(folder: Path, forks: Forks, *, kills: int, between: int, seed: int) -> Verdict:
    """Kill the engine again and again while modalities store; each time `between` instances were stored before."""
    port = free_port()
    (folder / "routes").mkdir()
    (folder / "routes" / "studies.yaml").write_text(_ROUTE)
    (folder / "config.yaml").write_text(_CONFIG.format(port=port, quiet=_QUIET_SECONDS))
    child = forks.child(folder / "config.yaml")
    archive = Archive()
    chance = random.Random(seed)
    modalities = [Modality(port, archive, seed + number) for number in range(MODALITIES)]
    caught = 0
    child.start()
    try:
        await_ready(child)
        for modality in modalities:
            modality.start()
        for _ in range(kills):
            until_stored(archive, len(archive.stored) + between)
            time.sleep(chance.uniform(0, 0.05))
            caught += archive.open > 0
            child.kill()
            child.start()
            await_ready(child)
        until_stored(archive, len(archive.stored) + between)
        for modality in modalities:
            modality.finish()
        for modality in modalities:
            modality.join()
        untold = _told(child, archive)
        conserved = bool(child.ask("reconcile")["conserved"])
        child.stop()
    finally:
        archive.over.set()
        for modality in modalities:
            modality.finish()
        child.end()
    lost, twice = asyncio.run(_judged(child.database, archive))
    leftovers = [path.name for path in (folder / "var" / "dicom" / "images").iterdir()]
    return Verdict(
        len(archive.stored), child.kills, archive.again, caught, lost, untold, twice, leftovers, conserved
    )


def until_stored(archive: Archive, stored: int) -> None:
    """Wait in real time: the engine is a process of its own."""
    until = time.monotonic() + 120
    while len(archive.stored) < stored:
        if time.monotonic() > until:
            raise TimeoutError(f"{len(archive.stored)} of {stored} instances were stored")
        time.sleep(0.005)


def _told(child: Child, archive: Archive) -> list[str]:
    """Return the studies that nobody was told of within a minute.

    A study may be told more often than once: how often is known only when nothing was told for far longer than a
    study has to be quiet.
    """
    until = time.monotonic() + 60
    states: dict[str, int] = {}
    delivered, since = -1, time.monotonic()
    while time.monotonic() < until:
        states = child.ask("reconcile")["states"]
        if int(states.get("delivered", 0)) != delivered:
            delivered, since = int(states.get("delivered", 0)), time.monotonic()
        enough = delivered >= len(archive.studies) and not int(states.get("pending", 0))
        if enough and time.monotonic() - since > 5 * _QUIET_SECONDS:
            return []
        time.sleep(0.5)
    return [f"{len(archive.studies)} studies, {states}"]


async def _judged(database: Path, archive: Archive) -> tuple[list[str], list[str]]:
    async with open_sqlite(database, clock=SystemClock(), must_exist=True) as store:
        lost = [uid for uid, pixels in archive.stored.items() if not await is_there(store, uid, pixels)]
        return lost, await _wrongly_told(store, archive)


async def is_there(store: Store, uid: str, pixels: str) -> bool:
    rows = await store.instances.held("instance", [uid], limit=1)
    if not rows or rows[0].body is None:
        return False
    body = await store.body(rows[0].message, "raw")  # compares the digest
    assert body is not None
    found = dcmread(body.path) if body.path is not None else None
    if found is None:
        return hashlib.sha256(body.read()[-SMALL:]).hexdigest() == pixels
    return hashlib.sha256(found[0x7FE00010].value).hexdigest() == pixels


async def _wrongly_told(store: Store, archive: Archive) -> list[str]:
    """Return what was told of a study twice, or in the end not as it is."""
    wrong: list[str] = []
    versions: Counter[tuple[str, int]] = Counter()
    last: dict[str, tuple[int, int]] = {}
    for row in await store.messages(Query(route="studies", limit=100_000)):
        body = await store.body(row.sequence, "raw")
        assert body is not None
        study = json.loads(body.read())["data"]["study"]
        versions[study["uid"], study["version"]] += 1
        last[study["uid"]] = max(last.get(study["uid"], (0, 0)), (study["version"], study["instanceCount"]))
    wrong += [f"{uid} version {version}" for (uid, version), count in versions.items() if count > 1]
    for uid, instances in archive.studies.items():
        if last.get(uid, (0, 0))[1] != len(instances):
            wrong.append(f"{uid}: {len(instances)} stored, told {last.get(uid)}")
    return wrong
