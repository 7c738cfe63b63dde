"""Images that change on the way: other numbers for an archive, of nobody for research; pixel data as it came."""

from __future__ import annotations

import hashlib
import struct
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from engine.errors import Rejected
from engine.model import State
from tests.codecs.dicom.samples import ct, item, part10, shipped
from tests.journeys.hospital import hospital
from tests.journeys.imaging import sent
from tests.peers.storescp import storescp

CONFIG = """
listen:
  images: {{dicom: "127.0.0.1:0", partner: ct1}}
partners:
  ct1: {{}}
  pacs: {{endpoints: {{archive: {{dicom: "127.0.0.1:{archive}", ae_title: STORE, phi: full}}}}}}
  centre: {{endpoints: {{images: {{dicom: "127.0.0.1:{centre}", ae_title: STORE, phi: minimal}}}}}}
"""
ROUTE = """
route: images
from: images
to:
  - endpoint: pacs.archive
    steps: [prefix: {PatientID: HSJ-}, set: {SpecificCharacterSet: ISO_IR 192, InstitutionName: Hôpital Saint-Jacques}]
  - endpoint: centre.images
    when: meta.calling_ae == "CT1" and msg.Modality != "US"
    steps:
      - deidentify: {secret: "${env:RESEARCH_SECRET:-a secret of this journey alone}"}
"""
MIB = 1024 * 1024


def large(pixels: int) -> bytes:
    """Return an instance whose pixel data has that many bytes."""
    data = part10(ct(SOPInstanceUID="2.25.77"))
    head = data[: data.index(struct.pack("<HH", 0x7FE0, 0x0010))]
    content = hashlib.shake_256(b"pixels").digest(MIB) * (pixels // MIB)
    return head + struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, len(content)) + content


def pixels_of(dataset: Dataset) -> str:
    return hashlib.sha256(dataset.PixelData).hexdigest() if "PixelData" in dataset else ""


async def test_each_destination_gets_its_own_copy_and_the_pixels_of_the_original(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "centre").mkdir()
    wanted = ("JPEG2000.dcm", "MR_small_RLE.dcm", "JPEGLSNearLossless_08.dcm", "rtdose.dcm", "reportsi.dcm")
    files = [path.read_bytes() for path in shipped() if path.name in wanted]
    instances = [part10(ct(SOPInstanceUID="2.25.1")), large(6 * MIB), *files]
    known = {each.SOPInstanceUID: each for each in (pydicom.dcmread(BytesIO(data)) for data in instances)}
    async with storescp(tmp_path / "archive") as archive, storescp(tmp_path / "centre") as centre:
        config = CONFIG.format(archive=archive.port, centre=centre.port)
        async with hospital(tmp_path, config, {"images": ROUTE}) as engine:
            await sent(engine, tmp_path, instances)
            rows = await engine.ended(
                2 * len(instances) - sum(each.get("Modality") == "US" for each in known.values())
            )
            assert {row.delivery.state for row in rows} == {State.DELIVERED}
        kept = [pydicom.dcmread(BytesIO(data)) for data in archive.files()]
        anonymous = [pydicom.dcmread(BytesIO(data)) for data in centre.files()]
    for each in kept:
        original = known[each.SOPInstanceUID]
        assert pixels_of(each) == pixels_of(original)
        assert each.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
        assert each.InstitutionName == "Hôpital Saint-Jacques"
        assert each.get("PatientID", "") == (f"HSJ-{original.PatientID}" if original.get("PatientID") else "")
    assert sorted(map(pixels_of, anonymous)) == sorted(
        pixels_of(each) for each in known.values() if each.get("Modality") != "US"
    )
    assert {each.PatientIdentityRemoved for each in anonymous} == {"YES"}
    assert not {each.SOPInstanceUID for each in anonymous} & set(known)
    studies = {each.get("StudyInstanceUID") for each in anonymous}
    assert len(studies) == len(
        {each.get("StudyInstanceUID") for each in known.values() if each.get("Modality") != "US"}
    )


async def test_what_cannot_be_changed_is_refused_with_its_tag(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = item(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SOPInstanceUID="2.25.2", PatientID="4711")
    route = ROUTE.replace("SpecificCharacterSet: ISO_IR 192, ", "")
    async with hospital(tmp_path, CONFIG.format(archive=1, centre=1), {"images": route}) as engine:
        with pytest.RaisesGroup(
            pytest.RaisesExc(Rejected, match="C000"), allow_unwrapped=True, flatten_subgroups=True
        ):
            await sent(engine, tmp_path, [part10(dataset)])
        assert await engine.rows() == []
    refusals = [vars(record) for record in caplog.records if vars(record).get("action") == "refuse"]
    assert [each["path"] for each in refusals] == ["InstitutionName"]
    assert "Jacques" not in caplog.text
