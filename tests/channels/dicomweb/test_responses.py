"""STOW-RS, sending: what travels, and what each answer means for the delivery."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from channels._http.client import Response
from channels.dicomweb.outbound import DicomWebOutbound
from channels.dicomweb.responses import judge_stored
from engine.errors import PasserelleError, Permanent, Rejected, Transient
from engine.model import Body
from engine.testing.channels import channel_context
from tests.channels.dicomweb.archive import Archive, archive, attempt, failed, instance_in, stored
from tests.channels.dicomweb.instances import instance
from tests.peers.emr import Answer

UID = "2.25.1"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def response(answer: Answer) -> Response:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Response(answer.status, headers, answer.body)


def judged(answer: Answer) -> Any:
    return judge_stored(response(answer), UID, now_ms=0)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (0xA700, Transient),
        (0xA7FF, Transient),
        (0x0110, Transient),
        (0xA900, Rejected),
        (0xC000, Rejected),
        (0xC123, Rejected),
        (0x0122, Permanent),
        (0xC122, Permanent),
        (0x0124, Permanent),
    ],
)
@pytest.mark.parametrize("status", [200, 202, 409])
def test_a_failure_reason_says_what_happens_next(
    reason: int, kind: type[PasserelleError], status: int
) -> None:
    with pytest.raises(kind) as caught:
        judged(failed(UID, reason, status=status))
    assert caught.value.code == f"{reason:04X}"  # type: ignore[attr-defined]  # all three have a code
    assert not getattr(caught.value, "sent", False)


def test_what_was_stored_is_delivered_and_a_warning_is_kept() -> None:
    assert judged(stored(UID)).code == "200"
    assert "warning-reason" not in judged(stored(UID)).headers
    assert judged(stored(UID, warning=0xB000)).headers["warning-reason"] == "B000"


def test_an_answer_about_another_instance_leaves_the_outcome_unknown() -> None:
    with pytest.raises(Transient) as caught:
        judged(stored("2.25.2"))
    assert caught.value.sent


def test_a_failure_without_a_uid_is_that_of_the_one_that_was_sent() -> None:
    model = {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [0xC000]}}]}}
    with pytest.raises(Rejected):
        judged(Answer(409, {"Content-Type": "application/dicom+json"}, json.dumps(model).encode()))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", None),
        (200, b"<html>ok</html>", Transient),
        (409, b"", Rejected),
        (409, b"[[[[", Rejected),
        (400, b"", Rejected),
        (401, b"", Permanent),
        (404, b"", Permanent),
        (503, b"", Transient),
        (200, b"[" * 100_000, Transient),
    ],
)
def test_without_a_word_on_the_instance_the_status_stands(
    status: int, body: bytes, kind: type[PasserelleError] | None
) -> None:
    answer = Answer(status, {"Content-Type": "application/dicom+json"}, body)
    if kind is None:
        assert judged(answer).code == "200"
        return
    with pytest.raises(kind):
        judged(answer)


def in_xml(tag: str, **values: str) -> Answer:
    attributes = "".join(
        f'<DicomAttribute tag="{name[1:]}" vr="UI"><Value number="1">{value}</Value></DicomAttribute>'
        for name, value in values.items()
    )
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
        f'<DicomAttribute tag="{tag}" vr="SQ"><Item number="1">{attributes}</Item></DicomAttribute></NativeDicomModel>'
    )
    return Answer(202, {"Content-Type": "application/dicom+xml"}, body.encode())


def test_an_answer_in_xml_is_read_too() -> None:
    warned = judged(in_xml("00081199", _00081155=UID, _00081196="45062"))
    assert warned.headers["warning-reason"] == "B006"
    with pytest.raises(Rejected, match="A900"):
        judged(in_xml("00081198", _00081155=UID, _00081197="43264"))


def test_xml_that_declares_entities_is_not_read() -> None:
    body = b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    with pytest.raises(Transient):
        judged(Answer(202, {"Content-Type": "application/dicom+xml"}, body))


# --------------------------------------------------------------------------- what travels


@dataclass
class Sent:
    """What the archive got."""

    head: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""


async def send(partner: Archive, folder: Path, body: Body, **more: Any) -> Sent:
    async with DicomWebOutbound(partner.config, channel_context(folder, tls=partner.tls)) as channel:
        await channel.send(attempt(body, **more))
    (received,) = partner.server.requests
    return Sent(received.headers, instance_in(received))


async def test_the_instance_travels_as_it_is_with_what_was_configured(tmp_path: Path) -> None:
    content = instance(UID)
    async with archive() as partner:
        sent = await send(partner, tmp_path, Body.of(content), headers={"traceparent": TRACE})
    assert sent.content == content
    assert sent.head["authorization"] == f"Bearer {partner.secrets[0]}"
    assert sent.head["traceparent"] == TRACE
    assert sent.head["accept"].startswith("application/dicom+json")
    assert sent.head["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')


async def test_a_large_instance_is_streamed_from_its_file(tmp_path: Path) -> None:
    content = instance(UID, pixels=5_000_000)
    path = tmp_path / "body"
    path.write_bytes(content)
    async with archive() as partner:
        sent = await send(partner, tmp_path, Body(len(content), bytes(32), None, path))
    assert sent.content == content


async def test_a_file_that_is_gone_is_tried_again(tmp_path: Path) -> None:
    async with archive() as partner:
        with pytest.raises(Transient) as caught:
            await send(partner, tmp_path, Body(1000, bytes(32), None, tmp_path / "gone"))
        assert not caught.value.sent


async def test_what_is_no_instance_is_rejected_before_it_is_sent(tmp_path: Path) -> None:
    async with archive() as partner:
        with pytest.raises(Rejected):
            await send(partner, tmp_path, Body.of(b"{}"))
        assert not partner.server.requests


async def test_a_file_shorter_than_it_was_cuts_the_request(tmp_path: Path) -> None:
    content = instance(UID, pixels=2_000_000)
    path = tmp_path / "body"
    path.write_bytes(content[:-1000])
    async with archive() as partner:
        with pytest.raises(Transient):
            await send(partner, tmp_path, Body(len(content), bytes(32), None, path), timeout=5)
        assert not partner.server.requests
