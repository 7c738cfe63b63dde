"""The checker: reads the sender's, the receiver's and the store's journal, and says what became of every message.

It knows the store by its tables, not by the engine's code, so that a bug there cannot hide itself.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from tests.crash.receiver import TAKEN

_ROWS = """
SELECT m.id, d.state, d.unknown, coalesce(d.reason, ''), coalesce(m.control, '')
FROM deliveries d JOIN messages m ON m.seq = d.message
"""
_MESSAGES = "SELECT id FROM messages WHERE disposition = 0"
_DEAD = 16
_ENDED = 10


@dataclass(frozen=True, slots=True)
class Sent:
    """One positive reply that the sender got."""

    key: str
    seq: int
    message_id: str


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt that the receiver saw."""

    message_id: str
    key: str
    seq: int
    answer: str


@dataclass(frozen=True, slots=True)
class Duty:
    """One delivery in the store; `unknown` counts its attempts without a valid answer."""

    message_id: str
    state: int
    unknown: int
    reason: str = ""
    control_id: str = ""


@dataclass(frozen=True, slots=True)
class StoreJournal:
    """What the store has: ids of accepted messages and their deliveries."""

    messages: frozenset[str]
    duties: tuple[Duty, ...]

    @property
    def unfinished(self) -> int:
        """Deliveries that are in no terminal state."""
        return sum(duty.state < _ENDED for duty in self.duties)

    @property
    def dead(self) -> tuple[Duty, ...]:
        """Dead letters: reported to a human, and not lost."""
        return tuple(duty for duty in self.duties if duty.state == _DEAD)


@dataclass(frozen=True, slots=True)
class Report:
    """What the three journals together say; every list names messages by `key.seq`."""

    accepted: int
    delivered: int
    dead: int
    pending: int
    lost: tuple[str, ...]
    duplicates: int
    unknown: int
    excess: tuple[str, ...]
    """Messages with more copies than 1 + unknown outcomes."""
    disorder: tuple[str, ...]
    renamed: tuple[str, ...]
    """Messages that the receiver saw under more than one id."""
    conserved: bool = True
    faults: int = 0

    @property
    def sound(self) -> bool:
        """Whether every guarantee held, in a run in which something was broken on purpose."""
        broken = self.lost or self.excess or self.disorder or self.renamed
        return not broken and self.conserved and self.faults > 0

    def __str__(self) -> str:
        return (
            f"faults {self.faults}, accepted {self.accepted}, delivered {self.delivered}, dead {self.dead}, "
            f"pending {self.pending}, LOST {len(self.lost)}, duplicates {self.duplicates} "
            f"(unknown outcomes {self.unknown}, beyond the bound {len(self.excess)}), "
            f"order violations {len(self.disorder)}, changed ids {len(self.renamed)}, "
            f"conservation {'holds' if self.conserved else 'BROKEN'}"
            + "".join(
                f"\n  {name}: {', '.join(found[:10])}"
                for name, found in (
                    ("lost", self.lost),
                    ("excess", self.excess),
                    ("disorder", self.disorder),
                    ("renamed", self.renamed),
                )
                if found
            )
        )


@dataclass(slots=True)
class _Seen:
    """What the receiver saw of one order."""

    ids: set[str] = field(default_factory=set)
    copies: int = 0


def check(
    sent: Iterable[Sent], tried: Iterable[Tried], store: StoreJournal, *, conserved: bool, faults: int
) -> Report:
    """Compare the three journals."""
    duties = {duty.message_id: duty for duty in store.duties}
    accepted = {(each.key, each.seq): each.message_id for each in sent}
    buried = {duty.message_id for duty in store.dead}
    seen, disorder = _seen(tried, {order for order, message_id in accepted.items() if message_id in buried})
    lost, delivered = [], 0
    for order, message_id in accepted.items():
        duty = duties.get(message_id)
        taken = order in seen and seen[order].copies > 0
        delivered += taken
        kept = duty is not None and (duty.state < _ENDED or duty.state == _DEAD)
        if message_id not in store.messages or not (taken or kept):
            lost.append(_name(order))
    unknown = {duty.message_id: duty.unknown for duty in store.duties}
    return Report(
        accepted=len(accepted),
        delivered=delivered,
        dead=len(store.dead),
        pending=store.unfinished,
        lost=tuple(lost),
        duplicates=sum(max(0, found.copies - 1) for found in seen.values()),
        unknown=sum(unknown.values()),
        excess=tuple(_excess(seen, unknown)),
        disorder=tuple(disorder),
        renamed=tuple(_name(order) for order, found in seen.items() if len(found.ids) != 1),
        conserved=conserved,
        faults=faults,
    )


def _seen(
    tried: Iterable[Tried], dead: set[tuple[str, int]]
) -> tuple[Mapping[tuple[str, int], _Seen], list[str]]:
    """Count copies per order; an attempt in disorder follows a later one of its key, or one not taken and not dead."""
    seen: dict[tuple[str, int], _Seen] = defaultdict(_Seen)
    newest: dict[str, int] = {}
    disorder = []
    for each in tried:
        order = (each.key, each.seq)
        last = newest.get(each.key, -1)
        ahead = [(each.key, seq) for seq in range(max(0, last), each.seq)]
        if each.seq < last or not all(seen[one].copies or one in dead for one in ahead):
            disorder.append(_name(order))
        newest[each.key] = max(last, each.seq)
        seen[order].ids.add(each.message_id)
        seen[order].copies += each.answer in TAKEN
    return {order: found for order, found in seen.items() if found.ids}, disorder


def _excess(seen: Mapping[tuple[str, int], _Seen], unknown: Mapping[str, int]) -> Iterable[str]:
    for order, found in seen.items():
        bound = 1 + sum(unknown.get(message_id, 0) for message_id in found.ids)
        if found.copies > bound:
            yield _name(order)


def _name(order: tuple[str, int]) -> str:
    return f"{order[0]}.{order[1]}"


def read_sent(path: Path) -> list[Sent]:
    """Read a sender's journal: `key seq message-id` per line."""
    return [Sent(key, int(seq), message_id) for key, seq, message_id in _lines(path)]


def read_tried(path: Path) -> list[Tried]:
    """Read a receiver's journal: `message-id key seq answer` per line."""
    return [
        Tried(message_id, key, int(seq), answer)
        for message_id, key, seq, answer in _lines(path)
        if answer != "400"
    ]


def read_store(database: Path) -> StoreJournal:
    """Read the store of a stopped or killed engine from a copy: opening the original would recover its WAL."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        for suffix in ("", "-wal"):
            if database.with_name(database.name + suffix).exists():
                shutil.copyfile(database.with_name(database.name + suffix), f"{copy}{suffix}")
        connection = apsw.Connection(str(copy))
        try:
            messages = frozenset(row[0] for row in connection.execute(_MESSAGES))
            duties = tuple(Duty(*row) for row in connection.execute(_ROWS))
        finally:
            connection.close()
    return StoreJournal(messages, duties)


def _lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text("ascii").splitlines()]
