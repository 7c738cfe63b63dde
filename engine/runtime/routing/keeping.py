"""What is kept beside a message so that it can be routed again as if it had just arrived.

Header names of the engine's own begin with a colon, which no protocol's header does (RFC 9110 5.6.2).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from engine.model import Body, Message, Peer
from engine.store.protocol import MessageRow

_SELECTOR = ":selector"
_META = ":meta"
_PEER = ":peer"


def kept_headers(message: Message) -> Mapping[str, str]:
    """Return the message's headers, with its selector, the channel's own facts and the peer's address beside them."""
    kept = dict(message.headers)
    if message.selector:
        kept[_SELECTOR] = message.selector
    if message.meta:
        kept[_META] = _written(message.meta)
    if message.peer is not None:
        kept[_PEER] = message.peer.address
    return kept


_WRITTEN_MAX = 256
_known: dict[int, tuple[Mapping[str, object], str]] = {}
"""Facts that were written last: a channel says the same of most messages of a connection, in the same object."""


def _written(meta: Mapping[str, object]) -> str:
    if type(meta) is not MappingProxyType:  # made for this message alone
        return json.dumps(dict(meta), ensure_ascii=False, default=str)
    found = _known.get(id(meta))
    if found is not None and found[0] is meta:
        return found[1]
    text = json.dumps(dict(meta), ensure_ascii=False, default=str)
    if len(_known) >= _WRITTEN_MAX:
        _known.clear()
    _known[id(meta)] = (meta, text)
    return text


def kept_message(row: MessageRow, raw: Body, kept: Mapping[str, str]) -> Message:
    """Return a message from its row, its bytes and what `kept_headers` gave; the certificate is not kept."""
    return Message(
        id=row.id,
        listener=row.listener,
        body=raw,
        codec=row.codec,
        received_ms=row.received_ms,
        selector=kept.get(_SELECTOR, ""),
        partner=row.partner or None,
        control_id=row.control_id,
        peer=Peer(kept[_PEER]) if _PEER in kept else None,
        content_type=raw.content_type,
        headers={name: value for name, value in kept.items() if not name.startswith(":")},
        meta=json.loads(kept.get(_META, "{}")),
        replay_of=row.replay_of or None,
    )
