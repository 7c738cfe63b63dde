"""WADO-RS: instances, their metadata, frames and large values, as the store holds them; nothing is transcoded.

What is asked for is looked at page by page before the first byte leaves, and then read and written piece by piece.
Source: DICOM PS3.18 10.4 (Retrieve transaction), 8.7 (media types).
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import uuid4

import anyio.to_thread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from channels._http.replies import Answer, problem
from channels.dicomweb.accepting import (
    DICOM,
    JSON,
    OCTETS,
    Wanted,
    frames_kind,
    is_plain,
    takes_json,
    wanted_of,
)
from channels.dicomweb.multipart import last_delimiter, part_head
from channels.dicomweb.pieces import pieces_of
from channels.dicomweb.resources import Act, Resource
from channels.dicomweb.values import NotGiven, Range, frames, opened, value_at
from engine.codecs.dicom.json_model import to_json
from engine.codecs.dicom.reading import FIRST_BULK, dataset_of
from engine.errors import MalformedMessage
from engine.model import StoredInstance
from engine.spi import Images

_PAGE: Final = 32
_INLINE: Final = 1024
"""Bytes: a larger binary value is not inline in metadata, but has a URL of its own."""

Stored = AsyncIterator[StoredInstance]


@dataclass(frozen=True, slots=True)
class Given:
    """An answer, and the messages whose content it gives: they are journalled before it is written."""

    answer: Answer
    messages: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What one request needs: where instances are, what is accepted, the URL of the service, and how many at most."""

    images: Images
    resource: Resource
    accept: str
    base: str
    most: int

    async def answer(self) -> Given:
        """Return what is given: 404 where nothing is held, 406 where it is not held as it is accepted."""
        held: list[tuple[str, str]] = []
        async for each in self._stored():
            held.append((each.message_id, each.transfer_syntax))
            if len(held) > self.most:
                return Given(problem(413, f"More than {self.most} instances are not given in one answer."))
        if not held:
            return Given(problem(404, "The store holds no such instance."))
        match self.resource.act:
            case Act.METADATA:
                answer = self._metadata()
            case Act.FRAMES:
                answer = await self._frames()
            case Act.BULK:
                answer = await self._bulk()
            case _:
                answer = self._content([syntax for _, syntax in held])
        return Given(answer, [message for message, _ in held] if answer.status < 300 else ())

    async def _stored(self) -> Stored:
        """Give what is asked for, a page at a time: small bodies come in memory."""
        resource = self.resource
        offset = 0
        while True:
            page = await self.images.instances(
                study=resource.study,
                series=resource.series,
                instances=(resource.instance,) if resource.instance else (),
                limit=_PAGE,
                offset=offset,
            )
            for each in page:
                yield each
            if not page or resource.instance:
                return
            offset += _PAGE

    # ------------------------------------------------------------- instances

    def _content(self, syntaxes: Sequence[str]) -> Answer:
        wanted = wanted_of(self.accept)
        fitting = [each for each in wanted if all(each.takes(DICOM, syntax) for syntax in syntaxes)]
        choice = next((each for each in fitting if each.multipart or len(syntaxes) == 1), None)
        if choice is None:
            return _not_acceptable(
                "They are given as multipart/related with parts of application/dicom, each in the transfer syntax in "
                "which it is stored: accept transfer-syntax=*."
            )
        if not choice.multipart:
            return Answer(200, kind=_typed(DICOM, syntaxes[0]), pieces=self._one_file())
        boundary = uuid4().hex
        return Answer(200, kind=_related(DICOM, boundary), pieces=self._files(boundary))

    async def _one_file(self) -> AsyncGenerator[bytes]:
        async for each in self._stored():
            async for piece in pieces_of(each.body):
                yield piece

    async def _files(self, boundary: str) -> AsyncGenerator[bytes]:
        async for each in self._stored():
            yield part_head(
                boundary, _typed(DICOM, each.transfer_syntax), content_location=self._location(each)
            )
            async for piece in pieces_of(each.body):
                yield piece
            yield b"\r\n"
        yield last_delimiter(boundary)

    def _location(self, each: StoredInstance) -> str:
        return f"{self.base}/studies/{each.study}/series/{each.series}/instances/{each.instance}"

    # ------------------------------------------------------------- metadata

    def _metadata(self) -> Answer:
        if not takes_json(self.accept):
            return _not_acceptable("Metadata are given as application/dicom+json.")
        return Answer(200, kind=JSON, pieces=self._models())

    async def _models(self) -> AsyncGenerator[bytes]:
        between = b"["
        async for each in self._stored():
            model = await anyio.to_thread.run_sync(partial(_model, each, self._location(each)))
            yield between + json.dumps(model, separators=(",", ":")).encode()
            between = b","
        yield b"]" if between == b"," else b"[]"

    # ------------------------------------------------------------- frames and values

    async def _frames(self) -> Answer:
        numbers = [int(number) for number in self.resource.detail.split(",")]
        stored = await anext(self._stored())
        kind = frames_kind(stored.transfer_syntax)
        if not kind:
            return _not_acceptable("Its frames cannot be given without changing them: ask for the instance.")
        return await self._ranges(stored, kind, partial(frames, stored.body, numbers))

    async def _bulk(self) -> Answer:
        stored = await anext(self._stored())
        if not is_plain(stored.transfer_syntax) and self.resource.detail.startswith("7FE0"):
            return _not_acceptable("Its pixel data are encapsulated: ask for its frames.")

        def found() -> list[list[Range]]:
            return [[value_at(stored.body, self.resource.detail)]]

        return await self._ranges(stored, OCTETS, found)

    async def _ranges(
        self, stored: StoredInstance, kind: str, find: Callable[[], list[list[Range]]]
    ) -> Answer:
        try:
            parts = await anyio.to_thread.run_sync(find)
        except NotGiven as error:
            return problem(404, f"The instance cannot give that: {error}.")
        except MalformedMessage:
            return problem(404, "The instance cannot be read that far.")
        syntax = stored.transfer_syntax
        choice = _chosen(wanted_of(self.accept), kind, syntax, len(parts))
        if choice is None:
            return _not_acceptable(
                f"It is given as multipart/related with parts of {kind} in transfer syntax {syntax}."
            )
        if not choice.multipart:
            return Answer(200, kind=_typed(kind, syntax), pieces=_joined(stored, parts[0]))
        boundary = uuid4().hex
        return Answer(
            200, kind=_related(kind, boundary), pieces=_parts(stored, parts, boundary, _typed(kind, syntax))
        )


def _chosen(wanted: Sequence[Wanted], kind: str, syntax: str, parts: int) -> Wanted | None:
    return next(
        (each for each in wanted if each.takes(kind, syntax) and (each.multipart or parts == 1)), None
    )


async def _joined(stored: StoredInstance, ranges: Sequence[Range]) -> AsyncGenerator[bytes]:
    for start, stop in ranges:
        async for piece in pieces_of(stored.body, start, stop):
            yield piece


async def _parts(
    stored: StoredInstance, parts: Sequence[Sequence[Range]], boundary: str, content_type: str
) -> AsyncGenerator[bytes]:
    for ranges in parts:
        yield part_head(boundary, content_type)
        async for piece in _joined(stored, ranges):
            yield piece
        yield b"\r\n"
    yield last_delimiter(boundary)


def _model(stored: StoredInstance, location: str) -> dict[str, Any]:
    """Return the metadata of an instance: what is large has a URL instead of a value; blocks on the disk.

    Of one that cannot be read to its pixel data it is what the store searches by.
    """
    try:
        return _whole_model(stored, location)
    except MalformedMessage:
        return dict(stored.attributes)


def _whole_model(stored: StoredInstance, location: str) -> dict[str, Any]:
    instance = opened(stored.body)
    head: Dataset = dataset_of(instance, before=FIRST_BULK)

    def bulk(element: DataElement) -> str | None:
        outermost = element.tag in head and head[element.tag] is element
        return (
            f"{location}/bulkdata/{element.tag:08X}"
            if outermost and len(element.value or b"") > _INLINE
            else None
        )

    model = to_json(head, bulk=bulk)
    for element in instance.all():
        tag = f"{element.tag:08X}"
        if (
            tag not in model and element.tag & 0xFFFF
        ):  # pixel data, and what is too long to be read into memory
            model[tag] = {"vr": element.vr or "UN", "BulkDataURI": f"{location}/bulkdata/{tag}"}
    return dict(sorted(model.items()))


def _typed(kind: str, syntax: str) -> str:
    return f"{kind}; transfer-syntax={syntax}"


def _related(kind: str, boundary: str) -> str:
    return f'multipart/related; type="{kind}"; boundary={boundary}'


def _not_acceptable(detail: str) -> Answer:
    return problem(406, detail)
