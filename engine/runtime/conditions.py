"""What the engine observes of itself that a human must know: disk, certificates, exceptions, closed endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

from engine.clock import Clock
from engine.config.loaded import Loaded
from engine.config.models import PlaintextException
from engine.errors import PasserelleError
from engine.notify.alerts import Condition
from engine.runtime.sending.gates import Closure, Gates
from engine.security.certificates import list_certificates

THRESHOLDS = (1, 7, 14, 30)
"""Days before the end of a certificate or an exception at which somebody is told, each once."""

LOOK_MS = 3_600_000
"""How often certificate files are read; they change rarely and cost a parse each."""


class SelfObservation:
    """Gives the conditions that hold now; `rule` is the first alert of the configuration, who hears of the engine."""

    def __init__(self, clock: Clock, gates: Gates) -> None:
        self._clock = clock
        self._gates = gates
        self._disk = ""
        self._ending: list[Condition] = []
        self._looked_ms = -LOOK_MS

    def disk(self, detail: str) -> None:
        """Note that the disk is scarce, or fine again ("")."""
        self._disk = detail

    def conditions(self, loaded: Loaded, failing: Mapping[str, str]) -> Iterator[Condition]:
        """Give what holds now; `failing` are channels that do not come up, with what stops them."""
        rule = next(iter(loaded.app.alerts), "")
        if self._disk:
            yield Condition("disk", "store", rule, self._disk, fact=False)
        for name, detail in failing.items():
            yield Condition("channel", name, rule, detail, fact=False)
        for gate in self._gates.closed():
            if gate.kind == Closure.DISABLED:
                yield Condition("endpoint_disabled", gate.subject, rule, gate.reason)
        now_ms = self._clock.now_ms()
        if now_ms - self._looked_ms >= LOOK_MS:
            self._looked_ms = now_ms
            self._ending = [*_certificates(loaded, rule, self._clock), *_exceptions(loaded, rule, now_ms)]
        yield from self._ending


def _certificates(loaded: Loaded, rule: str, clock: Clock) -> Iterator[Condition]:
    folders = {
        (loaded.root / path).parent
        for profile in loaded.app.tls.values()
        for path in (profile.cert, profile.ca)
        if path is not None
    }
    for folder in sorted(folders):
        try:
            entries = list_certificates(folder, clock=clock)
        except PasserelleError as error:
            yield Condition("certificate", folder.name, rule, str(error))
            continue
        for entry in entries:
            yield from _ends("certificate", entry.path.name, entry.days_left, rule)


def _exceptions(loaded: Loaded, rule: str, now_ms: int) -> Iterator[Condition]:
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    for name, listener in loaded.app.listen.items():
        yield from _exception(name, listener.plaintext, rule, today)
    for partner, written in loaded.partners.items():
        for short, endpoint in written.endpoints.items():
            yield from _exception(f"{partner}.{short}", endpoint.plaintext, rule, today)


def _exception(name: str, written: PlaintextException | None, rule: str, today: date) -> Iterator[Condition]:
    if written is not None:
        yield from _ends("plaintext", name, (written.until - today).days, rule)


def _ends(kind: str, subject: str, days_left: int, rule: str) -> Iterator[Condition]:
    """Give one condition per threshold that was passed, so that each is told once and ends without a word."""
    for days in THRESHOLDS:
        if days_left <= days:
            yield Condition(kind, f"{subject} {days} d", rule, f"{days_left} d", lasting_ms=0)
            return
