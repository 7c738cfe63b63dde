"""The contract of every way out, for questions to an archive."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from engine.testing.channels import NetworkOutboundContract, NetworkPartner
from tests.channels.dicom_query.pacs import pacs


class TestDicomQuery(NetworkOutboundContract):
    """A question is a message like any other."""

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[NetworkPartner]:
        async with pacs() as peer:
            yield peer

    def content(self, text: str) -> tuple[bytes, str]:
        return json.dumps({"match": {"PatientComments": text}}).encode(), "application/json"
