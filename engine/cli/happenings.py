"""What happens to each message, as a table that fills while it happens, or as lines where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Literal, Self

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from engine.model import State
from engine.store.protocol import DeliveryRow

_SHOWN = 20
_COLOURS = {
    "delivered": "green",
    "delivered_by_fallback": "green",
    "refused": "red",
    "dead": "red",
    "retrying": "yellow",
    "parked": "yellow",
    "in_flight": "cyan",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One message: what it is, whose, how many attempts, its state, and by which endpoint or why."""

    what: str
    clinic: str
    kind: str
    attempts: int
    state: str
    by: str
    subject: str = ""
    message_id: str = ""


@dataclass(slots=True)
class Happenings:
    """All messages that are shown, in the order in which they came."""

    alerts: list[str] = field(default_factory=list)
    _known: dict[str, Happening] = field(default_factory=dict)

    def add(self, happening: Happening) -> None:
        """Show a message that was sent in."""
        key = happening.message_id or happening.what
        before = self._known.get(key)
        self._known[key] = (
            replace(before, what=happening.what, clinic=happening.clinic) if before else happening
        )

    def follow(self, row: DeliveryRow, *, in_flight: bool) -> None:
        """Show how a delivery stands."""
        duty = row.delivery
        known = self._known.get(duty.message_id) or Happening(
            duty.message_id, duty.endpoint.split(".")[0], duty.kind, 0, "", "", message_id=duty.message_id
        )
        state = State.IN_FLIGHT if in_flight else duty.state
        by = (
            f"{duty.endpoint} ({duty.reason})"
            if duty.reason and duty.state is not State.DELIVERED
            else duty.endpoint
        )
        self._known[duty.message_id] = replace(known, attempts=duty.attempts, state=state.word, by=by)

    def __iter__(self) -> Iterator[Happening]:
        return iter(list(self._known.values())[-_SHOWN:])


class Screen:
    """A live table on a terminal, plain lines elsewhere."""

    def __init__(self, *, plain: bool = False) -> None:
        self._console = Console(highlight=False)
        self._live: Live | None = None
        self._plain = plain or not self._console.is_terminal
        self._hint = ""
        self._told: dict[str, Happening] = {}
        self._alerts: list[str] = []

    def __enter__(self) -> Self:
        if not self._plain:
            self._live = Live(console=self._console, refresh_per_second=4, transient=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        """Print a line above the table."""
        self._console.print(text, markup=False, soft_wrap=True)
        sys.stdout.flush()

    def hint(self, text: str) -> None:
        """Show a hint below the table."""
        self._hint = text
        if self._plain:
            self.say(text)

    def show(self, happenings: Happenings) -> None:
        """Bring what is shown up to date."""
        if self._live is not None:
            self._live.update(Group(_table(happenings), Text(_alerts(happenings)), Text(self._hint)))
            return
        for happening in happenings:
            key = happening.message_id or happening.what
            if self._told.get(key) != happening:
                self._told[key] = happening
                self.say(
                    f"{happening.what}: {happening.clinic}: {happening.state}"
                    f" after {_counted(happening.attempts)} {happening.by}".rstrip()
                )
        if happenings.alerts != self._alerts:
            self._alerts = list(happenings.alerts)
            self.say(_alerts(happenings))


def _counted(attempts: int) -> str:
    return f"{attempts} attempt" if attempts == 1 else f"{attempts} attempts"


def _table(happenings: Happenings) -> Table:
    table = Table(box=SIMPLE_HEAD, expand=False, pad_edge=False)
    for name in ("message", "clinic", "event", "attempts", "state", "endpoint, or why"):
        justify: Literal["left", "right"] = "right" if name == "attempts" else "left"
        table.add_column(
            name, justify=justify, overflow="fold", no_wrap=name in ("event", "attempts", "state")
        )
    for each in happenings:
        colour = _COLOURS.get(each.state, "")
        table.add_row(
            each.what,
            each.clinic,
            each.kind.removeprefix("appointment-"),
            str(each.attempts),
            Text(each.state, style=colour),
            each.by,
        )
    return table


def _alerts(happenings: Happenings) -> str:
    if not happenings.alerts:
        return "alerts open: none"
    return f"alerts open: {', '.join(happenings.alerts)}"
