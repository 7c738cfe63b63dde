"""The file channel as a way in: the contract on a real folder, then what is particular to files."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from channels.file import handling
from channels.file.handling import Away, NotWhole, put_away, read_whole
from channels.file.inbound import FileInbound
from channels.file.model import FileListener
from channels.file.watch import Found, Signature, Watch
from engine.errors import Transient
from engine.model import Body, Disposition
from engine.testing.channels import Answer, InboundContract, RecordingIntake, Sender, channel_context


class Dropper(Sender):
    """Puts files into the folder and looks where they went."""

    redelivers = True
    limit = 4

    def __init__(self, folder: Path) -> None:
        self.config = FileListener(
            file=Path("in"), every=timedelta(milliseconds=10), stable=timedelta(milliseconds=20), in_flight=4
        )
        self._folder = folder / "in"
        self._count = 0

    async def connect(self, address: str) -> None:
        assert address == str(self._folder)

    async def offer(self) -> str:
        self._count += 1
        name = f"RDV_{self._count:04}.json"
        content = f'{{"number": {self._count}}}'.encode()
        hidden = self._folder / f".{name}"
        hidden.write_bytes(content)
        hidden.rename(self._folder / name)
        return f"{name} {Body.of(content).sha256.hex()}"

    async def answer(self, control_id: str) -> Answer:
        name = control_id.partition(" ")[0]
        while True:
            if (self._folder / "done" / name).exists():
                return Answer.ACCEPTED
            if (self._folder / "bad" / name).exists():
                return Answer.REFUSED
            await anyio.sleep(0.005)  # a file appears, and nobody tells


class TestFileInbound(InboundContract):
    """A file is acknowledged by where it goes."""

    @asynccontextmanager
    async def sender(self, folder: Path) -> AsyncIterator[Sender]:
        (folder / "in").mkdir()
        yield Dropper(folder)


@asynccontextmanager
async def serving(folder: Path, intake: RecordingIntake, **keys: Any) -> AsyncIterator[FileInbound]:
    """Serve `folder/in`, looking every 5 ms and taking files at once unless `keys` say otherwise."""
    settings = {"file": "in", "every": "5ms", "stable": "0s", **keys}
    channel = FileInbound(FileListener.model_validate(settings), channel_context(folder))
    async with anyio.create_task_group() as group:
        await group.start(channel.serve, intake)
        yield channel
        group.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, 5 s at most."""
    for _ in range(1000):
        if condition():
            return
        await anyio.sleep(0.005)  # what is waited for is a file, of which nobody tells
    raise TimeoutError("it did not come about within 5 s")


async def test_a_file_that_still_grows_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"half")
    watch = Watch(tmp_path, "*", by_time=False, stable=60)
    assert watch.whole(watch.scan(), 0) == []
    assert watch.whole(watch.scan(), 59) == []
    (tmp_path / "a.json").write_bytes(b"half and half")
    assert watch.whole(watch.scan(), 61) == []
    assert [found.name for found in watch.whole(watch.scan(), 121)] == ["a.json"]


async def test_hidden_unfinished_other_names_links_and_folders_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"not yours")
    inside = tmp_path / "in"
    inside.mkdir()
    for name in (".RDV_1.json", "RDV_2.json.tmp", "RDV_3.json.part", "rdv_4.json", "RDV_5.json"):
        (inside / name).write_bytes(b"{}")
    (inside / "RDV_6.json").symlink_to(tmp_path / "secret")
    (inside / "RDV_7.json").mkdir()
    os.mkfifo(inside / "RDV_8.json")
    found = Watch(inside, "RDV_*.json", by_time=False, stable=0).scan()
    assert [each.name for each in found] == ["RDV_5.json"]


def seen(folder: Path, name: str) -> Found:
    return Found(name, Signature.of(os.lstat(folder / name)))


def test_a_name_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"{}")
    (tmp_path / "a.json").write_bytes(b"{}")
    found = seen(tmp_path, "a.json")
    (tmp_path / "a.json").unlink()
    (tmp_path / "a.json").symlink_to(tmp_path / "secret")
    with pytest.raises(NotWhole):
        read_whole(tmp_path, found)


def test_a_link_to_the_very_same_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{}")
    found = seen(tmp_path, "a.json")
    (tmp_path / "a.json").rename(tmp_path / "elsewhere")
    (tmp_path / "a.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotWhole):
        read_whole(tmp_path, found)


def test_a_name_that_became_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{}")
    found = seen(tmp_path, "a.json")
    (tmp_path / "a.json").unlink()
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(NotWhole):
        read_whole(tmp_path, found)


def test_folders_take_no_place_among_the_files_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.file.watch.MOST", 1)
    (tmp_path / "a").mkdir()
    (tmp_path / "b.json").write_bytes(b"{}")
    found = Watch(tmp_path, "*", by_time=False, stable=0).scan()
    assert [each.name for each in found] == ["b.json"]


def test_a_file_that_changes_while_it_is_read_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.json").write_bytes(b"half")
    found = seen(tmp_path, "a.json")
    real = os.read

    def read_while_written(descriptor: int, count: int) -> bytes:
        chunk = real(descriptor, count)
        if chunk:
            with (tmp_path / "a.json").open("ab") as file:
                file.write(b" and half")
        return chunk

    monkeypatch.setattr(os, "read", read_while_written)
    with pytest.raises(NotWhole):
        read_whole(tmp_path, found)


def test_a_file_replaced_after_it_was_read_stays_to_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "done").mkdir()
    (tmp_path / "a.json").write_bytes(b"first")
    found = seen(tmp_path, "a.json")
    (tmp_path / "new").write_bytes(b"second")
    (tmp_path / "new").rename(tmp_path / "a.json")
    renamed: list[object] = []
    monkeypatch.setattr(os, "rename", lambda *names: renamed.append(names))
    put_away(tmp_path, [Away(found, tmp_path / "done", "a~1.json")])
    assert (tmp_path / "a.json").read_bytes() == b"second"
    assert renamed == []


def test_a_file_replaced_in_the_instant_before_the_rename_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "done").mkdir()
    (tmp_path / "a.json").write_bytes(b"first")
    found = seen(tmp_path, "a.json")
    (tmp_path / "new").write_bytes(b"second")
    real = os.rename

    def rename_after_replacement(source: Path, target: Path) -> None:
        if (tmp_path / "new").exists():
            real(tmp_path / "new", tmp_path / "a.json")
        real(source, target)

    monkeypatch.setattr(os, "rename", rename_after_replacement)
    put_away(tmp_path, [Away(found, tmp_path / "done", "a~1.json")])
    assert (tmp_path / "a.json").read_bytes() == b"second"
    assert list((tmp_path / "done").iterdir()) == []


async def test_files_are_taken_by_name(tmp_path: Path) -> None:
    intake = RecordingIntake()
    (tmp_path / "in").mkdir()
    for number in (3, 1, 2):
        (tmp_path / "in" / f"{number}.json").write_bytes(b"{}")
    async with serving(tmp_path, intake, in_flight="1"):
        await intake.until(3)
    assert [message.meta["file"] for message in intake.messages] == ["1.json", "2.json", "3.json"]


async def test_files_are_taken_by_time_where_the_listener_says_so(tmp_path: Path) -> None:
    intake = RecordingIntake()
    (tmp_path / "in").mkdir()
    for number, age in ((1, 10), (2, 30), (3, 20)):
        path = tmp_path / "in" / f"{number}.json"
        path.write_bytes(b"{}")
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    async with serving(tmp_path, intake, order="mtime"):
        await intake.until(3)
    assert [message.meta["file"] for message in intake.messages] == ["2.json", "3.json", "1.json"]


async def test_a_refused_file_has_its_reasons_beside_it(tmp_path: Path) -> None:
    intake = RecordingIntake(Disposition.REFUSED)
    async with serving(tmp_path, intake):
        (tmp_path / "in" / "RDV_1.json").write_bytes(b'{"name": "Zelie Fictive"}')
        reason = tmp_path / "in" / "bad" / "RDV_1.json.reason.txt"
        await until(lambda: reason.exists() and (tmp_path / "in" / "bad" / "RDV_1.json").exists())
    assert reason.read_text() == (
        f"refused, message {intake.messages[0].id}\nappointment.end: ends before it starts\n"
    )


async def test_a_name_that_is_taken_gets_a_suffix_and_nothing_is_overwritten(tmp_path: Path) -> None:
    intake = RecordingIntake()
    done = tmp_path / "in" / "done"
    done.mkdir(parents=True)
    (done / "RDV_1.json").write_bytes(b"yesterday")
    async with serving(tmp_path, intake):
        (tmp_path / "in" / "RDV_1.json").write_bytes(b"today")
        await until(lambda: len(os.listdir(done)) == 2)
    assert (done / "RDV_1.json").read_bytes() == b"yesterday"
    assert (done / f"RDV_1~{intake.messages[0].id}.json").read_bytes() == b"today"


async def test_a_file_above_the_limit_is_refused_unread(tmp_path: Path) -> None:
    intake = RecordingIntake()
    async with serving(tmp_path, intake, limits={"body": "10B"}):
        (tmp_path / "in" / "RDV_1.json").write_bytes(b"eleven bytes")
        reason = tmp_path / "in" / "bad" / "RDV_1.json.reason.txt"
        await until(reason.exists)
    assert "12 bytes are more than the 10 allowed" in reason.read_text()
    assert intake.messages == []


async def test_a_file_that_cannot_be_read_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    intake = RecordingIntake()
    (tmp_path / "in").mkdir()
    for name in ("1.json", "2.json"):
        (tmp_path / "in" / name).write_bytes(b"{}")
    real = os.open

    def refuse(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith("1.json"):
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    async with serving(tmp_path, intake):
        await until((tmp_path / "in" / "done" / "2.json").exists)
    assert [message.meta["file"] for message in intake.messages] == ["2.json"]
    assert (tmp_path / "in" / "1.json").exists()
    [record] = [each for each in caplog.records if getattr(each, "action", "") == "file_unreadable"]
    assert (vars(record)["listener"], vars(record)["code"]) == ("clinic-a.under-test", 13)
    assert "1.json" not in record.getMessage()


async def test_a_missing_folder_is_a_readable_cause(tmp_path: Path) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with serving(tmp_path, RecordingIntake(), create="false"):
            pass
    assert caught.group_contains(
        Transient, match="cannot .* the folder .*in: it does not exist; is it mounted?"
    )


async def test_done_on_another_disk_is_a_readable_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with serving(tmp_path, RecordingIntake(), done="/dev/shm"):
            pass
    assert caught.group_contains(Transient, match="another file system")


async def test_a_folder_that_cannot_be_moved_into_ends_serving_after_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = RecordingIntake()

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(BaseExceptionGroup) as caught:
        async with serving(tmp_path, intake):
            (tmp_path / "in" / "1.json").write_bytes(b"{}")
            await anyio.sleep_forever()
    assert caught.group_contains(Transient, match="has no right to")
    assert intake.control_ids[0].startswith("1.json ")
    assert (tmp_path / "in" / "1.json").exists()


async def test_moves_are_durable_before_the_round_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "done").mkdir()
    (tmp_path / "a.json").write_bytes(b"{}")
    synced: list[Path] = []
    monkeypatch.setattr(handling, "sync_folder", synced.append)
    put_away(tmp_path, [Away(seen(tmp_path, "a.json"), tmp_path / "done", "a~1.json")])
    assert synced == [tmp_path / "done", tmp_path]


async def test_the_name_says_codec_and_content_type_unless_the_listener_does(tmp_path: Path) -> None:
    intake = RecordingIntake()
    (tmp_path / "in").mkdir()
    for name in ("1.json", "2.hl7", "3.xyz"):
        (tmp_path / "in" / name).write_bytes(b"{}")
    async with serving(tmp_path, intake):
        await intake.until(3)
    assert [message.codec for message in intake.messages] == ["json", "hl7v2", "text"]
    named = RecordingIntake()
    (tmp_path / "in" / "4.xyz").write_bytes(b"{}")
    async with serving(tmp_path, named, codec="json", partner="hsj"):
        await named.until(1)
    assert (named.messages[0].codec, named.messages[0].partner) == ("json", "hsj")


def test_a_folder_needs_no_tls() -> None:
    assert FileListener(file=Path("in")).exposure() is None
