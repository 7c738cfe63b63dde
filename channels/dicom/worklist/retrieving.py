"""Modality Performed Procedure Step Retrieve SCP: a step is shown as the modality that performs it described it.

Source: DICOM PS3.4 F.8 (Modality Performed Procedure Step Retrieve SOP Class), F.8.2.1 (N-GET); PS3.7 10.1.2.
"""

from __future__ import annotations

from functools import partial
from struct import iter_unpack
from types import MappingProxyType
from typing import Final

from channels._dicom.commands import N_GET_RQ, is_uid
from channels.dicom.requests import Request
from channels.dicom.services import Service, Talk
from channels.dicom.worklist.performing import NO_SUCH_INSTANCE, OUT_OF_RESOURCES, SUCCESS
from engine.codecs.dicom.encoding import encode
from engine.codecs.dicom.json_model import from_json
from engine.errors import Transient
from engine.spi import Access, ChannelContext, Worklists

PERFORMED_STEP_RETRIEVE: Final = "1.2.840.10008.3.1.2.3.4"
_ATTRIBUTES: Final = 0x1005
"""Attribute Identifier List: two 16-bit numbers for each tag, little endian; none asks for all."""

_NOT_ALL: Final = 0x0001
"""Requested optional Attributes are not supported: what there is comes with it."""

_CHARACTER_SET: Final = 0x00080005


class PerformedStepRetrieval(Service):
    """Shows what is performed of one worklist; who is shown it stands in the journal."""

    classes = MappingProxyType({PERFORMED_STEP_RETRIEVE: frozenset({N_GET_RQ})})

    def __init__(self, worklist: str, context: ChannelContext) -> None:
        assert context.worklists is not None
        self._worklist = worklist
        self._worklists: Worklists = context.worklists
        self._context = context

    def serve(self, request: Request, talk: Talk) -> None:
        """Answer one request."""
        uid = request.command.sop_instance
        try:
            found = talk.run(partial(self._worklists.performed, self._worklist, uid)) if is_uid(uid) else None
        except (Transient, TimeoutError):
            talk.respond(OUT_OF_RESOURCES, comment="come again later")
            return
        if found is None:
            talk.respond(NO_SUCH_INSTANCE, comment="there is no performed step of this UID")
            return
        step = from_json(found.attributes)
        tags = request.command.elements.get(_ATTRIBUTES, b"")
        wanted = {group << 16 | number for group, number in iter_unpack("<HH", tags[: len(tags) & ~3])}
        if wanted:
            for element in list(step):
                if element.tag not in wanted and element.tag != _CHARACTER_SET:
                    del step[element.tag]
        missing = wanted - {int(element.tag) for element in step} - {_CHARACTER_SET}
        talk.run(partial(self._journalled, talk))
        talk.respond(_NOT_ALL if missing else SUCCESS, encode(step, request.transfer_syntax))

    async def _journalled(self, talk: Talk) -> None:
        actor = f"partner:{talk.partner or '?'}"
        await self._context.accessed(Access("worklist-shown", actor, f"{talk.calling}: {self._worklist}"))
