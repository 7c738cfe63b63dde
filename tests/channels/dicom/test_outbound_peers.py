"""DCMTK and Orthanc take what is sent: not a byte of a data set is changed, and nobody is taken for somebody else."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from channels._dicom.part10 import read_head
from engine.errors import Permanent, Transient
from engine.security.tls import TlsFiles, client_context
from tests.channels.dicom.dispatching import endpoint, way_out
from tests.channels.dicom.instances import JPEG_2000, part10
from tests.channels.dicom.test_inbound_dcmtk import OBJECTS, UNCOMPRESSED, shipped
from tests.peers.orthanc import orthanc
from tests.peers.storescp import storescp

EVERY_OBJECT = (*OBJECTS, *UNCOMPRESSED[:-1], "rtdose.dcm", "JPGExtended.dcm")


def digest(content: bytes) -> tuple[str, str]:
    """Return the transfer syntax of a Part 10 file, and the SHA-256 of its data set."""
    head = read_head(content)
    return head.transfer_syntax, sha256(content[head.offset :]).hexdigest()


def pixels(content: bytes) -> tuple[str, str]:
    """Return the transfer syntax of an instance, and the SHA-256 of its pixel data: Orthanc writes the rest anew."""
    read = dcmread(BytesIO(content))
    return str(read.file_meta.TransferSyntaxUID), sha256(read.get("PixelData", b"")).hexdigest()


def pair(certs: Path, name: str) -> TlsFiles:
    return TlsFiles(certs / f"{name}.pem", certs / f"{name}.key", certs / "ca.pem")


@pytest.fixture(scope="module")
def objects() -> Mapping[str, bytes]:
    """Every kind of object that pydicom ships, by name."""
    return {name: shipped(name).read_bytes() for name in EVERY_OBJECT}


async def test_storescp_gets_every_object_bit_by_bit(tmp_path: Path, objects: Mapping[str, bytes]) -> None:
    async with storescp(tmp_path, "+uf") as peer, way_out(tmp_path, endpoint(peer.port)) as out:
        for content in objects.values():
            assert (await out.send(content)).code == "0000"
        assert sorted(map(digest, peer.files())) == sorted(map(digest, objects.values()))


async def test_orthanc_gets_every_object_over_mutual_tls(
    tmp_path: Path, dev_certs: Path, objects: Mapping[str, bytes]
) -> None:
    # these two say another UID in their file meta information than in their data set, which Orthanc minds
    objects = {name: each for name, each in objects.items() if name not in ("rtplan.dcm", "rtdose.dcm")}
    once = {read_head(content).sop_instance: content for content in objects.values()}
    async with orthanc(tmp_path, aet="STORE", tls=pair(dev_certs, "clinique-abc")) as peer:
        to = endpoint(peer.dicom_port, host="localhost", tls="engine")
        async with way_out(tmp_path, to, tls=client_context(pair(dev_certs, "engine"))) as out:
            for content in once.values():
                assert (await out.send(content)).code == "0000"
            assert all(well for _, well, _ in await out.channel.probe())
        came = await peer.instances()
    assert {uid: pixels(each) for uid, each in came.items()} == {
        uid: pixels(each) for uid, each in once.items()
    }


async def test_a_syntax_that_the_partner_does_not_take_is_never_made_another_one(tmp_path: Path) -> None:
    async with (
        storescp(tmp_path, every_syntax=("+x=",)) as peer,
        way_out(tmp_path, endpoint(peer.port)) as out,
    ):
        with pytest.raises(Permanent, match="not in this transfer syntax") as caught:
            await out.send(part10("2.25.1", syntax=JPEG_2000))
        assert caught.value.code == "context"
        assert peer.files() == []
        assert (await out.send(part10("2.25.2"))).code == "0000"


@pytest.mark.parametrize("how", ["plain", "no certificate", "a stranger's", "another name"])
async def test_without_the_right_certificate_nothing_is_sent(
    tmp_path: Path, dev_certs: Path, stranger_certs: Path, how: str
) -> None:
    ways: dict[str, ssl.SSLContext | None] = {
        "plain": None,
        "no certificate": client_context(TlsFiles(ca=dev_certs / "ca.pem")),
        "a stranger's": client_context(
            TlsFiles(stranger_certs / "engine.pem", stranger_certs / "engine.key", dev_certs / "ca.pem")
        ),
        "another name": client_context(pair(dev_certs, "engine")),
    }
    host = "127.0.0.2" if how == "another name" else "localhost"
    async with orthanc(tmp_path, aet="STORE", tls=pair(dev_certs, "clinique-abc")) as peer:
        to = endpoint(peer.dicom_port, host=host, tls=None if how == "plain" else "engine")
        async with way_out(tmp_path, to, tls=ways[how]) as out:
            with pytest.raises((Permanent, Transient)) as caught:
                await out.send(part10("2.25.1"))
            assert not getattr(caught.value, "sent", False)
            told = {"plain": ("closed",), "another name": ("identity",)}
            # who is refused hears of it, unless the connection is reset before that
            assert getattr(caught.value, "code", "") in told.get(how, ("identity", "closed"))
        assert await peer.ask("/instances") == []


async def test_an_ae_title_that_is_not_the_partners_is_permanent(tmp_path: Path) -> None:
    async with orthanc(tmp_path, aet="ANOTHER") as peer, way_out(tmp_path, endpoint(peer.dicom_port)) as out:
        with pytest.raises(Permanent, match=r"PASSERELLE called STORE: .*AE title that was called") as caught:
            await out.send(part10("2.25.1"))
        assert caught.value.code == "rejected_1_7"
