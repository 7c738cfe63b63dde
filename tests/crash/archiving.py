"""An archive behind an engine under fire: what the engine answered 0000 for has to reach it, whatever is killed.

Modalities insist on every instance until the engine says success; the archive takes its time over each, so that every
kill meets instances on their way out, and counts what comes.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path

from channels._dicom.dialling import dial
from channels._dicom.endpoint import DicomEndpoint
from channels._dicom.part10 import read_head
from channels._dicom.proposing import Proposal
from channels._dicom.requesting import Requestor
from engine.config.models import HostPort
from engine.errors import PasserelleError
from engine.testing.channels import channel_context
from tests.channels.dicom.archive import Archive, archive
from tests.channels.dicom.instances import EXPLICIT, SECONDARY_CAPTURE, part10
from tests.crash.checker import StoreJournal, read_store
from tests.crash.child import Child, await_ready
from tests.crash.forking import Forks
from tests.peers.ports import free_port

MODALITIES = 3
SMALL, LARGE = 2_000, 300_000
"""Pixels that stay in a row, and pixels that become a file."""

PATIENCE = 120.0
_CONFIG = """\
engine: {{name: crash}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
defaults: {{timeout: 10s, retry: {{backoff: 20ms..200ms, for: 1h}}, breaker: {{failures: 100000000}}}}
listen:
  images: {{dicom: "127.0.0.1:{port}"}}
partners:
  pacs:
    endpoints:
      archive: {{dicom: "127.0.0.1:{archive}", ae_title: ARCHIVE, phi: full, limits: {{concurrency: 4}}}}
"""
_ROUTE = "route: images\nfrom: images\norder_by: msg.SOPInstanceUID\nto: [pacs.archive]\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left: UIDs that got success and never reached the archive, or not as they were; copies in excess."""

    accepted: int
    kills: int
    caught: int
    copies: int
    unknown: int
    lost: list[str]
    changed: list[str]
    excess: list[str]
    conserved: bool

    @property
    def sound(self) -> bool:
        return self.conserved and not (self.lost or self.changed or self.excess)


@dataclass(slots=True)
class Department:
    """Modalities that insist; `accepted` holds the digest of each data set by UID."""

    port: int
    folder: Path
    chance: random.Random
    accepted: dict[str, str] = field(default_factory=dict)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    made: int = 0

    async def modality(self) -> None:
        """Store instances until the end, each until success is said."""
        line: Requestor | None = None
        while not self.ended.is_set():
            self.made += 1
            uid = f"2.25.77{self.made:06}"
            content = part10(uid, pixels=self.chance.choice((SMALL, LARGE)))
            head = read_head(content)
            while uid not in self.accepted:
                try:
                    if line is None or line.closed:
                        line = await self._associated()
                    source = BytesIO(content[head.offset :])
                    size = len(content) - head.offset
                    store = partial(line.store, head, source, size, seconds=PATIENCE)
                    answer = await asyncio.to_thread(store)
                except PasserelleError:
                    await asyncio.sleep(0.02)  # the engine is away: it was killed
                    continue
                if answer.status == 0:
                    self.accepted[uid] = hashlib.sha256(content[head.offset :]).hexdigest()
        if line is not None:
            await asyncio.to_thread(line.release)

    async def _associated(self) -> Requestor:
        config = DicomEndpoint.model_validate(
            {"dicom": HostPort("127.0.0.1", self.port), "ae_title": "PASSERELLE", "calling": "CT1"}
        )
        proposals = [Proposal(SECONDARY_CAPTURE, (EXPLICIT,))]
        return await dial(config, channel_context(self.folder), proposals)


async def campaign(folder: Path, forks: Forks, *, kills: int, between: int, seed: int) -> Outcome:
    """Kill the engine again and again while it sends; each time `between` instances reached the archive before."""
    port = free_port()
    (folder / "routes").mkdir()
    (folder / "routes" / "images.yaml").write_text(_ROUTE)
    async with archive() as pacs:
        pacs.script.seconds = 0.03
        (folder / "config.yaml").write_text(_CONFIG.format(port=port, archive=pacs.port))
        child = forks.child(folder / "config.yaml")
        department = Department(port, folder / "modality", random.Random(seed))
        try:
            caught = await _under_fire(child, department, pacs, kills, between)
        finally:
            department.ended.set()
            child.end()
        return _outcome(department, pacs, child, caught, conserved=bool(_conserved(child)))


async def _under_fire(child: Child, department: Department, pacs: Archive, kills: int, between: int) -> int:
    """Play the campaign, and return how many kills met instances that the archive had not answered for."""
    caught = 0
    await asyncio.to_thread(_started, child)
    modalities = [asyncio.create_task(department.modality()) for _ in range(MODALITIES)]
    try:
        for _ in range(kills):
            wanted = len(pacs.kept) + between
            await _until(lambda: len(pacs.kept) >= wanted)  # noqa: B023  it is awaited in this round
            await asyncio.sleep(department.chance.uniform(0, 0.05))
            await _until(lambda: bool(pacs.unanswered))
            caught += bool(pacs.unanswered)
            await asyncio.to_thread(child.kill)
            await asyncio.to_thread(_started, child)
        department.ended.set()
        await asyncio.gather(*modalities)
        await _until(lambda: department.accepted.keys() <= _uids(pacs).keys())
        await _until(lambda: not pacs.unanswered)
        await asyncio.to_thread(child.stop)
    finally:
        for task in modalities:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    return caught


def _outcome(department: Department, pacs: Archive, child: Child, caught: int, *, conserved: bool) -> Outcome:
    store: StoreJournal = read_store(child.database)
    copies = _uids(pacs)
    allowed = {duty.control_id: 1 + duty.unknown for duty in store.duties}
    digests = {each.command.sop_instance: hashlib.sha256(each.data).hexdigest() for each in pacs.kept}
    return Outcome(
        accepted=len(department.accepted),
        kills=child.kills,
        caught=caught,
        copies=copies.total() - len(copies),
        unknown=sum(duty.unknown for duty in store.duties),
        lost=[uid for uid in department.accepted if uid not in copies],
        changed=[uid for uid, digest in department.accepted.items() if digests.get(uid, digest) != digest],
        excess=[uid for uid, count in copies.items() if count > allowed.get(uid, 0)],
        conserved=conserved,
    )


def _uids(pacs: Archive) -> Counter[str]:
    return Counter(each.command.sop_instance for each in pacs.kept)


def _started(child: Child) -> None:
    child.start()
    await_ready(child)


def _conserved(child: Child) -> bool:
    return bool(child.ask("reconcile")["conserved"])


async def _until(condition: Callable[[], bool]) -> None:
    """Wait in real time: the engine is a process of its own."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  no event tells
            await asyncio.sleep(0.003)
