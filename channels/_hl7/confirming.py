"""Application acknowledgements that come later: told apart from answers, and handed to whoever waits for them.

Source: HL7 v2.5.1 2.9.3 (enhanced mode); 2.15.8 (MSA).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from channels._hl7.judgement import refusal
from engine.codecs.hl7v2.answers import Ack, read_ack
from engine.errors import MalformedMessage
from engine.model import Confirmation, Reply

Confirm = Callable[[Confirmation], Awaitable[bool]]

_SEGMENTS: Final = frozenset({b"MSH", b"MSA", b"ERR", b"SFT", b"UAC", b""})


def is_acknowledgement(data: bytes) -> bool:
    """Tell whether a message is a general acknowledgement and nothing more: MSH, SFT, UAC, MSA, ERR."""
    names = {line[:3] for line in data.replace(b"\n", b"\r").split(b"\r")}
    return b"MSA" in names and names <= _SEGMENTS


async def confirmed(confirm: Confirm, data: bytes, *, partner: str | None, charset: str) -> bool:
    """Hand in an acknowledgement that came as a message of its own; tell whether somebody waited for it.

    Raises:
        Transient, CommitUnknown: what it says could not be stored.
    """
    try:
        ack = read_ack(data, charset)
    except MalformedMessage:
        return False
    if ack.code not in ("AA", "AE", "AR"):
        return False
    return await confirm(confirmation_of(ack, data, partner=partner))


def confirmation_of(ack: Ack, data: bytes, *, partner: str | None = None, endpoint: str = "") -> Confirmation:
    """Return an application acknowledgement as the engine takes it."""
    reply = Reply(ack.code, data)
    return Confirmation(
        reference=reference(ack),
        reply=reply,
        partner=partner,
        endpoint=endpoint,
        refusal=refusal(ack, reply),
    )


def reference(ack: Ack) -> str:
    """Return MSA-2 as text."""
    return ack.header.marks.read(ack.control_id)
