"""Brings a message through a route without an engine: from bytes to deliveries; nothing is stored, nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.cli.changes import Picture
from engine.cli.watching import Note, Watch, watched
from engine.clock import Clock
from engine.codecs import codec
from engine.config.loaded import Loaded
from engine.config.route import Door
from engine.config.suggest import hint
from engine.errors import NotFound, Rejected
from engine.ids import IdSource
from engine.model import Fault, Message, Peer
from engine.runtime.compiling.assembling import assemble
from engine.runtime.receiving.standing_in import message_at, reader_at
from engine.runtime.routing.accept import kind_of, unmatched
from engine.runtime.routing.opening import opening
from engine.runtime.routing.paper import Parts
from engine.runtime.routing.program import Program, Rejection, Routed, Setting
from engine.runtime.routing.structure import Structures
from engine.spi import Document, Scope
from engine.steps.validate import STRUCTURES, VALIDATED


@dataclass(slots=True)
class Explained:
    """What one message became.

    `taken` says that the route's `accept` fits. `refused` holds what is at fault where it is, `rejection` what the
    route does then. `lane` and `also` are its ordering keys, `keys` what it is found by. `memory` says that the route
    may read what partners' answers taught, which nobody knows here.
    """

    kind: str = ""
    codec: str = ""
    received: Picture | None = None
    taken: bool = False
    refused: Sequence[Fault] = ()
    rejection: Rejection = field(default_factory=Rejection)
    stored: bool = False
    waits: bool = False
    memory: bool = False
    lane: str = ""
    also: Sequence[str] = ()
    keys: Sequence[tuple[str, str]] = ()
    notes: Sequence[Note] = ()
    routed: Routed | None = None


class Rehearsal:
    """One configuration, ready to explain messages; ConfigurationError where it does not compile."""

    def __init__(self, loaded: Loaded, clock: Clock) -> None:
        self.loaded = loaded
        self.clock = clock
        self._assembled = assemble(loaded)
        self._ids = IdSource(clock)

    def door(self, route: str, listener: str | None) -> Door:
        """Return the door of a route at a listener, its first where none is named.

        Raises:
            NotFound: there is no such route, or it has no such door.
        """
        found = self.loaded.route(route)
        if found is None:
            known = [each.name for each in self.loaded.routes]
            raise NotFound(f'there is no route "{route}"; {hint(route, known)}')
        doors = [door for door in found.config.doors if listener in (None, door.listener)]
        if not doors:
            at = f"at {listener}" if listener else "of its own: explain one that hands on to it"
            raise NotFound(f"the route {route!r} has no door {at}")
        return doors[0]

    def reader(self, door: Door, file: Path) -> str:
        """Return the codec that reads a file's messages at a door."""
        return reader_at(self.loaded.app.listen[door.listener], door, file.name)

    def explain(self, route: str, door: Door, content: bytes, reader: str, file: str) -> Explained:
        """Return what a message becomes; never raises for what is in it."""
        listener = self.loaded.app.listen[door.listener]
        message = message_at(
            listener,
            door,
            content,
            reader=reader,
            id=self._ids.next(),
            now_ms=self.clock.now_ms(),
            file=file,
            peer=Peer("explain"),
        )
        found = Explained(codec=reader)
        try:
            document = codec(reader).decode(message)
            found.kind, found.received = kind_of(document), Picture.of(document)
            program = self._assembled.board.routes[route].program(reader)
            if program is None:
                raise Rejected(f"the route reads no {reader} messages", code="content_type")
            self._route(program, document, message, found)
        except Rejected as error:
            found.refused = error.faults or (Fault("", str(error), error.code),)
        return found

    def _route(self, program: Program, document: Document, message: Message, found: Explained) -> None:
        found.rejection, found.stored = program.rejection, program.stored
        found.waits, found.memory = program.answering is not None, self._assembled.board.remembers
        if not program.accept.takes(document):
            raise unmatched([program.accept], document)
        found.taken = True
        program.accept.check(document)
        if program.by_standard:
            message = asyncio.run(_judged(message, document))
        watch = Watch()
        found.notes = watch.notes
        scope = self._scope(message, document)
        found.lane, found.also = program.lanes(scope) if program.order_by else ("", ())
        found.keys = program.business_keys(scope)
        setting = Setting(Parts(self._ids.next))
        found.routed = watched(program, self.loaded, watch).route(
            document, self._scope(message, document), message, setting
        )

    def _scope(self, message: Message, document: Document) -> Scope:
        now_ms = self.clock.now_ms()
        return opening(message, document, self._assembled.board, now_ms=now_ms, new_id=self._ids.next)


async def _judged(message: Message, document: Document) -> Message:
    """Return a message that meets its standard, and says so; Rejected."""
    await Structures().check(document.root)
    return replace(message, meta={**message.meta, VALIDATED: STRUCTURES})
