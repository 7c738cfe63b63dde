"""A query of a caller's, answered by an archive: C-FIND is asked on, its matches are given as they come.

Source: DICOM PS3.4 C.4.1 (C-FIND), PS3.7 9.3.2.3 (C-CANCEL).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Protocol

from channels._dicom.commands import C_FIND_RQ, number
from channels._dicom.dialling import dial
from channels._dicom.endpoint import DicomEndpoint
from channels._dicom.proposing import Proposal
from channels._dicom.querying import CANCELLED, FIND, IMPLICIT
from channels._dicom.requesting import PENDING, Requestor
from channels.dicom.requests import Request
from channels.dicom.services import Service, Talk
from engine.codecs.dicom.encoding import decode, encode
from engine.errors import MalformedMessage, NotFound, PasserelleError, Permanent, Transient
from engine.spi import Access, ChannelContext

_OUT_OF_RESOURCES: Final = 0xA700
_DOES_NOT_MATCH: Final = 0xA900
_UNABLE: Final = 0xC000
_CANCELLED_SECONDS: Final = 10.0
"""How long an archive may go on after it was told to stop; then the association is broken off."""


class _Callable(Protocol):
    """An endpoint that can be asked."""

    def callee(self) -> DicomEndpoint: ...


class Relay(Service):
    """Answers queries of both information models from one endpoint."""

    def __init__(self, endpoint: str, context: ChannelContext) -> None:
        self._endpoint = endpoint
        self._context = context
        self.classes: Mapping[str, frozenset[int]] = {
            sop_class: frozenset({C_FIND_RQ}) for sop_class in FIND.values()
        }

    def serve(self, request: Request, talk: Talk) -> None:
        """Ask the archive, and pass its answers on; the caller's C-CANCEL, too."""
        try:
            keys = self._keys(request)
            requestor = talk.run(partial(self._dial, request, self._access(talk, keys)))
        except MalformedMessage:
            talk.respond(_DOES_NOT_MATCH, comment="the identifier cannot be read")
            return
        except (Transient, TimeoutError):
            talk.respond(_OUT_OF_RESOURCES, comment="the archive cannot be asked now")
            return
        except (Permanent, NotFound):
            talk.respond(_UNABLE, comment="the archive does not take the question")
            return
        try:
            self._pass_on(request, talk, requestor)
        finally:
            requestor.close()

    async def _dial(self, request: Request, access: Access) -> Requestor:
        """Open an association, once the journal says who asks."""
        await self._context.accessed(access)
        config, context = self._context.reach(self._endpoint)
        callee = config if isinstance(config, DicomEndpoint) else self._callee_of(config)
        syntaxes = tuple(dict.fromkeys((request.transfer_syntax, IMPLICIT)))
        return await dial(callee, context, (Proposal(request.abstract_syntax, syntaxes),))

    def _callee_of(self, config: Any) -> DicomEndpoint:
        if not hasattr(config, "callee"):
            raise Permanent(f"{self._endpoint} is no DICOM endpoint", code="relay")
        asked: _Callable = config
        return asked.callee()

    def _pass_on(self, request: Request, talk: Talk, requestor: Requestor) -> None:
        config, _ = self._context.reach(self._endpoint)
        seconds = config.timeouts.reply.total_seconds()
        context = requestor.accepted[requestor.context_for(request.abstract_syntax)]
        data = _respelled(request.data, request.transfer_syntax, context.syntax)
        cancelled = False
        try:
            for answer in requestor.ask(
                C_FIND_RQ,
                request.abstract_syntax,
                data=data,
                syntax=context.syntax,
                elements={0x0700: request.command.elements.get(0x0700, number(0))},
                seconds=seconds,
            ):
                if answer.status not in PENDING:
                    talk.respond(CANCELLED if cancelled else answer.status, comment=answer.comment)
                    requestor.release()
                elif not cancelled and talk.cancelled():
                    cancelled = True
                    requestor.hurry(_CANCELLED_SECONDS)
                    requestor.cancel()
                elif not cancelled:
                    match = _respelled(answer.data, answer.syntax, request.transfer_syntax)
                    talk.respond(answer.status, match)
        except (PasserelleError, OSError):
            talk.respond(_OUT_OF_RESOURCES, comment="the archive did not answer to the end")

    # ------------------------------------------------------------- the journal

    def _keys(self, request: Request) -> str:
        """Return by what is searched, never for what."""
        identifier = decode(request.data, request.transfer_syntax)
        asked = sorted(
            element.keyword or str(element.tag)
            for element in identifier
            if element.VR != "SQ" and element.value
        )
        return ",".join(each for each in asked if each not in ("QueryRetrieveLevel", "SpecificCharacterSet"))

    def _access(self, talk: Talk, keys: str) -> Access:
        actor = f"partner:{talk.partner}" if talk.partner else "partner:unknown"
        return Access("images-searched", actor, f"{self._context.name} at {self._endpoint} by {keys or '-'}")


def _respelled(data: bytes, syntax: str, wanted: str) -> bytes:
    """Return a data set in another transfer syntax; as it is where it is the same. Rejected where it cannot be."""
    return data if syntax == wanted else encode(decode(data, syntax), wanted)
