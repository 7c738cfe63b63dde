"""The current policy of destinations and endpoints: what a row does not freeze.

A delivery's row keeps its renderings and its chain. Retry, fallback timing, limits and credentials are always read
from here, so that a change of configuration helps what already waits. All durations are in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from engine.model import Delivery
from engine.runtime.sending.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential backoff with full jitter: attempt n waits uniform(0, min(ceiling, first * 2**(n-1))).

    `budget` is the time from the hop's first attempt after which no further one starts; `attempts` an extra limit
    (None: none). `attempts=1` is "retry: none".
    """

    first: float = 2.0
    ceiling: float = 300.0
    budget: float = 86_400.0
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A weekly window, in the partner's zone: weekdays 0 = Monday, minutes since midnight; it may pass midnight."""

    days: frozenset[int]
    start: int
    end: int
    zone: str
    catch_up: float | None = None


@dataclass(frozen=True, slots=True)
class EndpointPolicy:
    """How one endpoint may be used now.

    `rate` is messages per second (None: unlimited), `breaker_failures` consecutive endpoint-level failures open the
    breaker for `breaker_open` seconds, after which one probe message goes out. `confirm_within` is how long a
    partner that took a message and confirms later (`awaiting`) may take; `confirmed_in_order` keeps its lane till then.
    """

    name: str
    partner: str
    timeout: float = 30.0
    concurrency: int = 4
    rate: float | None = None
    breaker_failures: int = 5
    breaker_open: float = 30.0
    maintenance: tuple[Maintenance, ...] = ()
    confirm_within: float = 86_400.0
    confirmed_in_order: bool = False


@dataclass(frozen=True, slots=True)
class DestinationPolicy:
    """How one destination of one route is served now.

    `retry` and `timeout` belong to the first hop, `fallback_retry` and `fallback_timeout` to the hops by endpoint
    name; a timeout that is not given is the endpoint's own. `fallback_after` is the time
    from accept after which the next hop takes over (None: only when the budget is spent or the endpoint refuses);
    `fallback_on` lists codes that make a failure endpoint-level although the table says otherwise.
    `parks` says what a dead head does to its lane; `supersedes` and `keep_first` as in the route. `recallable` False
    says that the route has no `recall:`, which spares a look at what waits behind each head. `rulings` is what it says
    about the answers of its first choice, None where it says nothing; `priority` is what a partner is told of urgency.
    """

    route: str
    destination: str
    retry: Retry = Retry()
    timeout: float | None = None
    fallback_retry: dict[str, Retry] = field(default_factory=dict)
    fallback_timeout: dict[str, float] = field(default_factory=dict)
    fallback_after: float | None = None
    fallback_on: frozenset[str] = frozenset()
    parks: bool = False
    supersedes: bool = False
    keep_first: bool = False
    recallable: bool = True
    alert: str = ""
    rulings: Rulings | None = None
    priority: str = ""


class Rulings(Protocol):
    """Decides upon a partner's answer otherwise than its code does."""

    def read(self, outcome: Outcome, now_ms: int) -> Outcome:
        """Return what the attempt came to in the light of the answer; never raises for what is in it."""


class Policies(Protocol):
    """Answers for the configuration that is current at this moment; look-ups are dictionary reads."""

    def destination(self, delivery: Delivery) -> DestinationPolicy | None:
        """Return the policy for a delivery, None when its route or destination is gone (the delivery is parked)."""

    def endpoint(self, name: str) -> EndpointPolicy | None:
        """Return the policy of `partner.endpoint`, None when it is gone."""
