"""The embedded inbox: the contract of every way out."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from channels.inbox import InboxEndpoint
from engine.testing.channels import Behaviour, OutboundContract, Partner
from tests.channels.file.folder_partner import FolderPartner, disk, failing


class OwnFolder(FolderPartner):
    """The engine's own folder: it is absent when the disk below it was taken away."""

    async def become(self, behaviour: Behaviour) -> None:
        if behaviour is not Behaviour.ABSENT:
            await super().become(behaviour)
            return
        await super().become(Behaviour.ACCEPTS)
        self._shim.faults = {call: failing(errno.ENOENT) for call in ("open", "lstat", "stat")}


class TestInbox(OutboundContract):
    """An inbox is a folder, with every behaviour that a folder can have."""

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[Partner]:
        with disk() as shim:
            (folder / "var" / "inbox" / "queue").mkdir(parents=True)
            partner = OwnFolder(InboxEndpoint(inbox="queue"), folder / "var" / "inbox" / "queue", shim)
            try:
                yield partner
            finally:
                partner.close()
