"""Composes the mail of one attempt; the same attempt again gives the same Message-ID.

Source: RFC 5322 3.6 (headers), RFC 3834 5 (Auto-Submitted).
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from engine.errors import Rejected
from engine.model import Attempt, Fault

_ATOM = re.compile(r"[^A-Za-z0-9._-]")
_KEYS = ("subject", "text")


def compose(
    attempt: Attempt, content: bytes, *, sender: str, recipient: str, subject: str, now_ms: int
) -> bytes:
    """Return the mail as bytes with CRLF; `subject` is for a body that brings none.

    Raises:
        Rejected: the body is no notice.
    """
    found, text = _notice(attempt.content_type, content, subject)
    message = EmailMessage(policy=SMTP)
    message["Message-ID"] = message_id(attempt.message_id, sender)
    message["Date"] = format_datetime(datetime.fromtimestamp(now_ms / 1000, UTC))
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = " ".join(found.split())
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, charset="utf-8", cte="quoted-printable")
    return message.as_bytes()


def message_id(identifier: str, sender: str) -> str:
    """Return the Message-ID of a message, at the domain of its sender; different ids stay different."""
    local = _ATOM.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), identifier)
    return f"<{local}@{sender.rpartition('@')[2]}>"


def _notice(content_type: str, content: bytes, subject: str) -> tuple[str, str]:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise _no_notice("", "it is not UTF-8") from None
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return subject, text
    try:
        found = json.loads(text)
    except ValueError:
        raise _no_notice("", "it is not JSON") from None
    if not isinstance(found, dict):
        raise _no_notice("", "it is not an object")
    for key in found.keys() - set(_KEYS):
        raise _no_notice(key, "a notice has subject and text, nothing else")
    for key in _KEYS:
        if not isinstance(found.get(key), str) or not found[key].strip():
            raise _no_notice(key, "a notice needs this text")
    return found["subject"], found["text"]


def _no_notice(path: str, told: str) -> Rejected:
    return Rejected(f"the body is no notice: {told}", faults=(Fault(path, told, "notice"),), code="notice")
