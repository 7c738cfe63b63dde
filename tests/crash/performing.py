"""Modalities that perform what is ordered, under fire: what MPPS said success of stands right after every restart.

Each modality takes a step of the worklist, says that it begins (N-CREATE), what it did so far (N-SET), and that it ends
(N-SET), and repeats each until it is answered. After each kill the tables of the engine that runs again are read: the
performed step and the order's step may not be behind what was answered. In the end the events are counted.

Source: DICOM PS3.4 F.7 (Modality Performed Procedure Step SOP Class).
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import apsw
from pydicom.dataset import Dataset
from pynetdicom.association import Association

from channels.dicom.worklist.performing import DUPLICATE_INSTANCE, PERFORMED_STEP, PROCESSING_FAILURE, SUCCESS
from tests.channels.dicom.test_performed_steps import ended, started
from tests.crash.child import Child, await_ready
from tests.crash.forking import Forks
from tests.crash.lines import Line
from tests.peers.ports import free_port

MODALITIES = 4
ORDERS_PER_KILL = 15
"""More than modalities perform between two kills."""

_PATIENCE = 120.0
_CONFIG = """\
engine: {{name: crash, zone: America/Toronto}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
listen:
  ris: {{mllp: "127.0.0.1:{orders}", partner: ris, zone: America/Toronto}}
  modalities: {{dicom: "127.0.0.1:{images}", ae_title: PASSERELLE, worklist: radiology, mpps: true}}
partners:
  ris: {{endpoints: {{performed: {{inbox: performed, phi: full}}}}}}
  radiology: {{endpoints: {{worklist: {{worklist: radiology, phi: full, keep: 36500d}}}}}}
"""
_ROUTES = {
    "orders": (
        'route: orders\nfrom: ris\naccept: {types: ["OMI^O23"]}\norder_by: msg.ORC-2.1\n'
        "steps: [{map: {mapper: imaging-order, to: event}}]\nto: [radiology.worklist]\n"
    ),
    "performed": (
        "route: performed\nfrom: {modalities: mpps}\norder_by: msg.procedureStep.uid\nto: [ris.performed]\n"
    ),
}
_STEPS = "SELECT content ->> '$.00400100.Value[0].00400009.Value[0]', state FROM worklist_steps"
_PERFORMED = "SELECT content ->> '$.steps[0][1]', content ->> '$.state', revision FROM worklist_performed"
_EVENTS = "SELECT control FROM messages WHERE disposition = 0 AND control LIKE 'mpps %'"
_PENDING = "SELECT count(*) FROM worklist_pending"


@dataclass(slots=True)
class Told:
    """What was answered: by number of the step how far it is (1 begun, 2 changed, 3 ended)."""

    far: dict[int, int] = field(default_factory=dict)
    answers: int = 0
    open: int = 0
    again: int = 0
    known: int = 0
    """Requests whose first answer was cut off, and whose second says that they counted."""

    unanswered: Counter[int] = field(default_factory=Counter)
    """By step the changes (the second request) that nobody answered: each may have counted."""

    odd: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)
    """Whether the campaign has ended, well or not: nobody insists any more."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is left: `behind` names what was answered and did not stand after a restart."""

    answers: int
    kills: int
    caught: int
    again: int
    known: int
    looked_at: int
    behind: list[str]
    events: list[str]
    odd: list[str]
    pending: int
    conserved: bool

    @property
    def sound(self) -> bool:
        return self.conserved and not (self.behind or self.events or self.odd or self.pending)


class Modality(threading.Thread):
    """Performs one step after the other until it is stopped; every request is insisted on."""

    def __init__(self, port: int, told: Told, numbers: Iterator[int]) -> None:
        super().__init__(name="performing", daemon=True)  # a campaign that failed waits for none
        self._told = told
        self._numbers = numbers
        self._ended = threading.Event()
        self._line = Line(port, PERFORMED_STEP, calling="CT1")

    def finish(self) -> None:
        """Begin no further step."""
        self._ended.set()

    def run(self) -> None:
        while not self._ended.is_set():
            with self._told.lock:
                number = next(self._numbers)
            begun, so_far, last = (
                started(ScheduledStepAttributesSequence=[_scheduled(number)]),
                Dataset(),
                ended(),
            )
            so_far.PerformedProcedureStepDescription = "TDM"
            uid = _uid(number)
            self._insist(number, 1, lambda line: line.send_n_create(begun, PERFORMED_STEP, uid)[0])  # noqa: B023  called at once
            self._insist(number, 2, lambda line: line.send_n_set(so_far, PERFORMED_STEP, uid)[0])  # noqa: B023  called at once
            self._insist(number, 3, lambda line: line.send_n_set(last, PERFORMED_STEP, uid)[0])  # noqa: B023  called at once
        self._line.close()

    def _insist(self, number: int, far: int, request: Callable[[Association], Dataset]) -> None:
        """Say it until success is said, or, once an answer was cut off, that it is known."""
        told, tries = self._told, 1
        already = {1: DUPLICATE_INSTANCE, 3: PROCESSING_FAILURE}.get(far)
        with told.lock:
            told.open += 1
        while (status := self._line.say(request)) != SUCCESS:
            if told.over.is_set():
                return
            if status is not None:
                break
            tries += 1
            time.sleep(0.02)
        with told.lock:
            told.open -= 1
            told.answers += 1
            told.again += tries > 1
            told.known += status != SUCCESS
            if status != SUCCESS and (tries == 1 or status != already):
                told.odd.append(f"{number}: {status:#06x} to request {far}, try {tries}")
            if far == 2:
                told.unanswered[number] += tries - 1
            told.far[number] = far


def _uid(number: int) -> str:
    return f"2.25.{900_000 + number}"


def _scheduled(number: int) -> Dataset:
    step = Dataset()
    step.StudyInstanceUID, step.AccessionNumber = f"2.25.{number + 1}", f"A{number}"
    step.RequestedProcedureID, step.ScheduledProcedureStepID = f"RP{number}", f"SPS{number}"
    return step


def campaign(folder: Path, forks: Forks, *, kills: int, between: int, seed: int) -> Verdict:
    """Kill the engine again and again while modalities perform; each time `between` requests were answered before."""
    orders, images, told, chance = free_port(), free_port(), Told(), random.Random(seed)
    (folder / "routes").mkdir()
    for name, text in _ROUTES.items():
        (folder / "routes" / f"{name}.yaml").write_text(text)
    (folder / "config.yaml").write_text(_CONFIG.format(orders=orders, images=images))
    child = forks.child(folder / "config.yaml")
    numbers = range(ORDERS_PER_KILL * (kills + 2))
    left = iter(numbers)
    modalities = [Modality(images, told, left) for _ in range(MODALITIES)]
    caught, looked_at, behind = 0, 0, list[str]()
    child.start()
    try:
        await_ready(child)
        _ordered(orders, numbers)
        _until(lambda: _rows(child, f"{_STEPS} WHERE visible = 1") >= len(numbers), "orders were scheduled")
        for modality in modalities:
            modality.start()
        for _ in range(kills):
            wanted = told.answers + between
            _until(lambda: told.answers >= wanted, "requests were answered")  # noqa: B023  called at once
            time.sleep(chance.uniform(0, 0.05))
            _until(lambda: told.open > 0, "a request is under way")
            caught += told.open > 0
            child.kill()
            with told.lock:
                far = dict(told.far)
            child.start()
            await_ready(child)
            behind += _behind(child, far)
            looked_at += len(far)
        for modality in modalities:
            modality.finish()
        for modality in modalities:
            modality.join()
        _until(lambda: not child.ask("reconcile")["unfinished"], "every event was delivered")
        child.stop()
        conserved = bool(child.ask("reconcile")["conserved"])
    finally:
        told.over.set()
        for modality in modalities:
            modality.finish()
        child.end()
    with closing(apsw.Connection(str(child.database))) as store:
        pending = int(store.execute(_PENDING).get)
    behind += _behind(child, told.far)
    return Verdict(
        told.answers, child.kills, caught, told.again, told.known, looked_at, behind,
        _wrong_events(folder, child, told), told.odd, pending, conserved,
    )  # fmt: skip


def _until(condition: Callable[[], bool], what: str) -> None:
    """Wait in real time: the engine is a process of its own."""
    until = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"not yet: {what}")
        time.sleep(0.003)


def _rows(child: Child, query: str) -> int:
    return len(_read(child, query))


def _read(child: Child, query: str) -> list[tuple[apsw.SQLiteValue, ...]]:
    """Read a table of the store beside the engine that writes it."""
    with closing(apsw.Connection(str(child.database), flags=apsw.SQLITE_OPEN_READONLY)) as store:
        return list(store.execute(query))


def _ordered(port: int, numbers: range) -> None:
    """Order a step for each number, on one line; each is acknowledged."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        for number in numbers:
            line.sendall(b"\x0b" + _order(number) + b"\x1c\x0d")
            answer = b""
            while not answer.endswith(b"\x1c\x0d"):
                answer += line.recv(65_536) or b"\x1c\x0d"
            assert b"MSA|AA" in answer


def _order(number: int) -> bytes:
    return (
        f"MSH|^~\\&|RIS|CHUM|PACS|IMG|20261102080000-0500||OMI^O23^OMI_O23|I{number}|P|2.5.1\r"
        f"PID|1||{number}^^^HOSP^MR||Nom{number}^Prenom\r"
        f"ORC|NW|P{number}^DME|F{number}^RIS||SC||||20261102075500-0500\r"
        f"TQ1|1||||||20261103091500-0500||R^Routine^HL70485\r"
        f"OBR|1|P{number}^DME|F{number}^RIS|24627-2^CT Chest^LN\r"
        f"IPC|A{number}^RIS|RP{number}^RIS|2.25.{number + 1}^RIS|SPS{number}^RIS|CT^^DCM|CTCHEST^TDM^L|CT1^RIS||CT1\r"
    ).encode()


def _behind(child: Child, far: dict[int, int]) -> list[str]:
    """Return what stands less far than was answered."""
    orders = {str(step): str(state) for step, state in _read(child, _STEPS)}
    performed = {str(step): (str(state), revision) for step, state, revision in _read(child, _PERFORMED)}
    found = []
    for number, answered in far.items():
        order, (state, revision) = orders[f"SPS{number}"], performed.get(f"SPS{number}", ("none", -1))
        ends = order == state == "COMPLETED"
        begins = order in ("STARTED", "COMPLETED") and state in ("IN PROGRESS", "COMPLETED")
        assert isinstance(revision, int)
        if not (ends if answered == 3 else begins and revision >= answered - 1):
            found.append(f"{number}: answered {answered}, order {order}, step {state} revision {revision}")
    return found


def _wrong_events(folder: Path, child: Child, told: Told) -> list[str]:
    """Return the steps whose events are not one that begins, one that ends, and a change for each that counted."""
    kinds: Counter[tuple[str, str]] = Counter()
    for path in (folder / "var" / "inbox" / "performed").iterdir():
        event = json.loads(path.read_text())
        kinds[event["data"]["procedureStep"]["uid"], event["type"]] += 1
    messages = Counter(str(control).split()[1] for (control,) in _read(child, _EVENTS))
    wrong = []
    for number in told.far:
        uid = _uid(number)
        begun, changed, done = (kinds[uid, f"imaging-{how}"] for how in ("started", "updated", "completed"))
        fits = begun == done == 1 and 1 <= changed <= 1 + told.unanswered[number]
        if not fits or messages[uid] != begun + changed + done:
            wrong.append(f"{number}: {begun}, {changed}, {done} of {messages[uid]} messages")
    return wrong
