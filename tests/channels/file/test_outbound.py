"""The file channel as a way out: the contract on a real folder, then what is particular to files."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from channels.file.model import FileEndpoint
from channels.file.outbound import FileOutbound
from engine.errors import PasserelleError, Permanent, Rejected, Transient
from engine.model import Attempt, Body
from engine.testing.channels import Arrival, Behaviour, OutboundContract, Partner, channel_context
from tests.channels.file.folder_partner import FolderPartner, disk, failing


class FlatFolder(FolderPartner):
    """Counts only visible files as accepted."""

    async def accepted(self) -> Sequence[Arrival]:
        return [each for each in await super().accepted() if not each.message_id.startswith(".")]


class TestFileOutbound(OutboundContract):
    """A folder has every behaviour of the contract: silence is a hung share, a drop an fsync that fails."""

    @asynccontextmanager
    async def partner(self, folder: Path) -> AsyncIterator[Partner]:
        with disk() as shim:
            (folder / "out").mkdir()
            partner = FlatFolder(FileEndpoint(file=Path("out"), create=False), folder / "out", shim)
            try:
                yield partner
            finally:
                partner.close()


def attempt(message_id: str = "01JD0000000000000001", body: bytes = b"{}", *, kind: str = "") -> Attempt:
    return Attempt(1, message_id, 1, "clinic-a.files", Body.of(body), "application/json", 5.0, kind)


def channel(folder: Path, **keys: object) -> FileOutbound:
    return FileOutbound(FileEndpoint.model_validate({"file": "out", **keys}), channel_context(folder))


async def test_the_file_is_named_by_id_and_content_type(tmp_path: Path) -> None:
    async with channel(tmp_path) as out:
        reply = await out.send(attempt(body=b'{"a": 1}'))
    assert (tmp_path / "out" / "01JD0000000000000001.json").read_bytes() == b'{"a": 1}'
    assert reply.code == "written"
    assert reply.headers["name"] == "01JD0000000000000001.json"


async def test_a_pattern_takes_id_and_kind(tmp_path: Path) -> None:
    async with channel(tmp_path, name="{kind}_{id}.msg") as out:
        await out.send(attempt(kind="appointment-booked"))
    assert os.listdir(tmp_path / "out") == ["appointment-booked_01JD0000000000000001.msg"]


@pytest.mark.parametrize("name", ["fixed.json", "../{id}", "{id}/{kind}", ".{id}", "{id}{mrn}"])
def test_a_pattern_without_id_or_out_of_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        FileEndpoint.model_validate({"file": "out", "name": name})


async def test_an_id_cannot_leave_or_hide_in_the_folder(tmp_path: Path) -> None:
    async with channel(tmp_path) as out:
        await out.send(attempt("../../etc/passwd"))
        await out.send(attempt(".hidden"))
    assert sorted(os.listdir(tmp_path / "out")) == ["%2E.%2F..%2Fetc%2Fpasswd.json", "%2Ehidden.json"]


async def test_the_same_message_again_writes_no_second_file(tmp_path: Path) -> None:
    async with channel(tmp_path) as out:
        await out.send(attempt(body=b"same"))
        before = (tmp_path / "out" / "01JD0000000000000001.json").stat().st_mtime_ns
        reply = await out.send(attempt(body=b"same"))
    assert reply.code == "present"
    assert (tmp_path / "out" / "01JD0000000000000001.json").stat().st_mtime_ns == before


async def test_another_content_under_the_same_name_is_rejected_and_kept_out(tmp_path: Path) -> None:
    async with channel(tmp_path) as out:
        await out.send(attempt(body=b"first"))
        with pytest.raises(Rejected) as caught:
            await out.send(attempt(body=b"other"))
    assert caught.value.code == "conflict"
    assert (tmp_path / "out" / "01JD0000000000000001.json").read_bytes() == b"first"


async def test_the_file_is_synced_before_it_appears_and_the_folder_after(tmp_path: Path) -> None:
    with disk() as shim:
        async with channel(tmp_path) as out:
            await out.send(attempt())
    steps = [call for call in shim.calls if call != "unlink"]
    assert steps == ["open", "write", "fsync file", "rename", "open", "fsync folder"]


async def test_writes_that_wait_together_share_one_sync_of_the_folder(tmp_path: Path) -> None:
    with disk() as shim:
        async with channel(tmp_path) as out:
            await asyncio.gather(*(out.send(attempt(f"01JD{number:016}")) for number in range(50)))
    assert shim.calls.count("fsync file") == 50
    assert shim.calls.count("fsync folder") <= 3


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (errno.ENOSPC, Transient, "full"),
        (errno.EDQUOT, Transient, "full"),
        (errno.EIO, Transient, "io"),
        (errno.EROFS, Permanent, "read_only"),
        (errno.EACCES, Permanent, "permission"),
        (errno.ENAMETOOLONG, Permanent, "name"),
        (errno.EFBIG, Rejected, "too_large"),
        (errno.ENOLCK, Transient, "io"),
    ],
)
@pytest.mark.parametrize("step", ["open", "write", "fsync file", "rename"])
async def test_a_failing_disk_has_a_readable_cause_and_leaves_nothing_behind(
    tmp_path: Path, step: str, number: int, kind: type[PasserelleError], code: str
) -> None:
    with disk() as shim:
        async with channel(tmp_path) as out:
            shim.faults = {step: failing(number)}
            with pytest.raises(kind) as caught:
                await out.send(attempt())
    assert getattr(caught.value, "code", None) == code
    assert str(tmp_path / "out") in str(caught.value)
    assert os.listdir(tmp_path / "out") == []


async def test_one_failing_write_fails_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "01JD0000000000000007.json").write_bytes(b"another")
    async with channel(tmp_path) as out:
        results = await asyncio.gather(
            *(out.send(attempt(f"01JD{number:016}")) for number in range(20)), return_exceptions=True
        )
    assert [number for number, result in enumerate(results) if isinstance(result, BaseException)] == [7]


async def test_what_a_crash_left_hidden_is_removed_at_the_next_start(tmp_path: Path) -> None:
    with disk() as shim:
        async with channel(tmp_path) as out:
            shim.faults = {"rename": failing(errno.EIO), "unlink": failing(errno.EIO)}
            with pytest.raises(Transient):
                await out.send(attempt())
    assert len(os.listdir(tmp_path / "out")) == 1
    (tmp_path / "out" / ".neighbour.json.tmp").touch()
    async with channel(tmp_path):
        assert os.listdir(tmp_path / "out") == [".neighbour.json.tmp"]


async def test_a_write_that_never_began_was_not_sent(tmp_path: Path) -> None:
    async with TestFileOutbound().partner(tmp_path) as partner, channel(tmp_path) as out:
        await partner.become(Behaviour.SILENT)
        first = asyncio.create_task(out.send(attempt()))
        await partner.until_reached()
        second = Attempt(
            2, "01JD0000000000000002", 1, "clinic-a.files", Body.of(b"{}"), "application/json", 0.1
        )
        with pytest.raises(Transient) as caught:
            await out.send(second)
        await partner.become(Behaviour.ACCEPTS)
        await first
        await out.send(attempt("01JD0000000000000003"))
    assert not caught.value.sent
    assert sorted(os.listdir(tmp_path / "out")) == ["01JD0000000000000001.json", "01JD0000000000000003.json"]


async def test_large_bodies_come_from_their_file(tmp_path: Path) -> None:
    content = os.urandom(300_000)
    source = tmp_path / "body"
    source.write_bytes(content)
    inline = Body.of(content)
    sent = Attempt(
        1, "01JD0000000000000001", 1, "e", Body(inline.size, inline.sha256, path=source), "image/x", 5.0
    )
    async with channel(tmp_path) as out:
        await out.send(sent)
    assert (tmp_path / "out" / "01JD0000000000000001.bin").read_bytes() == content


async def test_a_body_that_cannot_be_read_is_not_the_folders_fault(tmp_path: Path) -> None:
    gone = Body(2, b"0" * 32, path=tmp_path / "gone")
    async with channel(tmp_path) as out:
        with pytest.raises(Transient) as caught:
            await out.send(Attempt(1, "01JD0000000000000001", 1, "e", gone, "application/json", 5.0))
    assert caught.value.code == "body"


def test_a_folder_needs_no_tls() -> None:
    assert FileEndpoint(file=Path("out")).exposure() is None
