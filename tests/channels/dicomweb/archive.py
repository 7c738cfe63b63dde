"""A partner's DICOMweb service as the contract's partner: it answers STOW-RS as it is told."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread

from channels.dicomweb.endpoint import DicomWebEndpoint
from engine.model import Attempt, Body
from engine.security.tls import TlsFiles, client_context
from engine.testing.channels import MARKER, Arrival, Behaviour, NetworkPartner
from tests.channels.dicomweb.instances import SECONDARY_CAPTURE, dataset, file_of
from tests.peers.emr import Answer, Emr, Misbehaviour, Received, busy, emr

_JSON = {"Content-Type": "application/dicom+json"}


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


class Archive(NetworkPartner):
    """Answers as it is told; counts what it accepted."""

    retry_after = 7.0
    secrets = ("s3cret-of-the-archive",)

    def __init__(self, server: Emr, tls: ssl.SSLContext | None) -> None:
        self.server = server
        self.tls = tls
        self.config = endpoint(
            f"{server.url}/dicom-web", headers={"authorization": f"Bearer {self.secrets[0]}"}
        )
        self._accepted: list[Arrival] = []
        self._behaviour = Behaviour.ACCEPTS
        self._present = True
        server.script = self._script

    async def become(self, behaviour: Behaviour) -> None:
        if behaviour is Behaviour.ABSENT:
            await self.server.stop()
            self._present = False
            return
        self._behaviour = behaviour
        if not self._present:
            await self.server.start()
            self._present = True

    async def arrivals(self) -> Sequence[Arrival]:
        return [_arrival(each) for each in self.server.requests if each.method == "POST"]

    async def accepted(self) -> Sequence[Arrival]:
        return list(self._accepted)

    def opened(self) -> int:
        return self.server.connections

    def live(self) -> int:
        return len(self.server._tasks)

    def _script(self, received: Received) -> Answer | Misbehaviour:
        if received.method != "POST":
            return Answer(200)
        match self._behaviour:
            case Behaviour.BUSY:
                return busy("7")
            case Behaviour.SILENT:
                return Misbehaviour.SILENT
            case Behaviour.DROPS:
                return Misbehaviour.DROP
        uid = str(dcmread(BytesIO(instance_in(received))).SOPInstanceUID)
        if self._behaviour is Behaviour.REFUSES:
            return failed(uid, 0xA900)
        self._accepted.append(_arrival(received))
        return stored(uid)


def _arrival(received: Received) -> Arrival:
    found = re.search(MARKER.encode() + rb" (\w+)", received.body)
    return Arrival(found[1].decode() if found else "", received.body)


def endpoint(url: str, **config: Any) -> DicomWebEndpoint:
    """Return an endpoint's model."""
    tls = {"tls": "engine"} if url.startswith("https:") else {}
    return DicomWebEndpoint.model_validate({"dicomweb": url, **tls, **config})


def engine_tls(certs: Path) -> ssl.SSLContext:
    """Return what `tls: engine` stands for."""
    return client_context(TlsFiles(certs / "engine.pem", certs / "engine.key", certs / "ca.pem"))


@asynccontextmanager
async def archive(certs: Path | None = None) -> AsyncIterator[Archive]:
    """Start an archive; with certificates, over mutual TLS 1.3."""
    async with emr(certs, name="clinique-abc") as server:
        yield Archive(server, engine_tls(certs) if certs else None)


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
