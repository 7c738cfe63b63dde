"""STOW-RS, sending: what the partner's answer says of the instance that was sent.

Source: DICOM PS3.18 10.5.3 (response), annex I.2 (failure and warning reasons), F.2 (JSON model), PS3.19 A.1 (XML).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from channels._http.client import Response
from channels._http.judgement import evidence, judge
from channels.dicomweb.native_xml import model_of_xml
from engine.errors import PasserelleError, Permanent, Rejected, Transient
from engine.model import Reply

_FAILED, _REFERENCED = "00081198", "00081199"
_INSTANCE, _FAILURE, _WARNING = "00081155", "00081197", "00081196"
_ENDPOINTS_FAULT: Final = frozenset({0x0122, 0xC122, 0x0124})
"""SOP class, transfer syntax or we ourselves are not welcome there: another endpoint may take it."""

_LATER: Final = frozenset({0x0110})


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says of one instance: stored, with a warning reason where there is one, or why not."""

    stored: bool
    reason: int


def judge_stored(response: Response, sop_instance: str, *, now_ms: int) -> Reply:
    """Return the evidence that the instance is stored; its header `warning-reason` where it was changed on the way.

    Raises:
        Transient: no room (A7xx), a failure of the partner's own (0110); `sent` where 2xx says nothing of the instance.
        Permanent: class or transfer syntax are not supported there (0122, C122), or we are not authorized (0124).
        Rejected: the instance is refused (A9xx, Cxxx), or 409 without a reason.
        Transient, Permanent, Rejected: by the status, as `judge` has it.
    """
    said = _said(response, sop_instance) if response.status in (200, 202, 409) else None
    reply = evidence(response)
    if said is None:
        if response.status in (200, 202) and not response.body.strip():
            return judge(
                response, now_ms=now_ms
            )  # nothing is said of any instance: the status stands for all
        if response.status in (200, 202):
            raise Transient(
                "the partner's answer says nothing of the instance", sent=True, code="unsaid", reply=reply
            )
        return judge(response, now_ms=now_ms)
    if not said.stored:
        raise _failure(said.reason, reply)
    if said.reason:
        return Reply(reply.code, reply.body, {**reply.headers, "warning-reason": f"{said.reason:04X}"})
    return reply


def _failure(reason: int, reply: Reply) -> PasserelleError:
    code = f"{reason:04X}"
    text = f"the partner did not store the instance: failure reason {code}"
    if reason & 0xFF00 == 0xA700 or reason in _LATER:
        return Transient(text, code=code, reply=reply)
    if reason in _ENDPOINTS_FAULT:
        return Permanent(text, code=code, reply=reply)
    return Rejected(text, code=code, reply=reply)


def _said(response: Response, sop_instance: str) -> Said | None:
    """Return what a body says of the instance, None where it says nothing that can be read."""
    try:
        text = response.body.decode("utf-8")
        is_xml = "xml" in response.headers.get("content-type", "")
        return _of_json(model_of_xml(text) if is_xml else json.loads(text), sop_instance)
    except (ValueError, RecursionError):
        return None


def _of_json(model: Any, sop_instance: str) -> Said | None:
    if isinstance(model, list) and len(model) == 1:
        (model,) = model  # some servers answer an array of one
    for tag, stored in ((_FAILED, False), (_REFERENCED, True)):
        for item in _values(model, tag):
            named = _values(item, _INSTANCE)
            if not named and not stored and len(_values(model, tag)) == 1:
                named = [sop_instance]  # one was sent, one failed, and its UID was not read
            if named == [sop_instance]:
                return Said(stored, _number(_values(item, _WARNING if stored else _FAILURE)))
    return None


def _values(model: Any, tag: str) -> list[Any]:
    attribute = model.get(tag) if isinstance(model, Mapping) else None
    values = attribute.get("Value") if isinstance(attribute, Mapping) else None
    return values if isinstance(values, list) else []


def _number(values: list[Any]) -> int:
    """Return a reason; a failure without a readable one is a processing failure for those who ask."""
    text = str(values[0]) if values else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else 0
