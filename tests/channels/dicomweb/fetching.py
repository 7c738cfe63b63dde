"""Reads from a DICOMweb listener as a viewer does: requests, chunked answers, parts of multipart bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.channels.dicomweb.instances import SERIES, STUDY, get
from tests.channels.dicomweb.serving import Door
from tests.channels.http.wire import Got, Wire, wire

READ: Final[dict[str, Any]] = {"read": ["radiology"]}
ANY = 'multipart/related; type="application/dicom"; transfer-syntax=*'
FRAMES = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
ONE = f"/studies/{STUDY}/series/{SERIES}/instances/2.25.1"


async def dechunked(client: Wire) -> bytes:
    body = b""
    while True:
        size = int((await client.reader.readuntil(b"\r\n")).strip(), 16)
        body += (await client.reader.readexactly(size + 2))[:-2]
        if not size:
            return body


async def fetch(door: Door, path: str, **more: Any) -> Got:
    async with wire(door.address) as client:
        await client.write(get(path, **more))
        got = await client.read()
        if got.headers.get("transfer-encoding") != "chunked" or more.get("method") == "HEAD":
            return got
        return Got(got.status, got.headers, await dechunked(client))


def parts_of(got: Got) -> list[tuple[Mapping[str, str], bytes]]:
    boundary = got.headers["content-type"].rpartition("boundary=")[2].encode()
    found: list[tuple[Mapping[str, str], bytes]] = []
    for part in (b"\r\n" + got.body).split(b"\r\n--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        lines = head.decode().strip().split("\r\n")
        found.append(
            ({name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}, content)
        )
    return found
