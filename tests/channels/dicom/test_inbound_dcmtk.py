"""DCMTK sends: every kind of object arrives with its data set untouched, over TLS only from whom the door is for."""

from __future__ import annotations

import ssl
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from engine.model import INLINE_LIMIT, Certificate, Message, Receipt
from engine.security.tls import TlsFiles, server_context
from engine.spi import Exchange
from tests.channels.dicom.pdus import DATA, Peer, associate, command, context, pdu, value
from tests.channels.dicom.serving import ReadingIntake, listening
from tests.peers.dcmtk import DcmtkFailed, run_dcmtk, tls_arguments

OBJECTS = (
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_jp2klossless.dcm",
    "JPEG2000.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_rle_2frame.dcm",
    "test-SR.dcm",
    "waveform_ecg.dcm",
)
UNCOMPRESSED = ("MR_small_implicit.dcm", "MR_small_bigendian.dcm", "rtplan.dcm", "CT_small.dcm")
PADDING = (0xFFFC, 0xFFFC)
"""Data Set Trailing Padding, which DCMTK leaves out."""


def shipped(name: str) -> Path:
    """Return one of pydicom's own files, of those that come with the library."""
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return Path(found)


def by_name(certificate: Certificate) -> str | None:
    """Stand in for the partner directory: each clinic's own DNS name is its identity."""
    known = {"dns:clinique-abc.localhost": "clinique-abc", "dns:clinique-def.localhost": "clinique-def"}
    return next((known[name] for name in certificate.names if name in known), None)


def server(certs: Path) -> ssl.SSLContext:
    return server_context(TlsFiles(certs / "engine.pem", certs / "engine.key", certs / "ca.pem"))


@pytest.mark.parametrize("name", OBJECTS)
async def test_an_object_arrives_untouched(name: str) -> None:
    sent = dcmread(shipped(name))
    sent.pop(PADDING, None)
    async with listening() as door:
        await run_dcmtk("dcmsend", "-aec", "PASSERELLE", "-dn", "127.0.0.1", str(door.port), shipped(name))
        [message], [content] = door.intake.messages, door.intake.contents
    came = dcmread(BytesIO(content))
    # DCMTK rewrites some lengths of what it sends; that we change nothing is the next test's matter
    assert list(came.keys()) == list(sent.keys())
    assert came.get("PixelData") == sent.get("PixelData")
    assert message.control_id == sent.SOPInstanceUID == came.file_meta.MediaStorageSOPInstanceUID
    assert came.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
    assert message.meta["transfer_syntax"] == sent.file_meta.TransferSyntaxUID
    assert message.meta["sop_class"] == sent.SOPClassUID
    assert (message.meta["calling_ae"], message.meta["called_ae"]) == ("DCMSEND", "PASSERELLE")
    assert (message.codec, message.content_type) == ("dicom", "application/dicom")


@pytest.mark.parametrize("name", (*OBJECTS, *UNCOMPRESSED))
async def test_not_a_byte_of_a_data_set_is_changed(name: str) -> None:
    whole = shipped(name).read_bytes()
    meta = dcmread(shipped(name), stop_before_pixels=True)
    length = int.from_bytes(
        whole[140:144], "little"
    )  # of the file meta after its own first element (PS3.10 7.1)
    data_set = whole[144 + length :]
    async with listening() as door:
        peer = await Peer.at(door.port)
        await peer.agree(associate(context(1, meta.SOPClassUID, [meta.file_meta.TransferSyntaxUID])))
        asked = value(command(sop_class=meta.SOPClassUID, uid=meta.SOPInstanceUID), command=True, last=True)
        await peer.send(pdu(DATA, asked))
        for start in range(0, len(data_set), 16_000):
            piece = data_set[start : start + 16_000]
            last = start + 16_000 >= len(data_set)
            await peer.send(pdu(DATA, value(piece, command=False, last=last)))
        assert await peer.status() == 0
        peer.close()
        [content] = door.intake.contents
    assert content.endswith(data_set)
    assert dcmread(BytesIO(content)) == dcmread(shipped(name))


async def test_a_large_object_is_a_file_while_it_is_handed_in_and_gone_afterwards() -> None:
    paths: list[Path | None] = []

    class Looking(ReadingIntake):
        async def __call__(self, message: Message, exchange: Exchange) -> Receipt:
            paths.append(message.body.path)
            return await super().__call__(message, exchange)

    async with listening(Looking()) as door:
        name = shipped("examples_ybr_color.dcm")
        assert name.stat().st_size > INLINE_LIMIT
        await run_dcmtk("dcmsend", "-aec", "PASSERELLE", "127.0.0.1", str(door.port), name)
        [content] = door.intake.contents
        assert paths[0] is not None and not paths[0].exists() and door.spooled() == []
    assert dcmread(BytesIO(content)) == dcmread(name)


async def test_an_echo_is_answered() -> None:
    async with listening() as door:
        await run_dcmtk("echoscu", "-aec", "PASSERELLE", "127.0.0.1", str(door.port))


async def test_a_sender_proves_its_partner_over_mutual_tls(dev_certs: Path) -> None:
    async with listening(tls_context=server(dev_certs), identify=by_name) as door:
        tls = tls_arguments(dev_certs, "clinique-abc")
        await run_dcmtk(
            "storescu", *tls, "-aec", "PASSERELLE", "127.0.0.1", str(door.port), shipped("CT_small.dcm")
        )
        [message] = door.intake.messages
    assert message.partner == "clinique-abc"
    assert message.peer is not None and message.peer.certificate is not None


@pytest.mark.parametrize(
    ("config", "calling", "called", "event"),
    [
        ({"callers": {"CT1": "clinique-def"}}, "CT1", "PASSERELLE", "other_partner"),
        ({"callers": {"CT1": "clinique-abc"}}, "CT2", "PASSERELLE", "unknown_caller"),
        ({"partner": "clinique-def"}, "CT1", "PASSERELLE", "other_partner"),
        ({}, "CT1", "SOMEONE", "unknown_called"),
    ],
)
async def test_an_ae_title_that_disagrees_is_rejected(
    dev_certs: Path, config: dict[str, Any], calling: str, called: str, event: str
) -> None:
    async with listening(tls_context=server(dev_certs), identify=by_name, **config) as door:
        tls = tls_arguments(dev_certs, "clinique-abc")
        with pytest.raises(DcmtkFailed, match="Association Rejected"):
            await run_dcmtk("echoscu", *tls, "-aet", calling, "-aec", called, "127.0.0.1", str(door.port))
        assert door.events(event) == 1


async def test_a_certificate_and_an_ae_title_that_agree_are_taken(dev_certs: Path) -> None:
    callers = {"CT1": "clinique-abc"}
    async with listening(tls_context=server(dev_certs), identify=by_name, callers=callers) as door:
        tls = tls_arguments(dev_certs, "clinique-abc")
        await run_dcmtk("echoscu", *tls, "-aet", "CT1", "-aec", "PASSERELLE", "127.0.0.1", str(door.port))
        assert door.events("association") == 1


@pytest.mark.parametrize("how", ["plain", "no certificate", "another authority"])
async def test_without_the_right_certificate_nothing_is_taken(
    dev_certs: Path, stranger_certs: Path, how: str
) -> None:
    proofs: dict[str, list[str | Path]] = {
        "plain": [],
        "no certificate": ["+tla", "+cf", dev_certs / "ca.pem"],
        "another authority": [
            *tls_arguments(stranger_certs, "clinique-abc")[:3],
            "+cf",
            dev_certs / "ca.pem",
        ],
    }
    async with listening(tls_context=server(dev_certs), identify=by_name) as door:
        with pytest.raises(DcmtkFailed):
            await run_dcmtk("echoscu", *proofs[how], "-aec", "PASSERELLE", "127.0.0.1", str(door.port))
        assert door.events("association") == 0 and door.intake.messages == []
