"""Partners that answer by a script, in virtual time: what golden tests put in the place of transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from engine.clock import Clock
from engine.errors import Permanent, Rejected, Transient
from engine.model import Attempt, Reply
from engine.spi import Outbound
from engine.testing.cases import Line

ACCEPT = Line(answer="accept")


@dataclass(frozen=True, slots=True)
class Heard:
    """One attempt as a scripted partner saw it."""

    endpoint: str
    message_id: str
    body: bytes
    at_ms: int


@dataclass(slots=True)
class Partners:
    """All scripted partners of one test; a script's last line repeats, an endpoint without one accepts.

    `folder` is where the files of their answers are.
    """

    clock: Clock
    scripts: Mapping[str, Sequence[Line]]
    folder: Path = Path()
    heard: list[Heard] = field(default_factory=list)
    _asked: dict[str, int] = field(default_factory=dict)

    def outbound(self, endpoint: str) -> Outbound:
        """Return the sending half for an endpoint."""
        return _Scripted(endpoint, self)

    def next_line(self, endpoint: str) -> Line:
        """Return what the endpoint answers now."""
        script = self.scripts.get(endpoint) or (ACCEPT,)
        asked = self._asked.get(endpoint, 0)
        self._asked[endpoint] = asked + 1
        return script[min(asked, len(script) - 1)]


class _Scripted(Outbound):
    """One endpoint of the script; it needs nothing that a channel's context gives."""

    def __init__(self, endpoint: str, partners: Partners) -> None:
        self._endpoint = endpoint
        self._partners = partners

    async def send(self, attempt: Attempt) -> Reply:
        clock = self._partners.clock
        line = self._partners.next_line(self._endpoint)
        if line.answer == "absent":
            raise Transient("the scripted partner is absent", code="absent")
        heard = Heard(self._endpoint, attempt.message_id, attempt.body.read(), clock.now_ms())
        self._partners.heard.append(heard)
        takes = line.takes.total_seconds() if line.takes else 0.0
        if line.answer == "silent" or takes > attempt.timeout:
            await clock.sleep(attempt.timeout)
            raise Transient("the scripted partner did not answer in time", sent=True, code="timeout")
        await clock.sleep(takes)
        body = (self._partners.folder / line.says).read_bytes() if line.says else b""
        return _answered(line, body)

    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        return [("script", True, "a scripted partner")]


def _answered(line: Line, body: bytes) -> Reply:
    word = _WORDS.get(line.answer)
    if word is not None:
        word(line)
    code, reply = line.answer, Reply(line.answer, body)
    if code in _TAKEN:
        return reply
    if code in _ACKNOWLEDGED:
        raise _ACKNOWLEDGED[code](f"answered {code}", code=code, reply=reply)
    status = int(code)
    if status < 300:
        return reply
    if status in _RETRIED or status >= 500:
        raise Transient(f"answered {status}", retry_after=_retry_after(line), code=code, reply=reply)
    if status in _ENDPOINT or status < 400:
        raise Permanent(f"answered {status}", code=code, disable=status == 410, reply=reply)
    raise Rejected(f"answered {status}", code=code, reply=reply)


_RETRIED = frozenset({408, 425, 429})
_ENDPOINT = frozenset({401, 403, 404, 405, 410})


def _retry_after(line: Line) -> float | None:
    return line.retry_after.total_seconds() if line.retry_after else None


def _refuse(line: Line) -> NoReturn:
    raise Rejected("the scripted partner refuses the content", code="refused")


def _busy(line: Line) -> NoReturn:
    raise Transient("the scripted partner is busy", retry_after=_retry_after(line), code="busy")


def _drop(line: Line) -> NoReturn:
    raise Transient("the scripted partner hung up", sent=True, code="dropped")


_TAKEN = frozenset({"accept", "AA"})
_ACKNOWLEDGED: Mapping[str, type[Transient | Rejected]] = {"AE": Transient, "AR": Rejected}
_WORDS: Mapping[str, Callable[[Line], NoReturn]] = {
    "refuse": _refuse,
    "busy": _busy,
    "drop": _drop,
}
