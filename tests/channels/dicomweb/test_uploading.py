"""A request while it arrives: cut however it comes, held up where nobody keeps up, given up without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from channels._http.replies import Answer
from channels.dicomweb.incoming import Arrived, Bounds
from channels.dicomweb.storing import Outcome
from channels.dicomweb.uploading import UNREADABLE_MAX, Upload
from engine.model import INLINE_LIMIT
from engine.testing.channels import Changes
from tests.channels.dicomweb.instances import instance, related

MIB = 2**20


@dataclass
class Taking:
    """Takes instances, while its gate is open; counts how many are on their way in at once."""

    outcomes: list[Outcome] = field(default_factory=list)
    taken: list[Arrived] = field(default_factory=list)
    bugs: list[BaseException] = field(default_factory=list)
    most: int = 0
    running: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    changes: Changes = field(default_factory=Changes)

    def broke(self, error: BaseException) -> None:
        self.bugs.append(error)

    async def hand_in(self, arrived: Arrived) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        self.changes.tell()
        await self.gate.wait()
        self.running -= 1
        self.taken.append(arrived)
        if arrived.spool is not None:
            arrived.spool.discard()


@dataclass
class Going:
    """An upload under way, who takes its instances, and where they are spooled."""

    upload: Upload
    taking: Taking
    folder: Path

    async def sent(self, body: bytes, piece: int = 64 * 1024) -> Answer | None:
        """Send a body in pieces, to its end, and return the refusal."""
        for at in range(0, len(body), piece):
            self.upload.write(body[at : at + piece])
        return await self.upload.complete()

    def spooled(self) -> list[Path]:
        return list(self.folder.iterdir())


@asynccontextmanager
async def uploading(folder: Path, *, closed: bool = False, **bounds: Any) -> AsyncIterator[Going]:
    """Serve one request; it has ended on leaving."""
    taking = Taking()
    if not closed:
        taking.gate.set()
    numbers = iter(range(1_000_000))
    upload = Upload(
        b"frontier",
        taking,
        new_path=lambda: folder / f"{next(numbers)}.part",
        bounds=Bounds(**{"instance_bytes": 8 * MIB, "instances": 100} | bounds),
    )
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(upload.run())
        yield Going(upload, taking, folder)


def status(answer: Answer | None) -> int:
    return 0 if answer is None else answer.status


def ids(taking: Taking) -> list[str]:
    return [each.head.sop_instance if each.head is not None else "" for each in taking.taken]


@pytest.mark.parametrize("piece", [1, 7, 1000, 10**6])
async def test_a_body_is_cut_however_it_comes(tmp_path: Path, piece: int) -> None:
    async with uploading(tmp_path) as going:
        assert await going.sent(related(instance("2.25.1"), instance("2.25.2")), piece) is None
    assert sorted(ids(going.taking)) == ["2.25.1", "2.25.2"]


async def test_no_more_than_a_few_are_handed_in_at_once(tmp_path: Path) -> None:
    async with uploading(tmp_path, closed=True) as going:
        ended = asyncio.create_task(going.sent(related(*(instance(f"2.25.{n}") for n in range(1, 13)))))
        await going.taking.changes.until(lambda: going.taking.running == 8)
        going.taking.gate.set()
        assert await ended is None
    assert (going.taking.most, len(going.taking.taken)) == (8, 12)


async def test_a_sender_waits_where_its_instances_are_not_taken(tmp_path: Path) -> None:
    async with uploading(tmp_path, closed=True) as going:
        ended = asyncio.create_task(going.sent(related(*(instance(f"2.25.{n}") for n in range(1, 13)))))
        await going.taking.changes.until(lambda: going.taking.running == 8)
        going.upload.write(bytes(2 * MIB))
        drained = going.upload.drained()
        assert drained is not None and not drained.done()
        assert going.upload.drained() is drained
        going.taking.gate.set()
        await drained
        await ended
    assert going.upload.drained() is None, "whoever waits for an upload that has ended waits forever"


async def test_who_leaves_in_the_middle_leaves_no_file(tmp_path: Path) -> None:
    body = related(instance("2.25.1"), instance("2.25.2", pixels=2 * MIB))
    async with uploading(tmp_path) as going:
        going.upload.write(body[:-MIB])
        await going.taking.changes.until(lambda: going.taking.running == 1 or bool(going.taking.taken))
        going.upload.discard()
    assert (ids(going.taking), going.spooled()) == (["2.25.1"], [])


async def test_an_instance_that_is_too_large_is_kept_by_its_beginning(tmp_path: Path) -> None:
    async with uploading(tmp_path, instance_bytes=INLINE_LIMIT) as going:
        body = related(instance("2.25.1", pixels=MIB), instance("2.25.2"))
        assert await going.sent(body) is None
    small, large = sorted(going.taking.taken, key=lambda each: each.fault)
    assert (small.fault, large.fault, large.spool) == (0, 0xC000, None)
    assert large.body is not None and large.body.size < INLINE_LIMIT
    assert going.spooled() == []


@pytest.mark.parametrize(
    ("body", "refusal", "taken"),
    [
        (related(instance("2.25.1"))[:-4], 400, 1),
        (b"", 400, 0),
        (bytes(20_000), 400, 0),
        (related(instance("2.25.1"), b"{}", kind="application/dicom+json"), 415, 0),
        (related(instance("2.25.1"), *[b"no instance"] * (UNREADABLE_MAX + 1)), 400, UNREADABLE_MAX + 2),
    ],
    ids=["without its end", "empty", "no multipart", "another kind", "nothing but noise"],
)
async def test_what_cannot_be_followed_is_refused_and_what_was_complete_is_taken(
    tmp_path: Path, body: bytes, refusal: int, taken: int
) -> None:
    async with uploading(tmp_path) as going:
        assert status(await going.sent(body)) == refusal
    assert (len(going.taking.taken), going.spooled(), going.taking.bugs) == (taken, [], [])


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("Content-Transfer-Encoding: binary", 0),
        ("Content-Encoding: identity", 0),
        ("Content-Transfer-Encoding: base64", 415),
        ("Content-Encoding: gzip", 415),
        ("Content-Type: no type", 415),
    ],
)
async def test_a_part_comes_as_it_is(tmp_path: Path, line: str, refusal: int) -> None:
    body = related(instance("2.25.1")).replace(
        b"Content-Type: application/dicom" if line.startswith("Content-Type") else b"\r\n\r\n",
        line.encode() if line.startswith("Content-Type") else f"\r\n{line}\r\n\r\n".encode(),
        1,
    )
    async with uploading(tmp_path) as going:
        assert status(await going.sent(body)) == refusal


async def test_more_parts_than_a_request_may_have_are_refused(tmp_path: Path) -> None:
    async with uploading(tmp_path, instances=2) as going:
        assert status(await going.sent(related(*(instance(f"2.25.{n}") for n in (1, 2, 3))))) == 400
    assert sorted(ids(going.taking)) == ["2.25.1", "2.25.2"]


async def test_a_bug_ends_its_request_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("bug")

    monkeypatch.setattr("channels.dicomweb.uploading.Incoming.write", broken)
    async with uploading(tmp_path) as going:
        assert status(await going.sent(related(instance("2.25.1")))) == 500
    assert [type(each) for each in going.taking.bugs] == [KeyError]
    assert going.taking.taken == []
