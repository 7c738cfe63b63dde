"""A clinic with four doors, each with its own way to fail, and a list of what it saw in the order of its answers.

`/changes`, `/first` and `/second` fail at random, `/strict` refuses each message once before it takes it. What it says
is in the list before it is on the wire, so nothing that it took is missing there.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.receiver import TAKEN, Receiver

FAILING = {"/changes": 0.45, "/first": 0.6, "/second": 0.2, "/strict": 0.2}
"""Share of attempts that fail, by door."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One attempt that the clinic saw, and what it made of it."""

    door: str
    message_id: str
    key: str
    seq: int
    kind: str
    answer: str

    @property
    def taken(self) -> bool:
        """Whether the clinic has the message, whatever the engine heard of that."""
        return self.answer in TAKEN


class Clinic(Receiver):
    """Answers one engine; `seen` is its journal."""

    def __init__(self, journal: Path, *, rng: random.Random) -> None:
        super().__init__(journal, rng=rng)
        self.seen: list[Seen] = []
        self._refused: set[str] = set()

    def judge(self, door: str, message_id: str, body: Mapping[str, Any]) -> str:
        """Decide on the answer to one attempt, and remember it."""
        if door == "/strict" and message_id not in self._refused:
            self._refused.add(message_id)
            answer = "400"
        else:
            answer = self.draw(FAILING[door])
        seq = int(body["seq"])
        self.seen.append(Seen(door, message_id, body["key"], seq, body.get("kind", ""), answer))
        self.note(message_id, body["key"], seq, answer)
        return answer
