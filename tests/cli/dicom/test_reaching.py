"""Whom a command speaks DICOM with: an address as it was typed, or an endpoint as it is configured."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click
import pytest

from engine.cli.dicom.reaching import opened, reached
from engine.errors import NotFound
from tests.cli.dicom.desks import NOTHING_SAID, desk_in

PROJECT = """
partners:
  pacs:
    endpoints:
      archive: {dicom: 127.0.0.1:104, ae_title: PACS, phi: full, limits: {concurrency: 9}}
      box: {inbox: box}
"""


@pytest.mark.parametrize(
    ("target", "host", "port"),
    [
        ("127.0.0.1:104", "127.0.0.1", 104),
        ("pacs.example.org:11112", "pacs.example.org", 11112),
        ("[::1]:104", "::1", 104),
    ],
)
def test_an_address_is_reached_wherever_it_is(tmp_path: Path, target: str, host: str, port: int) -> None:
    config, context = reached(desk_in(tmp_path), target, connections=3, **NOTHING_SAID)
    assert (config.dicom.host, config.dicom.port) == (host, port)
    assert (config.ae_title, config.calling, config.limits.concurrency) == ("ANY-SCP", "PASSERELLE", 3)
    assert any(ip_address("169.254.1.1") in network for network in config.allow_addresses)
    assert context.tls is None


def test_titles_are_those_that_are_said(tmp_path: Path) -> None:
    said: dict[str, Any] = {**NOTHING_SAID, "ae": "STORE", "calling": "US"}
    config, _ = reached(desk_in(tmp_path), "127.0.0.1:104", **said)
    assert (config.ae_title, config.calling) == ("STORE", "US")


def test_an_endpoint_is_reached_as_it_is_configured(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(PROJECT)
    config, context = reached(desk_in(tmp_path), "pacs.archive", connections=2, **NOTHING_SAID)
    assert (config.ae_title, config.limits.concurrency, context.name) == ("PACS", 2, "pacs.archive")
    assert config.allow_addresses == () and config.plaintext is None, "no more than the engine may"
    assert context.folder == tmp_path


@pytest.mark.parametrize("name", ["pacs.nothing", "nobody.archive", "pacs.box"])
def test_an_endpoint_that_speaks_no_dicom_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.yaml").write_text(PROJECT)
    with pytest.raises(NotFound, match=name):
        reached(desk_in(tmp_path), name, **NOTHING_SAID)


def test_an_endpoint_has_its_own_titles(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(PROJECT)
    with pytest.raises(click.UsageError, match="its own AE titles"):
        reached(desk_in(tmp_path), "pacs.archive", **{**NOTHING_SAID, "ae": "OTHER"})


async def test_the_channel_is_that_of_the_engine(tmp_path: Path) -> None:
    config, context = reached(desk_in(tmp_path), "127.0.0.1:1", **NOTHING_SAID)
    async with opened(config, context) as outbound:
        stages = await outbound.probe()
    assert [(name, well) for name, well, _ in stages][-1] == ("tcp", False)
    assert await context.state.get("anything") is None
