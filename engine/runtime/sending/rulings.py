"""What a route says about its partner's answers: rules that decide otherwise, and values to remember.

The answer is read by the codec of the endpoint's channel. One that cannot be read changes nothing, and teaches nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from engine.codecs import codec
from engine.errors import Rejected
from engine.model import Body, Message, Result
from engine.runtime.sending.outcome import Outcome
from engine.spi import Scope
from engine.steps.contract import Compiled

MAX_VALUE = 1024
"""Characters of a value that is remembered; a longer one is no identifier and is left."""

NAMES = ("reply",)
"""Names that exist where an answer is read."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rule:
    """What an answer leads to where `when` holds; `seconds` is how long a `hold` waits."""

    when: Compiled
    then: Literal["hold", "dead", "retry"]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Rulings:
    """What one destination says about the answers of its endpoint, which `codec` reads."""

    codec: str
    rules: tuple[Rule, ...]
    remember: tuple[tuple[str, Compiled], ...]

    def read(self, outcome: Outcome, now_ms: int) -> Outcome:
        """Return what an attempt came to, in the light of the rules, with what is to be remembered of a good answer."""
        if not outcome.evidence:
            return outcome
        try:
            return self._read(outcome, now_ms)
        except Rejected:  # no document of this codec, or a value that an expression cannot take
            _log.info("an answer could not be read for its route's rules", extra={"action": "on_reply"})
            return outcome

    def _read(self, outcome: Outcome, now_ms: int) -> Outcome:
        scope = self._scope(outcome.evidence, now_ms)
        rule = next((rule for rule in self.rules if rule.when.evaluate(scope)), None)
        if rule is not None:
            return _ruled(outcome, rule)
        if outcome.result is not Result.DELIVERED or outcome.awaiting:
            return outcome
        return replace(outcome, learnt=self._learnt(scope))

    def _scope(self, answer: bytes, now_ms: int) -> Scope:
        message = Message("", "", Body.of(answer), self.codec, now_ms)
        root = codec(self.codec).decode(message).root
        return Scope(msg=None, source=None, meta={}, now_ms=now_ms, reply=root)

    def _learnt(self, scope: Scope) -> tuple[tuple[str, str], ...]:
        said = ((name, _text(value.evaluate(scope))) for name, value in self.remember)
        return tuple((name, text) for name, text in said if 0 < len(text) <= MAX_VALUE)


def _ruled(outcome: Outcome, rule: Rule) -> Outcome:
    if rule.then == "dead":
        return replace(outcome, result=Result.REJECTED, awaiting=False, deferred=False)
    held = rule.then == "hold"
    return replace(
        outcome,
        result=Result.TRANSIENT,
        retry_after=rule.seconds if held else outcome.retry_after,
        awaiting=False,
        deferred=held,
    )


def _text(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = value[0] if value else None
    return "" if value is None else str(value)
