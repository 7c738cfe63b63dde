"""Modality Worklist SCP: answers C-FIND from a stored worklist, a page at a time, until the last or a cancellation.

Source: DICOM PS3.4 K (Basic Worklist Management), K.4.1.1.4 (statuses), table K.6-1 (attributes and their matching).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from struct import pack
from types import MappingProxyType
from typing import Final

from channels._dicom.commands import C_FIND_RQ
from channels.dicom.requests import Request
from channels.dicom.services import Service, Talk
from channels.dicom.worklist.answers import Writer
from channels.dicom.worklist.queries import Query
from engine.codecs.dicom.encoding import decode
from engine.errors import Rejected, Transient
from engine.spi import Access, ChannelContext, Narrow, Page, Worklists

MODALITY_WORKLIST: Final = "1.2.840.10008.5.1.4.31"
SUCCESS: Final = 0x0000
CANCELLED: Final = 0xFE00
OUT_OF_RESOURCES: Final = 0xA700
NO_IDENTIFIER: Final = 0xA900
_OFFENDING = 0x0901
_FIRST_PAGE, _PAGE = 50, 500
"""Steps that are read at once: few at first, so that the first answer is soon there."""


class ModalityWorklist(Service):
    """Answers from one worklist; `stations` limits what an AE title may see to the steps of certain stations."""

    classes = MappingProxyType({MODALITY_WORKLIST: frozenset({C_FIND_RQ})})

    def __init__(
        self, worklist: str, stations: Mapping[str, tuple[str, ...]], context: ChannelContext
    ) -> None:
        assert context.worklists is not None
        self._worklist = worklist
        self._stations = stations
        self._worklists: Worklists = context.worklists
        self._context = context

    def serve(self, request: Request, talk: Talk) -> None:
        """Answer one query."""
        try:
            identifier = decode(request.data, request.transfer_syntax)
            query = Query(identifier, self._stations.get(talk.calling))
        except Rejected as error:
            self._count("query_refused")
            talk.respond(NO_IDENTIFIER, comment=str(error), elements=_offending(error))
            return
        self._count("query")
        try:
            self._answer(query, Writer(request.transfer_syntax), talk)
        except (Transient, TimeoutError):
            talk.respond(OUT_OF_RESOURCES, comment="come again later")

    def _answer(self, query: Query, answers: Writer, talk: Talk) -> None:
        if query.judges and (any_step := talk.run(partial(self._page, Narrow(), "", most=1)).steps):
            query.known_by(json.loads(any_step[0]))
        shown = False
        for page in self._pages(query.narrow(), talk):
            for text in page:
                if talk.cancelled():
                    talk.respond(CANCELLED)
                    return
                found = query.answer(json.loads(text))
                if found is None:
                    continue
                if not shown:
                    talk.run(partial(self._journalled, talk))
                    shown = True
                talk.respond(query.pending, answers.write(found))
        talk.respond(CANCELLED if talk.cancelled() else SUCCESS)

    def _pages(self, narrow: Narrow, talk: Talk) -> Iterator[Sequence[str]]:
        after, most = "", _FIRST_PAGE
        while True:
            page = talk.run(partial(self._page, narrow, after, most=most))
            yield page.steps
            if not page.following:
                return
            after, most = page.following, _PAGE

    async def _journalled(self, talk: Talk) -> None:
        """Let the journal say who is shown which worklist, before anything is."""
        actor = f"partner:{talk.partner or '?'}"
        await self._context.accessed(Access("worklist-shown", actor, f"{talk.calling}: {self._worklist}"))

    async def _page(self, narrow: Narrow, after: str, *, most: int) -> Page:
        return await self._worklists.page(self._worklist, narrow, limit=most, after=after)

    def _count(self, event: str) -> None:
        self._context.counters.count("channel_events", channel=self._context.name, event=event)


def _offending(error: Rejected) -> dict[int, bytes]:
    """Return the tag at fault as Offending Element (0000,0901)."""
    path = error.faults[0].path if error.faults else ""
    if len(path) != 8:
        return {}
    return {_OFFENDING: pack("<HH", int(path[:4], 16), int(path[4:], 16))}
