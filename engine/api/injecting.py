"""Hands content to a route's door as if it had been received there: for a person at a terminal, and for tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from engine.api.views import View
from engine.clock import Clock
from engine.config.loaded import Loaded
from engine.errors import NotFound
from engine.model import Body, Message, Peer, Verdict
from engine.runtime.intake import Reception

_CONTENT_TYPES = {
    ".json": "application/json",
    ".txt": "text/plain",
    ".hl7": "text/plain",
    ".xml": "application/xml",
}
_CODECS = {"application/json": "json", "application/cloudevents+json": "json", "text/plain": "text"}


@dataclass(frozen=True, slots=True)
class Plain:
    """An exchange whose replies are JSON: disposition, id and faults."""

    def reply(self, verdict: Verdict) -> bytes:
        """Render the verdict."""
        faults = [{"path": fault.path, "text": fault.text, "code": fault.code} for fault in verdict.faults]
        return json.dumps(
            {"disposition": verdict.disposition.word, "id": verdict.message_id, "faults": faults}
        ).encode()


class Injector:
    """Puts content in at the first door of a route."""

    def __init__(
        self, reception: Reception, loaded: Callable[[], Loaded], clock: Clock, new_id: Callable[[], str]
    ) -> None:
        self._reception = reception
        self._loaded = loaded
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, route: str, content: bytes, content_type: str, file: str, actor: str) -> View:
        """Return what became of it, as its sender would have been told.

        Raises:
            NotFound: there is no such route.
            Transient: the store cannot take it now.
        """
        found = self._loaded().route(route)
        if found is None:
            raise NotFound(f"there is no route {route!r}")
        if not found.config.doors:
            raise NotFound(f"the route {route!r} has no door: only other routes hand on to it")
        door = found.config.doors[0]
        listener = self._loaded().app.listen[door.listener]
        content_type = content_type or _CONTENT_TYPES.get(PurePath(file).suffix, "application/json")
        message = Message(
            id=self._new_id(),
            listener=door.listener,
            body=Body.of(content, content_type),
            codec=listener.codec or _CODECS.get(content_type, "json"),
            received_ms=self._clock.now_ms(),
            selector=door.selector,
            partner=listener.partner,
            peer=Peer(f"inject by {actor}"),
            content_type=content_type,
            meta={"file": PurePath(file).name} if file else {},
        )
        intake = self._reception.intake(door.listener)
        with intake.admit(message.partner, len(content), door.selector):
            receipt = await intake(message, Plain())
        view: View = {"disposition": receipt.disposition.word, "id": receipt.message_id}
        try:
            view["faults"] = json.loads(receipt.reply).get("faults", [])
        except ValueError:
            view["faults"] = []  # a duplicate of what came through the channel: its reply is the channel's
        return view
