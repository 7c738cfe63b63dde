"""Prometheus metrics from one list: what is not on it cannot be counted, so no label can carry personal data.

Source: Prometheus text format 0.0.4, naming practices of prometheus.io (base units, `_total`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
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


class Metrics:
    """Counts for one engine, in a registry of its own; implements `spi.Counters`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters = {
            name: Counter(f"passerelle_{name}", figure.help, figure.labels, registry=self.registry)
            for name, figure in COUNTERS.items()
        }
        self._histograms = {
            name: Histogram(
                f"passerelle_{name}", figure.help, figure.labels, registry=self.registry, buckets=_SECONDS
            )
            for name, figure in HISTOGRAMS.items()
        }
        self._children: dict[tuple[str, ...], Counter | Histogram] = {}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter; KeyError for a name that is not on the list, ValueError for a wrong label."""
        key = (name, *labels.values())
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._counters[name].labels(**labels)
        assert isinstance(child, Counter)
        child.inc(amount)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add a duration in seconds to a histogram."""
        key = (name, *labels.values())
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._histograms[name].labels(**labels)
        assert isinstance(child, Histogram)
        child.observe(value)

    def watch(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Let `read` give the gauges at each scrape."""
        self.registry.register(_Gauges(read))

    def render(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self.registry)


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
