"""A partner's DICOMweb service as the contract's partner: it answers STOW-RS as it is told."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread

from channels.dicomweb.endpoint import DicomWebEndpoint
from engine.model import Attempt, Body
from engine.security.tls import client_context
from engine.testing.channels import MARKER, Arrival
from tests.channels.dicomweb.instances import SECONDARY_CAPTURE, dataset, file_of
from tests.channels.http.partner import HttpPartner
from tests.peers.emr import Answer, Received, emr
from tests.security.handshakes import files_of

_JSON = {"Content-Type": "application/dicom+json"}
SECRET = "s3cret-of-the-archive"


def uid_for(message_id: str) -> str:
    """Return the SOP Instance UID of what a test sends under an id."""
    return f"2.25.{int.from_bytes(message_id.encode(), 'big') % 10**30}"


def content_of(text: str) -> bytes:
    """Return an instance that carries a text, whose last word is the message's id."""
    made = dataset(uid_for(text.rsplit(maxsplit=1)[-1]))
    made.PatientComments = text
    return file_of(made)


def instance_in(received: Received) -> bytes:
    """Return the one instance of a request."""
    boundary = received.headers["content-type"].rpartition("boundary=")[2].encode()
    (part,) = received.body.split(b"--" + boundary)[1:-1]
    return part.partition(b"\r\n\r\n")[2][:-2]


def stored(uid: str, *, warning: int = 0) -> Answer:
    """Say that an instance was stored."""
    item: dict[str, Any] = {
        "00081150": {"vr": "UI", "Value": [SECONDARY_CAPTURE]},
        "00081155": {"vr": "UI", "Value": [uid]},
    }
    if warning:
        item["00081196"] = {"vr": "US", "Value": [warning]}
    model = {"00081199": {"vr": "SQ", "Value": [item]}}
    return Answer(202 if warning else 200, _JSON, json.dumps(model).encode())


def failed(uid: str, reason: int, *, status: int = 409) -> Answer:
    """Say that an instance was not stored."""
    item = {
        "00081150": {"vr": "UI", "Value": [SECONDARY_CAPTURE]},
        "00081155": {"vr": "UI", "Value": [uid]},
        "00081197": {"vr": "US", "Value": [reason]},
    }
    model = {"00081198": {"vr": "SQ", "Value": [item]}}
    return Answer(status, _JSON, json.dumps(model).encode())


class Archive(HttpPartner):
    """An archive that is sent instances."""

    secrets = (SECRET,)

    def arrival(self, received: Received) -> Arrival:
        found = re.search(MARKER.encode() + rb" (\w+)", received.body)
        return Arrival(found[1].decode() if found else "", received.body)

    def taken(self, received: Received) -> Answer:
        return stored(_uid_in(received))

    def refused(self, received: Received) -> Answer:
        return failed(_uid_in(received), 0xA900)


def _uid_in(received: Received) -> str:
    return str(dcmread(BytesIO(instance_in(received))).SOPInstanceUID)


def endpoint(url: str, **config: Any) -> DicomWebEndpoint:
    """Return an endpoint's model."""
    tls = {"tls": "engine"} if url.startswith("https:") else {}
    return DicomWebEndpoint.model_validate({"dicomweb": url, **tls, **config})


def engine_tls(certs: Path) -> ssl.SSLContext:
    """Return what `tls: engine` stands for."""
    return client_context(files_of(certs, "engine"))


@asynccontextmanager
async def archive(certs: Path | None = None) -> AsyncIterator[Archive]:
    """Start an archive; with certificates, over mutual TLS 1.3."""
    async with emr(certs, name="clinique-abc") as server:
        config = endpoint(f"{server.url}/dicom-web", headers={"authorization": f"Bearer {SECRET}"})
        yield Archive(server, engine_tls(certs) if certs else None, config)


def attempt(body: Body, *, timeout: float = 30.0, headers: dict[str, str] | None = None) -> Attempt:
    """Return one try."""
    return Attempt(
        delivery=1,
        message_id="01JD0000000000000001",
        number=1,
        endpoint="pacs.web",
        body=body,
        content_type="application/dicom",
        timeout=timeout,
        headers=headers or {},
    )
