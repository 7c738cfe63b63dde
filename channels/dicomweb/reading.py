"""Who may read what the store holds, and the journal's record of who was given what, before it is given.

Source: DICOM PS3.15 A.5.3 (audit: instances accessed, query).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from channels._http.replies import Answer, problem
from channels._http.request import Request
from channels.dicomweb.accepting import takes_json
from channels.dicomweb.listener import DicomWebListener
from channels.dicomweb.resources import Resource
from channels.dicomweb.retrieving import Retrieval
from channels.dicomweb.searching import BadSearch, Search, refused, results, search_of
from engine.errors import Rejected
from engine.spi import Access, ChannelContext

_ROW: Final = 100
"""Messages that one row of the journal names."""


class Reading:
    """The reading half of a listener."""

    def __init__(self, config: DicomWebListener, context: ChannelContext) -> None:
        self._config = config
        self._context = context

    def refusal(self, partner: str | None) -> Answer | None:
        """Return why a partner may not read here, None where it may."""
        if partner is not None and partner in self._config.read:
            return None
        return problem(403, "Nothing is shown to this caller here.")

    async def answer(self, request: Request, resource: Resource, base: str) -> Answer:
        """Search, or fetch.

        Raises:
            Transient: the store or the journal is away; nothing is shown.
        """
        accept = request.text(b"accept")
        actor = f"partner:{request.partner}"
        if resource.act.is_search:
            return await self._search(resource, request.url, accept, actor, base)
        most = self._config.limits.instances
        given = await Retrieval(self._context.images, resource, accept, base, most).answer()
        await self._journal_given(given.messages, resource, actor)
        return given.answer

    async def _search(self, resource: Resource, url: bytes, accept: str, actor: str, base: str) -> Answer:
        if not takes_json(accept):
            return problem(406, "Results are given as application/dicom+json.")
        try:
            query = url.partition(b"#")[0].partition(b"?")[2]
            search = search_of(resource, query, most=self._config.limits.results)
            found = await self._context.images.find(
                search.level, search.match, limit=search.limit + 1, offset=search.offset
            )
        except (BadSearch, Rejected) as error:
            return refused(error)
        shown = found[: search.limit]
        await self._context.accessed(Access("images-searched", actor, self._searched(search, len(shown))))
        return results(shown, search, base=base, more=len(found) > len(shown))

    def _searched(self, search: Search, count: int) -> str:
        """Say what was searched by, never for what: names and numbers of patients stay out of the journal."""
        keys = ",".join(sorted(search.match)) or "-"
        return f"{self._context.name} {search.level} by {keys}: {count} found"

    async def _journal_given(self, messages: Sequence[str], resource: Resource, actor: str) -> None:
        what = f"{self._context.name} {resource.act.name.lower()}"
        for at in range(0, len(messages), _ROW):
            named = " ".join(messages[at : at + _ROW])
            await self._context.accessed(Access("images-read", actor, f"{what} {named}"))
