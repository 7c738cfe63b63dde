"""The project that the campaigns run: every kind of door and of endpoint, with short delays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_CONFIG = """\
engine: {{name: crash, zone: UTC, drain: 10s}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
logs: {{level: info}}
defaults: {{timeout: 5s, retry: {{backoff: 20ms..{longest_ms}ms, for: 1h}}, breaker: {{failures: 100000000}}}}
listen:
  public: {{rest: "127.0.0.1:{port}"}}
partners:
  clinic:
    endpoints:
      emr: {{webhook: "http://127.0.0.1:{receiver}/emr", phi: full, limits: {{concurrency: 32}}}}
"""

_ROUTE = """\
route: orders
from: {public: POST /v1/orders}
order_by: msg.key
to: [clinic.emr]
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the engine listens, and where its receiver does."""

    engine: int
    receiver: int


def write_project(folder: Path, ports: Ports, *, longest_ms: int = 800) -> Path:
    """Write REST to webhook, ordered by key; return config.yaml. Retries wait at most `longest_ms` milliseconds."""
    (folder / "routes").mkdir(parents=True, exist_ok=True)
    config = folder / "config.yaml"
    config.write_text(_CONFIG.format(port=ports.engine, receiver=ports.receiver, longest_ms=longest_ms))
    (folder / "routes/orders.yaml").write_text(_ROUTE)
    return config
