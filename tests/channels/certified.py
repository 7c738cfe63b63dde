"""A contract that is kept over TLS too: its tests have the development certificates at hand."""

from __future__ import annotations

from pathlib import Path

import pytest


class Certified:
    """Inherit it beside a contract; `certs` is the folder of the session's certificates."""

    certs: Path

    @pytest.fixture(autouse=True)
    def _certificates(self, dev_certs: Path) -> None:
        self.certs = dev_certs
