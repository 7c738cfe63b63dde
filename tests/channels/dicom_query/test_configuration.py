"""An endpoint that asks, as it stands in a project: what it names has to be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.load import load_configuration
from engine.errors import ConfigurationError

CONFIG = """
listen:
  images: {{dicom: 127.0.0.1:0{relay}}}
partners:
  pacs: {{endpoints: {{fetch: {{dicom_query: 127.0.0.1:104, ae_title: PACS, ask: get, into: {into}}}}}}}
"""


def load(folder: Path, *, into: str = "images", relay: str = "") -> None:
    (folder / "config.yaml").write_text(CONFIG.format(into=into, relay=relay))
    load_configuration(folder / "config.yaml", environ={})


def test_what_is_brought_needs_a_listener_that_is_there(tmp_path: Path) -> None:
    load(tmp_path)
    with pytest.raises(ConfigurationError, match='there is no listener "pictures"'):
        load(tmp_path, into="pictures")


def test_a_relay_needs_an_endpoint_that_is_there(tmp_path: Path) -> None:
    load(tmp_path, relay=", relay: pacs.fetch")
    with pytest.raises(ConfigurationError, match=r'there is no endpoint "pacs\.find"'):
        load(tmp_path, relay=", relay: pacs.find")
