"""A platform whose appointments change while they are on their way, and an operator who puts things right.

Appointments are booked, modified and cancelled faster than they arrive, messages are sent again although they were
accepted, dead letters are released and delivered messages resent. Everybody remembers what was asked and answered.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.cli.wire import LocalSocket, Wire
from engine.errors import Conflict, NotFound, PasserelleError
from tests.crash.sender import PAUSE_SECONDS, Connection, Unanswered

STRICT = "clinic.strict"
KINDS = ("appointment-booked", "appointment-modified", "appointment-modified", "appointment-cancelled")
"""An appointment's life: versions 1 to 4; half of them are never cancelled."""
_SAMPLES = Path(__file__).parents[2] / "routes/samples"
_BEAT = 0.03
"""Seconds between two messages of one worker: enough to change, and little beside the other traffic."""
_REMEMBERED = 40
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """One positive reply that the platform got."""

    route: str
    key: str
    seq: int
    kind: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted: the `seq`-th of its key; `kind` is an event's type, "" where it is no event."""

    route: str
    key: str
    seq: int
    kind: str = ""

    @property
    def name(self) -> str:
        return f"{self.route}.{self.key}.{self.seq}"

    def request(self, note: str = "") -> bytes:
        """Return the HTTP request; `note` makes another body under the same id."""
        if self.kind:
            media, extra, document = "application/cloudevents+json", "", self._event(note)
        else:
            media, extra = "application/json", f"idempotency-key: {self.name}\r\n"
            document = {"key": self.key, "seq": self.seq, "note": note}
        body = json.dumps(document).encode()
        head = f"POST /v1/{self.route} HTTP/1.1\r\nhost: a\r\ncontent-type: {media}\r\n{extra}"
        return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    def _event(self, note: str) -> dict[str, Any]:
        sample = "cancelled" if self.kind == KINDS[-1] else "booked"
        document: dict[str, Any] = json.loads((_SAMPLES / f"{sample}.json").read_bytes())
        document |= {"id": self.name, "type": self.kind}
        document["data"]["appointment"] |= {"id": self.key, "version": self.seq}
        if note:
            document["time"] = "2026-11-02T09:00:00-05:00"
        return document


@dataclass(slots=True)
class Platform:
    """Posts until it is told to stop; what it was told is in its fields."""

    port: int
    rng: random.Random
    accepted: list[Accepted] = field(default_factory=list)
    repeated: int = 0
    collided: int = 0
    wrong: list[str] = field(default_factory=list)
    """Answers to a repetition that are not the first one, byte for byte, or to a collision that are not 422."""
    _answers: list[tuple[Message, tuple[int, bytes]]] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> None:
        """Post until `stop` is set, and then until what was begun has its positive reply."""
        async with asyncio.TaskGroup() as group:
            for number in range(2):
                group.create_task(self._appointments(f"a{number}", stop))
            group.create_task(self._numbered("detours", 3, stop))
            group.create_task(self._numbered("refusals", 1, stop))

    async def _appointments(self, name: str, stop: asyncio.Event) -> None:
        line, number = Connection(self.port), 0
        while not stop.is_set():
            number += 1
            kinds = KINDS if self.rng.random() < 0.5 else KINDS[:3]
            for version, kind in enumerate(kinds, 1):
                await self._post(line, Message("changes", f"{name}-{number}", version, kind))
            await asyncio.sleep(_BEAT * 6 * self.rng.random())
        line.close()

    async def _numbered(self, route: str, keys: int, stop: asyncio.Event) -> None:
        line, seqs = Connection(self.port), Counter[str]()
        while not stop.is_set():
            key = f"{route}-{self.rng.randrange(keys)}"
            await self._post(line, Message(route, key, seqs[key]))
            seqs[key] += 1
            await asyncio.sleep(_BEAT * 2 * self.rng.random())
        line.close()

    async def _post(self, line: Connection, message: Message) -> None:
        """Insist until the positive reply is there; sometimes say something again that was answered before."""
        while True:
            try:
                status, body = await line.exchange(message.request())
            except Unanswered:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if status == 202:
                break
            assert status == 503, f"{message.name}: {status} {body.decode()}"
            await asyncio.sleep(PAUSE_SECONDS)
        identifier = str(json.loads(body)["id"])
        self.accepted.append(Accepted(message.route, message.key, message.seq, message.kind, identifier))
        self._answers = [*self._answers[1 - _REMEMBERED :], (message, (status, body))]
        if self.rng.random() < 0.3:
            await self._again(line, *self.rng.choice(self._answers))

    async def _again(self, line: Connection, message: Message, first: tuple[int, bytes]) -> None:
        note = "other" if self.rng.random() < 0.2 else ""
        try:
            answer = await line.exchange(message.request(note))
        except Unanswered:
            return
        if answer[0] == 503:
            return  # it may refuse for now, whatever it is asked
        self.repeated += not note
        self.collided += bool(note)
        if (answer[0] != 422) if note else (answer != first):
            self.wrong.append(
                f"{message.route} {message.key}.{message.seq} {note}: {answer[0]}, not the first reply"
            )


@dataclass(slots=True)
class Operator:
    """Releases what the clinic refused, and resends what it has; counts what was asked, and what was confirmed."""

    socket: Path
    rng: random.Random
    released: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    """Resends by message that may have been carried out, confirmed or not."""
    confirmed: Counter[str] = field(default_factory=Counter)

    async def run(self, platform: Platform, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            await asyncio.sleep(_BEAT * 4)
            await self.release()
            fresh = [each.message_id for each in platform.accepted[-60:] if each.route == "refusals"]
            once = [
                each for each in fresh if not self.asked[each]
            ]  # a resend of a resend would double it each time
            if once:
                await self._resend(self.rng.choice(once))

    async def release(self) -> int:
        """Release a few dead letters; return how many there were."""
        view = await self._call("GET", "dead", {"endpoint": STRICT, "limit": 4})
        rows = (view or {}).get("dead", [])
        for row in rows:
            if await self._call("POST", f"dead/{row['delivery']}/release"):
                self.released[row["message_id"]] += 1
        return len(rows)

    async def unfinished(self) -> int:
        """Return how many deliveries the engine still owes; 1 where it does not say."""
        view = await self._call("GET", "reconcile") or {}
        return int(view.get("unfinished", 1))

    async def _resend(self, message_id: str) -> None:
        self.asked[message_id] += 1
        view = await self._call("POST", "resend", body={"id": message_id})
        if view is None:
            return
        self.asked[message_id] += view.get("count", 0) - 1
        self.confirmed[message_id] += view.get("count", 0)

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """Return the answer, {} where the engine refused, None where nobody knows what came of it."""
        wire = Wire(LocalSocket(self.socket))
        try:
            return await asyncio.to_thread(wire.call, method, path, query, body, patience=_PATIENCE)
        except (Conflict, NotFound):
            return {}
        except (PasserelleError, OSError, ValueError):
            return None
