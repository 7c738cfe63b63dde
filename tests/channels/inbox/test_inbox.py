"""The embedded inbox: the contract of every way out, then its listing."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from channels.inbox import InboxEndpoint, InboxOutbound, read_inbox
from engine.model import Attempt, Body
from engine.testing.channels import Behaviour, OutboundContract, Partner, channel_context
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


def attempt(message_id: str) -> Attempt:
    return Attempt(1, message_id, 1, "clinic-a.queue", Body.of(b"{}"), "application/cloudevents+json", 5.0)


def channel(folder: Path) -> InboxOutbound:
    return InboxOutbound(InboxEndpoint(inbox="queue"), channel_context(folder))


async def test_a_kept_message_is_listed_with_id_size_and_time(tmp_path: Path) -> None:
    async with channel(tmp_path) as inbox:
        await inbox.send(attempt("01JD0000000000000001"))
    kept = read_inbox(tmp_path / "var" / "inbox" / "queue")
    assert [(each.message_id, each.size) for each in kept] == [("01JD0000000000000001", 2)]
    assert kept[0].path.name == "01JD0000000000000001.json"
    assert kept[0].kept_ms > 1_600_000_000_000


async def test_pages_follow_one_another_by_id(tmp_path: Path) -> None:
    async with channel(tmp_path) as inbox:
        for number in (4, 2, 5, 1, 3):
            await inbox.send(attempt(f"01JD{number:016}"))
    folder = tmp_path / "var" / "inbox" / "queue"
    first = read_inbox(folder, limit=2)
    second = read_inbox(folder, limit=2, after=first[-1].message_id)
    assert [each.message_id[-1] for each in (*first, *second)] == ["1", "2", "3", "4"]


async def test_an_id_that_is_no_file_name_is_listed_as_it_was(tmp_path: Path) -> None:
    async with channel(tmp_path) as inbox:
        await inbox.send(attempt("MSG/0001.A"))
    assert [each.message_id for each in read_inbox(tmp_path / "var" / "inbox" / "queue")] == ["MSG/0001.A"]


def test_half_written_files_and_folders_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".01JD.json.0a0a0a0a.tmp").touch()
    (tmp_path / "folder.json").mkdir()
    assert read_inbox(tmp_path) == []


@pytest.mark.parametrize("limit", [0, 1001])
def test_a_page_is_bounded(tmp_path: Path, limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        read_inbox(tmp_path, limit=limit)


def test_a_missing_inbox_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_inbox(tmp_path / "nowhere")
