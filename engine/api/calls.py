"""One call of the API, whoever carries it: the unix socket, TCP, or the command line on a stopped store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from engine.api.problems import BadCall, Forbidden
from engine.api.views import View
from engine.model import State

if TYPE_CHECKING:
    from engine.api.control import Control

ROLES = frozenset(
    {"viewer", "operator", "phi-reader", "editor", "security-admin", "auditor", "privacy-officer"}
)
"""Who may do what, deny by default; each of them may see metadata (`viewer`)."""


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked: values from the path, the query string and the JSON body; who asks, and in which roles."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    actor: str = ""
    now_ms: int = 0
    roles: frozenset[str] = ROLES

    def has(self, name: str) -> bool:
        """Say whether a value was given."""
        return any(source.get(name) not in (None, "") for source in (self.path, self.query, self.body))

    def text(self, name: str, default: str | None = None) -> str:
        """Return a value from wherever it stands; BadCall when it is missing and has no default."""
        for source in (self.path, self.query, self.body):
            if name in source and source[name] is not None:
                return str(source[name])
        if default is None:
            raise BadCall(f'"{name}" is missing')
        return default

    def number(self, name: str, default: int | None = None) -> int:
        """Return a whole number that is not negative."""
        text = self.text(name, None if default is None else str(default))
        if not text.isdecimal():
            raise BadCall(f'"{name}" is no whole number')
        return int(text)

    def rate(self, name: str) -> float:
        """Return how many per second, 0 for no limit: `5`, `0.5` or `5/s`."""
        text = self.text(name, "0").removesuffix("/s")
        try:
            rate = float(text)
        except ValueError:
            raise BadCall(f'"{name}" is no rate: write 5/s') from None
        if not 0 <= rate < 1_000_000:
            raise BadCall(f'"{name}" is no rate: write 5/s')
        return rate

    def flag(self, name: str) -> bool:
        """Return whether a flag is set: `true`, `1` or `yes`."""
        return self.text(name, "").lower() in ("true", "1", "yes")

    def moment_ms(self, name: str) -> int:
        """Return a time in UTC ms, 0 when it is not given; RFC 3339, or how long ago (`30m`, `2h`, `7d`)."""
        return self._moment_ms(name, forward=-1)

    def deadline_ms(self, name: str) -> int:
        """Return a time to come in UTC ms, 0 when it is not given; RFC 3339, or how long from now (`30m`)."""
        return self._moment_ms(name, forward=1)

    def _moment_ms(self, name: str, *, forward: int) -> int:
        text = self.text(name, "")
        if not text:
            return 0
        distance = _distance_ms(text)
        if distance is not None:
            return self.now_ms + forward * distance
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise BadCall(f'"{name}" is no time: write 2026-11-02T09:00:00-05:00, or 30m, 2h, 7d') from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)

    def states(self) -> tuple[State, ...]:
        """Return the delivery states asked for, by their words, separated by commas."""
        words = [word for word in self.text("state", "").split(",") if word]
        try:
            return tuple(State[word.upper()] for word in words)
        except KeyError as error:
            known = ", ".join(state.word for state in State)
            raise BadCall(f"no state {str(error).lower()}; there are {known}") from None

    def require(self, role: str) -> None:
        """Raise Forbidden unless the caller has a role; every role may see metadata."""
        if role not in self.roles and not (role == "viewer" and self.roles):
            raise Forbidden(f'this needs the role "{role}"')


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _distance_ms(text: str) -> int | None:
    if text[:-1].isdecimal() and text[-1] in _UNITS and len(text) < 10:
        return round(timedelta(**{_UNITS[text[-1]]: int(text[:-1])}) / timedelta(milliseconds=1))
    return None


Answer = Callable[["Control", Call], Awaitable[View]]
Stream = Callable[["Control", Call], AsyncIterator[View]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of the API: `path` holds `{names}`; `role` is the least that a token needs; `takes` are its further
    parameters, in the query string of a GET and in the JSON body of a POST. `stream` gives one JSON object per line
    until the caller leaves, an empty one when there was nothing for a while."""

    method: str
    path: str
    summary: str
    answer: Answer | None = None
    stream: Stream | None = None
    role: str = "viewer"
    takes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The function behind it, as `operationId`."""
        behind = self.answer or self.stream
        assert behind is not None
        return behind.__name__

    def match(self, path: str) -> dict[str, str] | None:
        """Return the values of the names in `path`, None when it is another path."""
        wanted, given = self.path.split("/"), path.strip("/").split("/")
        if len(wanted) != len(given):
            return None
        values: dict[str, str] = {}
        for pattern, part in zip(wanted, given, strict=True):
            if pattern.startswith("{"):
                values[pattern[1:-1]] = part
            elif pattern != part:
                return None
        return values

    def check(self, call: Call) -> None:
        """Raise Forbidden without the role, BadCall for a parameter that this operation does not take."""
        call.require(self.role)
        for name in (*call.query, *call.body):
            if name not in self.takes:
                close = get_close_matches(name, self.takes, 1)
                hint = f'; did you mean "{close[0]}"?' if close else ""
                raise BadCall(f'there is no parameter "{name}"{hint}')
