"""Orthanc's DICOMweb, both ways: it takes what we store, stores with us, searches us and fetches what we hold."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from channels.dicomweb.outbound import DicomWebOutbound
from engine.errors import PasserelleError, Permanent, Transient
from engine.model import Body
from engine.security.tls import TlsFiles, client_context
from engine.testing.channels import channel_context
from tests.channels.dicom.test_inbound_dcmtk import OBJECTS, shipped
from tests.channels.dicomweb.archive import attempt, endpoint
from tests.channels.dicomweb.serving import Held, listening
from tests.peers.orthanc import Orthanc, orthanc
from tests.peers.ports import free_port
from tests.peers.stunnel import stunnel


def pair(certs: Path, name: str) -> TlsFiles:
    return TlsFiles(certs / f"{name}.pem", certs / f"{name}.key", certs / "ca.pem")


def pixels(content: bytes) -> tuple[str, str]:
    """Return the transfer syntax of an instance, and the SHA-256 of its pixel data: Orthanc writes the rest anew."""
    read = dcmread(BytesIO(content))
    return str(read.file_meta.TransferSyntaxUID), sha256(read.get("PixelData", b"")).hexdigest()


def uid_of(content: bytes) -> str:
    return str(dcmread(BytesIO(content), stop_before_pixels=True).SOPInstanceUID)


@pytest.fixture(scope="module")
def objects() -> Mapping[str, bytes]:
    """Every kind of object that pydicom ships and Orthanc takes, by SOP Instance UID."""
    found = [shipped(name).read_bytes() for name in OBJECTS if name not in ("rtplan.dcm", "rtdose.dcm")]
    return {uid_of(content): content for content in found}


@asynccontextmanager
async def way_out(folder: Path, url: str, *, certs: Path | None = None) -> AsyncIterator[DicomWebOutbound]:
    tls = client_context(pair(certs, "engine")) if certs is not None else None
    async with DicomWebOutbound(endpoint(url), channel_context(folder, tls=tls)) as channel:
        yield channel


async def put(archive: Orthanc, content: bytes) -> None:
    """Put an instance into Orthanc by its own DICOMweb."""
    async with way_out(archive.folder, f"{archive.url}/dicom-web") as channel:
        await channel.send(attempt(Body.of(content)))


async def test_orthanc_gets_every_object_over_mutual_tls(
    tmp_path: Path, dev_certs: Path, objects: Mapping[str, bytes]
) -> None:
    async with (
        orthanc(tmp_path) as archive,
        stunnel(tmp_path, archive.http_port, pair(dev_certs, "clinique-abc")) as port,
        way_out(tmp_path, f"https://localhost:{port}/dicom-web", certs=dev_certs) as channel,
    ):
        for content in objects.values():
            assert (await channel.send(attempt(Body.of(content)))).code == "200"
        came = await archive.instances()
    assert {uid: pixels(each) for uid, each in came.items()} == {
        uid: pixels(each) for uid, each in objects.items()
    }


async def test_a_stranger_does_not_pass_the_front(
    tmp_path: Path, dev_certs: Path, stranger_certs: Path, objects: Mapping[str, bytes]
) -> None:
    content = next(iter(objects.values()))
    async with (
        orthanc(tmp_path) as archive,
        stunnel(tmp_path, archive.http_port, pair(dev_certs, "clinique-abc")) as port,
        way_out(tmp_path, f"https://localhost:{port}/dicom-web", certs=stranger_certs) as channel,
    ):
        with pytest.raises(Permanent):
            await channel.send(attempt(Body.of(content)))
        assert not await archive.instances()


async def test_orthanc_is_down_for_a_while_and_everything_arrives_once(
    tmp_path: Path, objects: Mapping[str, bytes]
) -> None:
    archive = Orthanc(tmp_path)
    left = list(objects.values())
    async with way_out(tmp_path, f"{archive.url}/dicom-web") as channel:
        with pytest.raises(Transient) as caught:
            await channel.send(attempt(Body.of(left[0])))
        assert not caught.value.sent
        await archive.start()
        try:
            for content in left[:3]:
                await channel.send(attempt(Body.of(content)))
            await archive.kill()
            with pytest.raises(Transient):
                await channel.send(attempt(Body.of(left[3])))
            await archive.start()
            for content in left[2:]:
                await channel.send(attempt(Body.of(content)))
            assert set(await archive.instances()) == set(objects)
        finally:
            await archive.kill()


async def test_what_orthanc_cannot_read_is_refused_by_it(
    tmp_path: Path, objects: Mapping[str, bytes]
) -> None:
    content = next(iter(objects.values()))
    async with (
        orthanc(tmp_path) as archive,
        way_out(tmp_path, f"{archive.url}/dicom-web") as channel,
    ):
        with pytest.raises(PasserelleError):
            await channel.send(attempt(Body.of(content[:400])))


def knowing(port: int) -> dict[str, Any]:
    """Return the settings of an Orthanc that knows us."""
    server = {"Url": f"http://127.0.0.1:{port}/dicom-web/", "HasDelete": False, "ChunkedTransfers": True}
    return {"DicomWeb": {"Enable": True, "Root": "/dicom-web/", "Servers": {"passerelle": server}}}


async def test_orthanc_stores_with_us(tmp_path: Path, objects: Mapping[str, bytes]) -> None:
    port = free_port()
    async with (
        orthanc(tmp_path, settings=knowing(port)) as archive,
        listening(dicomweb=f"127.0.0.1:{port}", root="/dicom-web") as door,
    ):
        for content in objects.values():
            await put(archive, content)
        resources = await archive.ask("/instances")
        sent = await archive.ask(
            "/dicom-web/servers/passerelle/stow", {"Resources": resources, "Synchronous": True}
        )
        assert int(sent["InstancesCount"]) == len(objects)
        came = {uid_of(content): pixels(content) for content in door.intake.contents}
        assert came == {uid: pixels(content) for uid, content in objects.items()}


async def test_orthanc_searches_us_and_fetches_what_we_hold(
    tmp_path: Path, objects: Mapping[str, bytes]
) -> None:
    port = free_port()
    content = next(iter(objects.values()))
    read = dcmread(BytesIO(content), stop_before_pixels=True)
    study = str(read.StudyInstanceUID)
    images = Held(content, results=[read.to_json_dict()])
    async with (
        orthanc(tmp_path, settings=knowing(port)) as archive,
        listening(dicomweb=f"127.0.0.1:{port}", root="/dicom-web", images=images, read=["radiology"]) as door,
    ):
        asked = {"Uri": "/studies", "Arguments": {"PatientID": str(read.PatientID)}}
        found = await archive.ask("/dicom-web/servers/passerelle/qido", asked)
        assert study in json.dumps(found)
        wanted = {"Resources": [{"Study": study}], "Synchronous": True}
        await archive.ask("/dicom-web/servers/passerelle/retrieve", wanted)
        came = await archive.instances()
        assert {uid: pixels(each) for uid, each in came.items()} == {uid_of(content): pixels(content)}
        assert [each.action for each in door.accesses] == ["images-searched", "images-read"]
    assert images.asked[0][1] == {"PatientID": str(read.PatientID)}
