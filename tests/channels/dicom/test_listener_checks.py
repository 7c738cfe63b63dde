"""What a listener names has to be there, and what is not is shown where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.load import load_configuration
from engine.errors import ConfigurationError

CONFIG = """\
listen:
  images:
    dicom: 127.0.0.1:0
    commitment:
      reports: {CT1: radiology.ct1, CT.2: radiology.ct2}
partners:
  radiology: {endpoints: {ct1: {dicom: 127.0.0.1:104, ae_title: CT1, phi: full}}}
"""


def test_an_endpoint_of_reports_that_is_not_there_is_shown_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    with pytest.raises(ConfigurationError, match=r':5:43: error: there is no endpoint "radiology\.ct2"'):
        load_configuration(path, environ={})
