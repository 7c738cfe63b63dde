"""The engine notices what will need a human: certificates and exceptions that end, a scarce disk, closed endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.config.load import load_configuration
from engine.config.loaded import Loaded
from engine.runtime.conditions import SelfObservation
from engine.runtime.sending.gates import Gates
from engine.security.certificates import make_dev_certificates
from engine.store import Store, open_store
from engine.testing.virtual_clock import VirtualClock

NOW = datetime(2026, 11, 2, 14, tzinfo=UTC)
CONFIG = """
listen:
  public: {rest: 127.0.0.1:0, tls: server}
  old: {rest: 10.0.0.1:8080, plaintext: {allow: [10.0.0.0/8], reason: no TLS there, until: 2026-11-08}}
tls:
  server: {cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem}
alerts:
  ops: {to: operations.alerts}
partners:
  operations: {endpoints: {alerts: {inbox: operations}}}
"""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture
def loaded(tmp_path: Path, clock: VirtualClock) -> Loaded:
    make_dev_certificates(tmp_path / "certs", [], clock=clock)
    (tmp_path / "config.yaml").write_text(CONFIG)
    return load_configuration(tmp_path / "config.yaml", environ={}, now_ms=clock.now_ms())


@pytest.fixture
async def store(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:{tmp_path / 'p.db'}", clock=clock) as opened:
        yield opened


def told(observed: SelfObservation, loaded: Loaded, **failing: str) -> list[str]:
    return [f"{each.kind} {each.subject}" for each in observed.conditions(loaded, failing)]


async def test_a_dated_exception_is_told_at_each_threshold(
    loaded: Loaded, store: Store, clock: VirtualClock
) -> None:
    observed = SelfObservation(clock, Gates(store.records, clock))
    assert told(observed, loaded) == ["plaintext old 7 d"]
    clock.advance_to(clock.now_ms() + round(timedelta(days=5).total_seconds() * 1000))
    assert told(observed, loaded) == ["plaintext old 1 d"]


async def test_a_certificate_is_told_before_its_end(
    loaded: Loaded, store: Store, clock: VirtualClock
) -> None:
    observed = SelfObservation(clock, Gates(store.records, clock))
    clock.advance_to(clock.now_ms() + round(timedelta(days=352).total_seconds() * 1000))
    assert "certificate engine.pem 14 d" in told(observed, loaded)


async def test_disk_channels_and_disabled_endpoints_are_told_while_they_last(
    loaded: Loaded, store: Store, clock: VirtualClock
) -> None:
    gates = Gates(store.records, clock)
    observed = SelfObservation(clock, gates)
    observed.disk("400 MiB free")
    await gates.disable("clinique-abc.emr", reason="410")
    found = told(observed, loaded, old="OSError")
    assert found[:3] == ["disk store", "channel old", "endpoint_disabled clinique-abc.emr"]
    observed.disk("")
    await gates.enable("clinique-abc.emr", actor="test")
    assert told(observed, loaded) == ["plaintext old 7 d"]
