"""What a relay's reply means for a delivery.

Where the reply has an enhanced status (RFC 3463), its subject and detail decide; else the basic code (RFC 5321 4.2.3)
and the stage at which it was given. `mail` here covers all before the recipient.

| status | about | meaning |
|---|---|---|
| 4yz, 4.y.z | anything | Transient |
| x.1.z | the address | Permanent |
| x.2.z | the mailbox | Permanent; x.2.3, too long for it, Rejected |
| x.3.z | the relay | Permanent; x.3.4, too large for it, Rejected |
| x.4.z, x.5.z | routing, protocol | Permanent |
| x.6.z | content | Rejected |
| x.7.z | policy | Permanent; after DATA, where the content was seen, Rejected |
| 530 534 535 538 | login (RFC 4954 6) | Permanent |
| 550 551 553, 521 556 (RFC 7504) | recipient, sender, host | Permanent |
| 552 | to RCPT: too many recipients (RFC 5321 4.5.3.1.10), Transient; after DATA: too large, Rejected |
| 554 | after DATA: content, Rejected; before: Permanent |
| 500-504, 555 | commands, parameters | Permanent |
"""

from __future__ import annotations

import enum
import re

from engine.errors import PasserelleError, Permanent, Rejected, Transient
from engine.model import Reply

_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})\b", re.ASCII)
_LONGEST_EVIDENCE = 500
_ABOUT_CONTENT = {(2, 3), (3, 4)}
_CONTENT_CODES = (552, 554)


class Stage(enum.Enum):
    """How far the conversation came; the value completes "refused ..."."""

    CONNECT = "the connection"
    LOGIN = "the login"
    MAIL = "the sender"
    RECIPIENT = "the recipient"
    DATA = "the message"


def meaning(stage: Stage, code: int, text: str) -> PasserelleError:
    """Turn a negative reply into what must happen next; the text quotes the status, never the relay's own words."""
    enhanced = _ENHANCED.match(text)
    status = f"{code} {enhanced[0].strip()}" if enhanced else str(code)
    reply = Reply(str(code), text.encode("utf-8", "surrogateescape")[:_LONGEST_EVIDENCE])
    said = f"the relay refused {stage.value} ({status})"
    kind = _kind(stage, code, (int(enhanced[2]), int(enhanced[3])) if enhanced else None)
    if kind is Transient:
        return Transient(f"{said}: later", code=str(code), reply=reply)
    return kind(said, code=str(code), reply=reply)


def _kind(
    stage: Stage, code: int, enhanced: tuple[int, int] | None
) -> type[Transient] | type[Permanent] | type[Rejected]:
    if code < 500 or (stage is Stage.RECIPIENT and code == 552 and enhanced is None):
        return Transient
    if enhanced is not None:
        subject = enhanced[0]
        content = subject == 6 or enhanced in _ABOUT_CONTENT or (subject == 7 and stage is Stage.DATA)
        return Rejected if content else Permanent
    return Rejected if stage is Stage.DATA and code in _CONTENT_CODES else Permanent
