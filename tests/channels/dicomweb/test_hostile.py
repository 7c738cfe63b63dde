"""Hostile requests: without an end, of a million parts, with paths in UIDs; memory stays bounded, others are served."""

from __future__ import annotations

import asyncio
import resource

import pytest

from channels.dicomweb.resources import Act, Resource, resource_of
from tests.channels.dicomweb.instances import SERIES, STUDY, instance, related, stow
from tests.channels.dicomweb.serving import listening
from tests.channels.http.wire import Wire, wire

MiB = 2**20


def peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def pour(client: Wire, piece: bytes, times: int) -> None:
    """Write until the listener has had enough."""
    try:
        for _ in range(times):
            await client.write(piece)
    except ConnectionError:
        return


async def test_a_part_without_an_end_is_cut_at_the_limit_and_costs_no_memory() -> None:
    limits = {"body": 8 * MiB, "request": 32 * MiB}
    async with listening(limits=limits) as door:
        before = peak()
        async with wire(door.address) as client:
            head = stow(b"")
            await client.write(head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
            start = b"--frontier\r\nContent-Type: application/dicom\r\n\r\n" + instance("2.25.1")
            await client.write(b"%x\r\n%b\r\n" % (len(start), start))
            piece = b"%x\r\n%b\r\n" % (MiB, bytes(MiB))
            pouring = asyncio.create_task(pour(client, piece, 200))
            assert (await client.read()).status == 413
            pouring.cancel()
            await asyncio.gather(pouring, return_exceptions=True)
        assert peak() - before < 40 * MiB
        assert not door.spooled()
        async with wire(door.address) as client:
            await client.write(stow(related(instance("2.25.2"))))
            assert (await client.read()).status == 200


async def test_a_million_parts_are_refused_at_the_limit() -> None:
    piece = b"--frontier\r\nContent-Type: application/dicom\r\n\r\n\r\n" * 20_000
    async with listening() as door, wire(door.address) as client:
        before = peak()
        await client.write(stow(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % (len(piece) * 50)))
        pouring = asyncio.create_task(pour(client, piece, 50))
        got = await client.read()
        pouring.cancel()
        await asyncio.gather(pouring, return_exceptions=True)
        assert got.status == 400
        assert len(door.intake.messages) <= 17
        assert peak() - before < 20 * MiB


async def test_more_instances_than_the_limit_are_refused() -> None:
    async with listening(limits={"instances": 2}) as door, wire(door.address) as client:
        await client.write(stow(related(*(instance(f"2.25.{number}") for number in range(1, 4)))))
        assert (await client.read()).status == 400


async def test_near_delimiters_are_content() -> None:
    near = instance("2.25.1") + b"\r\n--frontie" * 200_000
    async with listening() as door, wire(door.address) as client:
        await client.write(stow(related(near)))
        assert (await client.read()).status == 200
        assert door.intake.contents[0].endswith(b"\r\n--frontie")


@pytest.mark.parametrize("at", [300, 60, 30, 5])
async def test_a_body_that_ends_too_early_is_refused(at: int) -> None:
    body = related(instance("2.25.1"))[:-at]
    async with listening() as door, wire(door.address) as client:
        await client.write(stow(body))
        assert (await client.read()).status == 400
        assert not door.spooled()


async def test_a_sender_that_dies_at_any_byte_leaves_nothing() -> None:
    request = stow(related(instance("2.25.1")))
    async with listening() as door:
        for end in range(0, len(request), 37):
            async with wire(door.address) as client:
                await client.write(request[:end])
        async with wire(door.address) as client:
            await client.write(request)
            assert (await client.read()).status == 200
        await door.intake.until_idle()
        assert set(door.intake.control_ids) == {"2.25.1"}
        assert not door.spooled()


@pytest.mark.parametrize(
    "uid", ["../../etc/passwd", "..%2f..%2fetc", "1.2.3%00", "1..2", "1.02", "1." * 40 + "1", "", "1.2/../3"]
)
def test_a_uid_in_a_path_is_a_uid(uid: str) -> None:
    found = resource_of(b"GET", f"/studies/{uid}/metadata".encode(), "")
    assert not isinstance(found, Resource)
    assert found.status in (400, 404)


@pytest.mark.parametrize(
    ("path", "act", "detail"),
    [
        ("/studies", Act.STUDIES, ""),
        (f"/studies/{STUDY}/series", Act.SERIES, ""),
        (f"/studies/{STUDY}/instances", Act.INSTANCES, ""),
        (f"/studies/{STUDY}/series/{SERIES}/metadata", Act.METADATA, ""),
        (f"/studies/{STUDY}/series/{SERIES}/instances/1.2/frames/1,20", Act.FRAMES, "1,20"),
        (f"/studies/{STUDY}/series/{SERIES}/instances/1.2/bulkdata/00420011", Act.BULK, "00420011"),
    ],
)
def test_resources_are_told_by_their_path(path: str, act: Act, detail: str) -> None:
    found = resource_of(b"GET", f"http://host{path}?x=1".encode(), "")
    assert isinstance(found, Resource)
    assert (found.act, found.detail) == (act, detail)


@pytest.mark.parametrize("uid", ["../../../tmp/evil", "1/2", "a" * 64, "\x00"])
async def test_an_instance_under_a_uid_that_is_none_is_refused(uid: str) -> None:
    content = instance("2.25.1").replace(b"2.25.1\x00\x02\x00", b"", 1)
    named = content.replace(b"UI\x06\x002.25.1", b"UI" + len(uid).to_bytes(2, "little") + uid.encode(), 1)
    async with listening() as door, wire(door.address) as client:
        await client.write(stow(related(named)))
        assert (await client.read()).status in (400, 409)
        assert not door.spooled()
        assert all(message.faults for message in door.intake.messages)
