"""A DICOMweb listener as a channel: STOW-RS hands in messages, QIDO-RS and WADO-RS show what the store still holds."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup, TaskStatus

from channels._dicom.receiving import prepare
from channels._http.connection import Connection
from channels._http.identity import Doorkeeper, refused
from channels._http.inbound import HttpInbound
from channels._http.replies import Answer, busy, problem
from channels._http.request import Request
from channels._tcp.caller import Caller
from channels.dicomweb.handing import Delivery, Handing
from channels.dicomweb.incoming import Bounds
from channels.dicomweb.listener import DicomWebListener
from channels.dicomweb.multipart import BrokenMultipart, media_type
from channels.dicomweb.reading import Reading
from channels.dicomweb.resources import Act, Resource, resource_of
from channels.dicomweb.storing import answer_of
from channels.dicomweb.uploading import Upload
from engine.config.models import HostPort
from engine.errors import FATAL, Transient, Unmatched
from engine.model import Gathering
from engine.spi import ChannelContext, Intake

_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?|")
_IN_FLIGHT: Final = 2 * 1024 * 1024
"""Bytes of memory that one request takes, whatever it brings."""


class DicomWebInbound(HttpInbound):
    """Serves one listener: who may store is said by routes, who may read by `read`."""

    config: DicomWebListener

    def __init__(self, config: DicomWebListener, context: ChannelContext) -> None:
        super().__init__(config, context)
        limits = config.limits
        self.bounds = replace(self.bounds, body_bytes=limits.request)
        group = config.group
        gathering = Gathering(group.by, round(group.quiet.total_seconds() * 1000)) if group else None
        self._bounds = Bounds(limits.body, limits.instances, gathering)
        self._doorkeeper = Doorkeeper(config.tokens, expected=config.partner, required=config.partner is None)
        self._folder = context.var / "dicomweb" / context.name
        self._reading = Reading(config, context)
        self._handing = Handing(config, context, broke=self.broke, count=self._count)
        self._uploads: TaskGroup

    def address(self) -> HostPort:
        return self.config.dicomweb

    def authenticate(self, caller: Caller, request: Request) -> Answer | None:
        return self._doorkeeper.prove(caller, request)

    def identify(self, request: Request) -> Answer | None:
        return None  # each instance is a message of its own, identified by its SOP Instance UID

    async def serve(self, intake: Intake, *, task_status: TaskStatus[str]) -> None:
        await anyio.to_thread.run_sync(prepare, self._folder)
        async with anyio.create_task_group() as self._uploads:
            await super().serve(intake, task_status=task_status)

    # ------------------------------------------------------------- the site of its connections

    def receive(self, connection: Connection, request: Request) -> Answer | None:
        caller = self._callers[connection]
        try:
            answer = refused(caller) or self.authenticate(caller, request) or self._begin(connection, request)
        except Exception as error:  # noqa: BLE001  a bug met here must not end the other connections
            self.broke(error)
            answer = problem(500, "The request could not be taken.", close=True)
        if answer is not None and answer.status >= 400:
            self._count(f"refused_{answer.status}")
        return answer

    async def answer(self, connection: Connection, request: Request) -> Answer | bytes | None:
        resource = resource_of(request.method, request.url, self.config.root)
        if isinstance(resource, Answer):
            return resource
        base = self._base(connection, request)
        try:
            if resource.act is Act.STORE:
                return await self._stored(request, base)
            return await self._reading.answer(request, resource, base)
        except Transient as error:
            return busy("What is stored cannot be read at the moment.", error.retry_after)
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001  a bug met here must not end the other connections
            self.broke(error)
            return problem(500, "The request could not be handled; send it again.", close=True)

    def _base(self, connection: Connection, request: Request) -> str:
        scheme = "http" if connection.tls is None else "https"
        return f"{scheme}://{request.text(b'host')}{self.config.root}"

    # ------------------------------------------------------------- steps

    def _begin(self, connection: Connection, request: Request) -> Answer | None:
        """Find the resource; begin to take what is stored, refuse a body where nothing is."""
        if not _HOST.fullmatch(request.headers.get(b"host", b"")):
            return problem(
                400, "The Host header names no host.", close=True
            )  # it is part of what is answered
        resource = resource_of(request.method, request.url, self.config.root)
        if isinstance(resource, Answer):
            return resource
        if resource.act is Act.STORE:
            return self._begin_store(connection, request, resource)
        if request.headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in request.headers:
            return problem(400, "What is read is asked for without a body.", close=True)
        if request.version != "1.1":
            return problem(505, "This listener speaks HTTP/1.1.", close=True)
        return self._reading.refusal(request.partner)

    def _begin_store(self, connection: Connection, request: Request, resource: Resource) -> Answer | None:
        kind = media_type(request.text(b"content-type"))
        part = "" if kind is None else kind.parameters.get("type", "").lower()
        if kind is None or not kind.is_multipart or part not in ("application/dicom", ""):
            return problem(
                415,
                "Instances are stored as multipart/related with parts of application/dicom.",
                lines=b'accept-post: multipart/related; type="application/dicom"\r\n',
            )
        if request.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return problem(415, "Compressed bodies are not taken.", lines=b"accept-encoding: identity\r\n")
        try:
            boundary = kind.boundary
        except BrokenMultipart as error:
            return problem(400, f"The multipart body cannot be followed: {error}.")
        refusal = self._admit_store(request)
        if refusal is not None:
            return refusal
        assert self._intake is not None
        peer = self._callers[connection].peer
        delivery = Delivery(self._handing, self._intake, request.partner, peer, resource.study)
        request.sink = upload = Upload(boundary, delivery, new_path=self._new_path, bounds=self._bounds)
        if request.size:  # it came behind another request, before anybody looked at it
            upload.write(request.content())
            request.forget()
        self._uploads.start_soon(upload.run)
        return None

    def _new_path(self) -> Path:
        return self._folder / f"{self.context.new_id()}.part"

    async def _stored(self, request: Request, base: str) -> Answer | None:
        upload = request.sink
        assert isinstance(upload, Upload)
        refusal = await upload.complete()
        if refusal is not None:
            self._count(f"refused_{refusal.status}")
            return refusal
        return answer_of(upload.delivery.outcomes, base=base)

    def _admit_store(self, request: Request) -> Answer | None:
        assert self._intake is not None
        try:
            admission = self._intake.admit(request.partner, _IN_FLIGHT)
        except Unmatched:
            return problem(404, "No route takes instances here.")
        except Transient as error:
            return busy("The engine cannot take more at the moment.", error.retry_after)
        admission.__enter__()
        request.admission = admission
        return None
