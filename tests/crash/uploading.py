"""A department that stores by the web under fire: what STOW-RS was answered for is there after every restart.

Each modality stores requests of one to five instances, small and large ones, some beside a part that is no instance
(which makes a 200 a 202), and sends again what no answer named as stored. After each kill what was said to be stored
since the kill before is fetched by WADO-RS, and in the end the store is judged as a whole.

Source: DICOM PS3.18 10.5 (Store), 10.4 (Retrieve).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPMessage
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from engine.clock import SystemClock
from engine.store.sqlite.store import open_sqlite
from tests.channels.dicomweb.instances import dataset, file_of, related
from tests.crash.checker import read_store
from tests.crash.child import await_ready
from tests.crash.forking import Forks
from tests.crash.radiology import LARGE, SMALL, Archive, is_there, until_stored
from tests.peers.ports import free_port

MODALITIES = 4
MOST_AT_ONCE = 5
_SECONDS = 20.0
_NO_INSTANCE = b"no instance"
_SPOILT_SHARE = 0.2
_AGAIN = (500, 503)
"""Nothing is stored, and it is to be sent again."""

_ANY = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_CONFIG = """\
engine: {{name: crash}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
listen:
  web: {{dicomweb: "127.0.0.1:{port}", partner: radiology, read: [radiology]}}
partners:
  radiology: {{}}
  reading: {{endpoints: {{room: {{inbox: reading, phi: full}}}}}}
"""
_ROUTE = "route: images\nfrom: web\nto: [reading.room]\n"


@dataclass(slots=True)
class Hall(Archive):
    """What was told as stored: `places` holds the path of each instance."""

    places: dict[str, str] = field(default_factory=dict)
    requests: Counter[int] = field(default_factory=Counter)
    """Answers by status; 0 counts the requests that nobody answered."""

    odd: list[str] = field(default_factory=list)
    """Answers that no good instance gets."""

    going: threading.Event = field(default_factory=threading.Event)
    """Whether requests may begin: none does while what was stored is looked at."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is left: `missing` was not served right after a restart, `lost` not in the store at the end."""

    stored: int
    kills: int
    again: int
    caught: int
    fetched: int
    answers: dict[int, int]
    missing: list[str]
    lost: list[str]
    twice: list[str]
    odd: list[str]
    conserved: bool

    @property
    def sound(self) -> bool:
        return self.conserved and not any((self.missing, self.lost, self.twice, self.odd))


class Modality(threading.Thread):
    """Stores requests until it is stopped; every instance is insisted on."""

    def __init__(self, port: int, hall: Hall, seed: int) -> None:
        super().__init__(name=f"web-modality-{seed}", daemon=True)  # a campaign that failed waits for none
        self._hall = hall
        self._random = random.Random(seed)
        self._ended = threading.Event()
        self._line = HTTPConnection("127.0.0.1", port, timeout=_SECONDS)

    def finish(self) -> None:
        """Begin no further request."""
        self._ended.set()

    def run(self) -> None:
        study, series = str(generate_uid()), str(generate_uid())
        while self._hall.going.wait() and not self._ended.is_set():
            left = [self._made(study, series) for _ in range(self._random.randint(1, MOST_AT_ONCE))]
            with self._hall.lock:
                self._hall.open += 1
            tries = 0
            while left:
                tries += 1
                if self._hall.over.is_set():
                    break
                told = self._send(left)
                left = [each for each in left if str(each.SOPInstanceUID) not in told]
            with self._hall.lock:
                self._hall.open -= 1
                self._hall.again += tries > 1
        self._line.close()

    def _made(self, study: str, series: str) -> Dataset:
        made = dataset(str(generate_uid()), study=study, series=series)
        made.PixelData = self._random.randbytes(self._random.choice((SMALL, LARGE)))
        return made

    def _send(self, made: list[Dataset]) -> set[str]:
        """Return the UIDs that an answer names as stored, and write them down."""
        beside = [_NO_INSTANCE] if self._random.random() < _SPOILT_SHARE else []
        status, answer = self._answered(related(*map(file_of, made), *beside))
        referenced = json.loads(answer).get("00081199", {}).get("Value", []) if status in (200, 202) else []
        told = {each["00081155"]["Value"][0] for each in referenced}
        with self._hall.lock:
            self._hall.requests[status] += 1
            if status not in (0, *_AGAIN) and (status, len(told)) != (202 if beside else 200, len(made)):
                self._hall.odd.append(f"{status} names {len(told)} of {len(made)}")
            for each in made:
                if (uid := str(each.SOPInstanceUID)) in told:
                    self._hall.stored[uid] = hashlib.sha256(each.PixelData).hexdigest()
                    place = f"/studies/{each.StudyInstanceUID}/series/{each.SeriesInstanceUID}"
                    self._hall.places[uid] = f"{place}/instances/{uid}"
        return told

    def _answered(self, body: bytes) -> tuple[int, bytes]:
        kind = 'multipart/related; type="application/dicom"; boundary=frontier'
        with suppress(OSError, HTTPException):
            self._line.request("POST", "/studies", body, {"Content-Type": kind})
            answer = self._line.getresponse()
            return answer.status, answer.read()
        self._line.close()
        time.sleep(0.02)
        return 0, b""


def campaign(folder: Path, forks: Forks, *, kills: int, between: int, seed: int) -> Verdict:
    """Kill the engine again and again while modalities store; each time `between` instances were stored before."""
    port = free_port()
    (folder / "routes").mkdir()
    (folder / "routes" / "images.yaml").write_text(_ROUTE)
    (folder / "config.yaml").write_text(_CONFIG.format(port=port))
    child = forks.child(folder / "config.yaml")
    hall, chance = Hall(), random.Random(seed)
    modalities = [Modality(port, hall, seed + number) for number in range(MODALITIES)]
    caught, looked_at, missing = 0, 0, list[str]()
    child.start()
    try:
        await_ready(child)
        for modality in modalities:
            modality.start()
        for turn in range(kills + 1):
            hall.going.set()
            until_stored(hall, len(hall.stored) + between)
            if turn < kills:
                time.sleep(chance.uniform(0, 0.05))
                caught += hall.open > 0
                child.kill()
            hall.going.clear()
            with hall.lock:
                told = list(hall.stored)
            if turn < kills:
                child.start()
                await_ready(child)
            missing += _not_served(port, hall, told[looked_at:])
            looked_at = len(told)
        for modality in modalities:
            modality.finish()
        hall.going.set()
        for modality in modalities:
            modality.join()
        child.stop()
        conserved = bool(child.ask("reconcile")["conserved"])
    finally:
        hall.over.set()
        hall.going.set()
        for modality in modalities:
            modality.finish()
        child.end()
    copies = Counter(duty.control_id for duty in read_store(child.database).duties)
    return Verdict(
        len(hall.stored), child.kills, hall.again, caught, looked_at, dict(hall.requests), missing,
        asyncio.run(_lost(child.database, hall)),
        [uid for uid in hall.stored if copies[uid] != 1], hall.odd, conserved,
    )  # fmt: skip


def _not_served(port: int, hall: Hall, told: list[str]) -> list[str]:
    """Return what WADO-RS does not serve as it was stored."""
    line = HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    missing = []
    for uid in told:
        line.request("GET", hall.places[uid], headers={"Accept": _ANY})
        answer = line.getresponse()
        content = answer.read()
        if answer.status != 200 or _pixels_in(answer.headers, content) != hall.stored[uid]:
            missing.append(f"{uid}: {answer.status}")
    line.close()
    return missing


def _pixels_in(headers: HTTPMessage, content: bytes) -> str:
    boundary = (headers["content-type"] or "").rpartition("boundary=")[2].encode()
    part = (b"\r\n" + content).split(b"\r\n--" + boundary)[1]
    return hashlib.sha256(dcmread(BytesIO(part.partition(b"\r\n\r\n")[2])).PixelData).hexdigest()


async def _lost(database: Path, hall: Hall) -> list[str]:
    async with open_sqlite(database, clock=SystemClock(), must_exist=True) as store:
        return [uid for uid, pixels in hall.stored.items() if not await is_there(store, uid, pixels)]
