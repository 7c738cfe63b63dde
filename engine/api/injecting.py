"""Hands content to a route's door as if it had been received there: for a person at a terminal, and for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath

from engine.api.views import View
from engine.clock import Clock
from engine.config.loaded import Loaded
from engine.config.suggest import hint
from engine.errors import NotFound
from engine.model import Fault, Peer, Verdict
from engine.runtime.receiving.standing_in import message_at, reader_at
from engine.spi import Intake


class Heard:
    """An exchange with nobody at its other end: it keeps what is wrong, and has no bytes to reply.

    So the store keeps no reply either, and a copy that comes through the channel is answered in the channel's words.
    """

    def __init__(self) -> None:
        self.faults: Sequence[Fault] = ()

    def reply(self, verdict: Verdict) -> bytes:
        """Keep the faults of the verdict."""
        self.faults = verdict.faults
        return b""


class Injector:
    """Puts content in at the first door of a route; `intake_of` gives the intake of a listener."""

    def __init__(
        self,
        intake_of: Callable[[str], Intake],
        loaded: Callable[[], Loaded],
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._intake_of = intake_of
        self._loaded = loaded
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, route: str, content: bytes, content_type: str, file: str, actor: str) -> View:
        """Return what became of it, as its sender would have been told; `file` is what its content is called, or "".

        Raises:
            NotFound: there is no such route, or it has no door.
            Transient: the store cannot take it now.
        """
        found = self._loaded().route(route)
        if found is None:
            known = [each.name for each in self._loaded().routes]
            raise NotFound(f'there is no route "{route}"; {hint(route, known)}')
        if not found.config.doors:
            raise NotFound(f'the route "{route}" has no door: only other routes hand on to it')
        door = found.config.doors[0]
        listener = self._loaded().app.listen[door.listener]
        message = message_at(
            listener,
            door,
            content,
            reader=reader_at(listener, door, file, content_type),
            id=self._new_id(),
            now_ms=self._clock.now_ms(),
            file=PurePath(file).name,
            content_type=content_type,
            peer=Peer(f"inject by {actor}"),
        )
        intake, heard = self._intake_of(door.listener), Heard()
        with intake.admit(message.partner, len(content), door.selector):
            receipt = await intake(message, heard)
        faults = [{"path": fault.path, "text": fault.text, "code": fault.code} for fault in heard.faults]
        return {"disposition": receipt.disposition.word, "id": receipt.message_id, "faults": faults}
