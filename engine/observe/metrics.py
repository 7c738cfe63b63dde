"""Prometheus metrics from one list: what is not on it cannot be counted, so no label can carry personal data.

Source: Prometheus text format 0.0.4, naming practices of prometheus.io (base units, `_total`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric: its help text and the labels it takes, in order."""

    help: str
    labels: tuple[str, ...] = ()


COUNTERS: Mapping[str, Figure] = {
    "messages": Figure("Messages answered, by what became of them at the door.", ("listener", "disposition")),
    "attempts": Figure("Attempts by endpoint and result.", ("endpoint", "result")),
    "settled": Figure("Deliveries that reached a terminal state.", ("endpoint", "state")),
    "fallbacks": Figure("Deliveries that moved on to a fallback, by the endpoint they left.", ("endpoint",)),
    "bugs": Figure("Exceptions that nobody named; insisted on, never hidden.", ("where",)),
    "channel_restarts": Figure("Channels that crashed and were started again.", ("channel",)),
    "channel_events": Figure(
        "What channels count of their own (connections, refusals).", ("channel", "event")
    ),
    "alerts": Figure("Alerts opened and cleared.", ("kind", "change")),
    "empty_order_keys": Figure("Messages whose ordering key was empty: a lane of their own.", ("route",)),
}
"""Counters; exposed as `passerelle_<name>_total`."""

HISTOGRAMS: Mapping[str, Figure] = {
    "accept_seconds": Figure("From a message handed in to its durable receipt.", ("listener",)),
    "attempt_seconds": Figure("Duration of attempts.", ("endpoint",)),
    "first_attempt_seconds": Figure("From accepted to first attempt.", ("endpoint",)),
}
"""Histograms in seconds; exposed as `passerelle_<name>`."""

GAUGES: Mapping[str, Figure] = {
    "deliveries": Figure("Deliveries by state, all since the store's beginning.", ("state",)),
    "waiting_seconds": Figure("Age of the oldest unfinished delivery.", ("route",)),
    "breaker_open": Figure("1 while an endpoint's breaker is open.", ("endpoint",)),
    "alerts_open": Figure("Alerts that are open.", ("kind",)),
    "store_free_bytes": Figure("Free space on the store's disk."),
    "store_commit_seconds": Figure("Median write and fsync of the store's disk at start."),
    "in_flight_bytes": Figure("Bytes of messages between the door and their commit."),
    "ready": Figure("1 when the engine takes messages."),
}
"""Gauges, read at scrape time; exposed as `passerelle_<name>`."""

Reading = tuple[str, tuple[str, ...], float]
"""One gauge value: name, label values, value."""


_BOUNDS = (*(str(float(bound)) for bound in _SECONDS), "+Inf")
_Labels = tuple[str, ...]


@dataclass(slots=True)
class _Durations:
    """What one histogram counted: how many in each bucket alone, and their sum."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(_SECONDS) + 1))
    total: float = 0.0


class Metrics:
    """Counts for one engine, in a registry of its own; implements `spi.Counters`.

    Counting is a sum in a table, by the one thread of the event loop: six of the library's own counters, each with
    its lock, took a thirtieth of a message's time. They become the library's families when they are read.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._sums: dict[str, dict[_Labels, float]] = {name: {} for name in COUNTERS}
        self._durations: dict[str, dict[_Labels, _Durations]] = {name: {} for name in HISTOGRAMS}
        self.registry.register(_Counted(self._sums, self._durations))

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter; KeyError for a name that is not on the list, ValueError for a wrong label."""
        sums, key = self._sums[name], tuple(labels.values())
        if key in sums:
            sums[key] += amount
        else:
            key = _ordered(COUNTERS[name], labels)
            sums[key] = sums.get(key, 0.0) + amount

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add a duration in seconds to a histogram."""
        durations, key = self._durations[name], tuple(labels.values())
        found = durations.get(key)
        if found is None:
            found = durations.setdefault(_ordered(HISTOGRAMS[name], labels), _Durations())
        found.buckets[bisect_left(_SECONDS, value)] += 1
        found.total += value

    def watch(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Let `read` give the gauges at each scrape."""
        self.registry.register(_Gauges(read))

    def render(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self.registry)


def _ordered(figure: Figure, labels: Mapping[str, str]) -> _Labels:
    """Return the labels' values in the figure's order; ValueError unless they are its labels."""
    if labels.keys() != set(figure.labels):
        raise ValueError(f"the labels are {figure.labels}, not {tuple(labels)}")
    return tuple(labels[name] for name in figure.labels)


class _Counted(Collector):
    def __init__(
        self, sums: Mapping[str, dict[_Labels, float]], durations: Mapping[str, dict[_Labels, _Durations]]
    ) -> None:
        self._sums = sums
        self._durations = durations

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        for name, sums in self._sums.items():
            figure = COUNTERS[name]
            counter = CounterMetricFamily(f"passerelle_{name}", figure.help, labels=figure.labels)
            for labels, total in sums.items():
                counter.add_metric(labels, total)
            yield counter
        for name, durations in self._durations.items():
            figure = HISTOGRAMS[name]
            histogram = HistogramMetricFamily(f"passerelle_{name}", figure.help, labels=figure.labels)
            for labels, found in durations.items():
                buckets = list(zip(_BOUNDS, accumulate(found.buckets), strict=True))
                histogram.add_metric(labels, buckets, found.total)
            yield histogram


class _Gauges(Collector):
    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        families = {
            name: GaugeMetricFamily(f"passerelle_{name}", figure.help, labels=figure.labels)
            for name, figure in GAUGES.items()
        }
        for name, labels, value in self._read():
            families[name].add_metric(labels, value)
        return families.values()
