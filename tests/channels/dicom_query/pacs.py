"""A scripted archive that is searched over real sockets; it behaves as the contract suite tells it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from channels._dicom.commands import C_FIND_RQ, Command, response_to
from engine.codecs.dicom.encoding import decode
from engine.testing.channels import Arrival, Behaviour
from tests.channels.dicom.archive import CALLED, Archive, Connection, response
from tests.channels.dicom.pdus import DATA, pdu, value
from tests.channels.dicom_query.asked import endpoint


@dataclass(slots=True)
class Pacs(Archive):
    """Finds nothing, and says so; `asked` is what arrived."""

    config: Any = field(init=False)
    asked: list[Arrival] = field(default_factory=list)
    answered: list[Arrival] = field(default_factory=list)
    behaviour: Behaviour = Behaviour.ACCEPTS

    async def become(self, behaviour: Behaviour) -> None:
        await Archive.become(self, behaviour)
        self.behaviour = behaviour
        self.script.asked = self._find

    async def arrivals(self) -> Sequence[Arrival]:
        return list(self.asked)

    async def accepted(self) -> Sequence[Arrival]:
        return list(self.answered)

    def _find(self, connection: Connection, command: Command, data: bytes, context_id: int) -> bool:
        text = str(decode(data, connection.contexts[context_id][1]).PatientComments)
        arrival = Arrival(text.rpartition(" ")[2], text.encode())
        self.asked.append(arrival)
        if self.behaviour is Behaviour.DROPS:
            connection.cut()
        elif self.behaviour is not Behaviour.SILENT:
            if not self.script.status:
                self.answered.append(arrival)
            connection.transport.write(response(command, context_id, self.script.status, self.script.comment))
        return command.field == C_FIND_RQ


def pending(command: Command, context_id: int, data: bytes) -> bytes:
    """Return a match, as PDUs; its data set is what it is."""
    said = response_to(command, 0xFF00, has_data=True)
    head = pdu(DATA, value(said, command=True, last=True, number=context_id))
    return head + pdu(DATA, value(data, command=False, last=True, number=context_id))


@asynccontextmanager
async def pacs() -> AsyncIterator[Pacs]:
    """Run one until the end of the block."""
    made = Pacs()
    await made.open()
    await made.become(Behaviour.ACCEPTS)
    made.config = endpoint(made.port, ae_title=CALLED)
    try:
        yield made
    finally:
        await made.close()
