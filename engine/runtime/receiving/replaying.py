"""Sends a study that the store holds to any endpoint: each instance is a message of its own, and insisted on.

The bytes are the stored ones, and are kept once: the new message's file is another name of the old one's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from engine.clock import Clock
from engine.errors import NotFound, Rejected
from engine.model import Disposition, Hop, Message
from engine.store.protocol import Acceptance, Accepted, InstanceRow, NewDelivery, Store

REPLAY = "replay:"
"""Begins the route of a study that is sent again: its endpoint follows."""

CODEC = "dicom"
_CONTENT_TYPE = "application/dicom"


@dataclass(frozen=True, slots=True)
class Replayed:
    """One page of a study: ids of the new messages, and where the next page begins, None after the last."""

    messages: tuple[str, ...]
    following: int | None


class Replayer:
    """Puts the instances of a study on the way to an endpoint; `phi_of` says what an endpoint may carry."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        new_id: Callable[[], str],
        offer: Callable[[Accepted], None],
        phi_of: Callable[[str], str | None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._offer = offer
        self._phi_of = phi_of

    async def __call__(self, study: str, endpoint: str, *, offset: int, limit: int) -> Replayed:
        """Send instances `offset` to `offset + limit` of a study, in the order in which they came.

        Raises:
            NotFound: there is no such endpoint, or the store holds nothing of the study.
            Rejected: the endpoint may not be given personal health information in full.
            Transient: the store cannot take it now; what was put on the way stays so.
        """
        phi = self._phi_of(endpoint)
        if phi is None:
            raise NotFound(f"there is no endpoint {endpoint}")
        if phi != "full":
            raise Rejected(f"{endpoint} is not `phi: full`: images are personal in full", code="phi")
        rows = await self._store.instances.held("study", [study], limit=limit + 1, offset=offset)
        if not rows and not offset:
            raise NotFound(f"the store holds no instance of the study {study}")
        sent = [await self._send(row, study, endpoint) for row in rows[:limit]]
        return Replayed(tuple(sent), offset + limit if len(rows) > limit else None)

    async def _send(self, row: InstanceRow, study: str, endpoint: str) -> str:
        assert row.body is not None, "it was asked for"
        now_ms = self._clock.now_ms()
        message = Message(
            id=self._new_id(),
            listener=row.listener,
            body=row.body,
            codec=CODEC,
            received_ms=now_ms,
            partner=row.partner or None,
            control_id=row.attributes["00080018"]["Value"][0],
            content_type=_CONTENT_TYPE,
            meta=dict(_meta(row)),
            replay_of=row.message_id,
        )
        duty = NewDelivery(
            route=REPLAY + endpoint,
            route_version="",
            destination=endpoint,
            chain=(Hop(endpoint, "raw"),),
            lane=f"replay/{study}",
            due_ms=now_ms,
        )
        accepted = await self._store.accept(
            Acceptance(message, Disposition.ACCEPTED, b"", (duty,), keys=[("study", study)])
        )
        self._offer(accepted)
        return message.id


def _meta(row: InstanceRow) -> Iterator[tuple[str, object]]:
    for name, tag in (("transfer_syntax", "00083002"), ("sop_class", "00080016")):
        values = row.attributes.get(tag, {}).get("Value")
        if values:
            yield name, values[0]
