"""A breaker per endpoint: after consecutive failures it keeps everybody away, then lets one attempt find out.

Failures are the endpoint's (absent, busy, silent, a bug); a partner that answers closes the breaker, whatever it
answers. While all failures came from one lane, that message may be the cause and not the endpoint: another lane is
let through at once to find out, so that a retrying head blocks its own key only.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from engine.model import Result
from engine.runtime.sending.policy import EndpointPolicy

MAX_OPEN = 300.0
"""Seconds: how long an open period grows at most, unless the policy's own is longer."""

_CULPRITS = 8
"""Lanes of the failures that are remembered; two are enough to suspect the endpoint."""


class Phase(enum.Enum):
    """The state of a breaker; the value is its word in API and console."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Pass(enum.Enum):
    """Whom the breaker lets through now."""

    ALL = enum.auto()
    NONE = enum.auto()
    STRANGER = enum.auto()
    """One attempt, of a lane that did not fail."""
    PROBE = enum.auto()
    """One attempt, rather of a lane that did not fail."""


FAILURES = frozenset({Result.TRANSIENT, Result.UNKNOWN, Result.BUG})
"""Results that count against the endpoint."""

BreakerListener = Callable[[str, Phase], None]
"""Hears an endpoint's name and its new phase; called once per change."""


class Breaker:
    """Counts one endpoint's failures; times are monotonic seconds, given by the caller."""

    __slots__ = (
        "_failures",
        "_listener",
        "_name",
        "_periods",
        "_probe",
        "culprits",
        "phase",
        "retry_at",
        "since",
    )

    def __init__(self, name: str, listener: BreakerListener) -> None:
        self._name = name
        self._listener = listener
        self._failures = 0
        self._periods = 0
        self._probe = b""
        self.phase = Phase.CLOSED
        self.culprits: set[bytes] = set()
        self.retry_at = 0.0
        self.since = 0.0

    def passes(self, now: float) -> Pass:
        """Say who may go out at `now`; whoever does under STRANGER or PROBE must call `probing` first."""
        if self.phase is Phase.CLOSED:
            return Pass.ALL
        if self.phase is Phase.HALF_OPEN:
            return Pass.NONE
        if now >= self.retry_at:
            return Pass.PROBE
        return Pass.STRANGER if len(self.culprits) == 1 else Pass.NONE

    def probing(self, lane: bytes) -> None:
        """Let nobody else through until this lane's attempt came back."""
        self._probe = lane
        self._become(Phase.HALF_OPEN)

    def abandoned(self, lane: bytes) -> None:
        """Take the probe's place back, if this lane had it: it was not sent after all."""
        if self.phase is Phase.HALF_OPEN and lane == self._probe:
            self._become(Phase.OPEN)

    def record(self, result: Result, lane: bytes, policy: EndpointPolicy, now: float) -> None:
        """Count the result of an attempt made for `lane`."""
        if result not in FAILURES:
            self._failures = self._periods = 0
            self.culprits.clear()
            self._become(Phase.CLOSED)
            return
        self._failures += 1
        if len(self.culprits) < _CULPRITS:
            self.culprits.add(lane)
        if self.phase is Phase.CLOSED:
            if 0 < policy.breaker_failures <= self._failures:
                self._open(policy, now)
        elif self.phase is Phase.HALF_OPEN and lane == self._probe:
            self._open(policy, now)

    def _open(self, policy: EndpointPolicy, now: float) -> None:
        if self._periods == 0:
            self.since = now
        longest = max(MAX_OPEN, policy.breaker_open)
        self.retry_at = now + min(longest, policy.breaker_open * 2.0 ** min(self._periods, 30))
        self._periods += 1
        self._become(Phase.OPEN)

    def _become(self, phase: Phase) -> None:
        if phase is not self.phase:
            self.phase = phase
            self._listener(self._name, phase)
