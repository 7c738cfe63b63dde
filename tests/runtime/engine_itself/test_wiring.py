"""Channels are built from the current configuration, with small state that lasts and TLS that can be replaced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.config.load import load_configuration
from engine.errors import NotFound
from engine.model import Confirmation
from engine.observe.metrics import Metrics
from engine.runtime.compiling.assembling import assemble
from engine.runtime.images.instances import StoredImages
from engine.runtime.routing.board import Current
from engine.runtime.wiring import StoredState, Wiring
from engine.security.certificates import make_dev_certificates
from engine.spi import Access
from engine.store import Store, open_store
from engine.testing.channels import RecordingIntake

CONFIG = """
tls:
  engine: {cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem}
connections:
  relay: {smtp: 127.0.0.1:2525, starttls: required, tls: engine}
alerts:
  ops: {to: mailto:ops@example.org}
partners:
  clinique-abc:
    zone: America/Vancouver
    endpoints:
      emr: {webhook: https://127.0.0.1:9441/hooks, tls: engine, phi: full}
      mail: {smtp: rdv@clinique-abc.example, phi: none}
"""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:{tmp_path / 'p.db'}", clock=SystemClock()) as opened:
        yield opened


@pytest.fixture
def wiring(tmp_path: Path, store: Store) -> Wiring:
    make_dev_certificates(tmp_path / "certs", [])
    (tmp_path / "config.yaml").write_text(CONFIG)
    loaded = load_configuration(tmp_path / "config.yaml", environ={})
    current = Current(assemble(loaded).board)
    return Wiring(
        loaded,
        current,
        store.records,
        SystemClock(),
        Metrics(),
        lambda: "ID",
        _nobody_waits,
        journal=store.journal,
        intake=lambda listener: RecordingIntake(),
        images=StoredImages(store.instances),
    )


async def _nobody_waits(confirmation: Confirmation) -> bool:
    return False


async def test_small_state_lasts_and_is_one_channels_own(store: Store) -> None:
    await StoredState(store.records, SystemClock(), "night").put("last", "a.json")
    assert await StoredState(store.records, SystemClock(), "night").get("last") == "a.json"
    assert await StoredState(store.records, SystemClock(), "day").get("last") is None
    with pytest.raises(ValueError, match="64 KiB"):
        await StoredState(store.records, SystemClock(), "night").put("last", "x" * 70_000)


async def test_an_endpoint_gets_its_partners_zone_and_its_tls_profile(wiring: Wiring) -> None:
    made = wiring.outbound("clinique-abc.emr")
    assert made.context.zone == "America/Vancouver"
    assert made.context.tls is not None
    assert made.context.tls is wiring.outbound("clinique-abc.emr").context.tls


async def test_the_only_connection_of_a_type_is_the_one_that_is_meant(wiring: Wiring) -> None:
    assert wiring.outbound("clinique-abc.mail").context.connection is wiring.loaded.app.connections["relay"]


async def test_an_alert_by_mail_is_an_endpoint_of_its_own(wiring: Wiring) -> None:
    made = wiring.outbound("alert:ops")
    assert made.config.smtp == "ops@example.org"
    assert made.context.connection is wiring.loaded.app.connections["relay"]


async def test_an_endpoint_that_is_gone_is_not_found(wiring: Wiring) -> None:
    with pytest.raises(NotFound, match=r"clinique-abc\.fax"):
        wiring.outbound("clinique-abc.fax")


async def test_a_channel_reaches_an_endpoint_by_its_name(wiring: Wiring) -> None:
    config, context = wiring.outbound("clinique-abc.mail").context.reach("clinique-abc.emr")
    assert config.webhook == "https://127.0.0.1:9441/hooks"
    assert (context.name, context.zone) == ("clinique-abc.emr", "America/Vancouver")


async def test_a_channel_hands_in_at_a_listener(wiring: Wiring) -> None:
    assert isinstance(wiring.outbound("clinique-abc.emr").context.intake("images"), RecordingIntake)


async def test_who_was_shown_what_stands_in_the_journal(wiring: Wiring, store: Store) -> None:
    context = wiring.outbound("clinique-abc.emr").context
    await context.accessed(Access("images-read", "partner:clinique-abc", "study 2.25.1"))
    (row,) = [row for row in await store.journal.rows() if row.action == "images-read"]
    assert (row.actor, row.detail) == ("partner:clinique-abc", "study 2.25.1")


async def test_a_profile_that_changed_gets_another_context(wiring: Wiring, tmp_path: Path) -> None:
    before = wiring.outbound("clinique-abc.emr").context.tls
    (tmp_path / "config.yaml").write_text(CONFIG.replace("engine.pem, key", "engine.pem, clients: none, key"))
    wiring.use(load_configuration(tmp_path / "config.yaml", environ={}))
    assert wiring.outbound("clinique-abc.emr").context.tls is not before
