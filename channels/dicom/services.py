"""Services of a listener beside verification and storage: what each of them is given, and which ones are switched on.

A service is a room of its own; it adds its key to `listener.DicomListener` and its line to `services_of`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from channels.dicom.listener import DicomListener
from channels.dicom.requests import EventReport, Line, Request, Response
from engine.model import Body, Message, Peer, Receipt
from engine.spi import ChannelContext, Exchange

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Draft:
    """What becomes a message: its body, how it is read, by which door it comes, and what it is called."""

    body: Body
    codec: str
    selector: str = ""
    control_id: str = ""


class Caller(Protocol):
    """Who sent a request, and the engine behind the listener."""

    @property
    def partner(self) -> str | None:
        """The partner that certificate and AE title agree on, None where nobody is known."""

    @property
    def calling(self) -> str: ...

    @property
    def called(self) -> str: ...

    @property
    def peer(self) -> Peer: ...

    def run(self, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await on the engine's event loop; raises what it raises, TimeoutError where the loop is gone."""

    def message(self, draft: Draft) -> Message:
        """Return a message of this listener, with its id, sender and AE titles."""

    async def hand_in(self, message: Message, exchange: Exchange) -> Receipt:
        """Hand a message to the engine: durable on return. Raises as `Intake` does."""


class Talk:
    """One request on one association, as a service sees it; every method is called in the association's own thread."""

    def __init__(self, caller: Caller, line: Line) -> None:
        self._caller = caller
        self._line = line
        self.answered = False

    @property
    def partner(self) -> str | None:
        return self._caller.partner

    @property
    def calling(self) -> str:
        """AE title of who asks."""
        return self._caller.calling

    @property
    def called(self) -> str:
        return self._caller.called

    @property
    def peer(self) -> Peer:
        return self._caller.peer

    def cancelled(self) -> bool:
        """Tell whether nobody waits for more: a C-CANCEL came, or the association has ended."""
        return self._line.cancelled()

    def respond(
        self,
        status: int,
        data: bytes = b"",
        *,
        comment: str = "",
        elements: Mapping[int, bytes] = MappingProxyType({}),
    ) -> None:
        """Send a response; see `requests.Line`."""
        response = Response(status, data, comment, elements)
        self._line.respond(response)
        self.answered = response.is_last

    def report(
        self, sop_class: str, sop_instance: str, event_type: int, data: bytes, *, seconds: float
    ) -> int | None:
        """Send an N-EVENT-REPORT once the request is answered; see `requests.Line`."""
        return self._line.report(EventReport(sop_class, sop_instance, event_type, data), seconds=seconds)

    def run(self, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await on the engine's event loop; raises what it raises."""
        return self._caller.run(question)

    def message(self, body: Body, *, codec: str, selector: str = "", control_id: str = "") -> Message:
        """Return a message of this listener, with its id, sender and AE titles."""
        return self._caller.message(Draft(body, codec, selector, control_id))

    async def hand_in(self, message: Message, exchange: Exchange) -> Receipt:
        """Hand a message to the engine, on its loop: durable on return. Raises as `Intake` does."""
        return await self._caller.hand_in(message, exchange)


class Service(ABC):
    """One DIMSE service of one listener, shared by its associations."""

    classes: Mapping[str, frozenset[int]]
    """SOP classes that it serves, and the command fields of each."""

    @abstractmethod
    def serve(self, request: Request, talk: Talk) -> None:
        """Answer a request, in the thread of its association; may block.

        An error that is raised before the answer becomes status 0110 (processing failure).
        """

    async def run(self) -> None:
        """Work on the event loop beside the listener, until cancelled or until there is nothing more to do."""


def services_of(config: DicomListener, context: ChannelContext) -> tuple[Service, ...]:
    """Return the services that a listener's configuration switches on."""
    from channels.dicom.commitment.provider import Committing
    from channels.dicom.commitment.reports import CommitmentReports
    from channels.dicom.relaying import Relay
    from channels.dicom.worklist.performing import PerformedSteps  # rooms that know this one
    from channels.dicom.worklist.retrieving import PerformedStepRetrieval
    from channels.dicom.worklist.scheduling import ModalityWorklist

    services: list[Service] = []
    if config.confirmations:
        services.append(CommitmentReports(context))
    if config.commitment is not None:
        services.append(Committing(config.commitment, context))
    if config.worklist is not None:
        services.append(ModalityWorklist(config.worklist, config.stations, context))
    if config.worklist is not None and config.mpps:
        services.append(PerformedSteps(config.worklist, context))
        services.append(PerformedStepRetrieval(config.worklist, context))
    if config.relay is not None:
        services.append(Relay(config.relay, context))
    return tuple(services)


def classes_of(services: tuple[Service, ...]) -> dict[str, frozenset[int]]:
    """Return every SOP class that is served, and its requests."""
    found: dict[str, frozenset[int]] = {}
    for service in services:
        for sop_class, fields in service.classes.items():
            found[sop_class] = found.get(sop_class, frozenset()) | fields
    return found


def service_for(services: tuple[Service, ...], request: Request) -> Service | None:
    """Return who serves a request."""
    return next(
        (
            service
            for service in services
            if request.command.field in service.classes.get(request.abstract_syntax, ())
        ),
        None,
    )
