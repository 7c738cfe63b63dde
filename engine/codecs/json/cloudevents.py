"""CloudEvents 1.0 in JSON: the attributes become the document's envelope, `data` its root.

Structured mode (`application/cloudevents+json`, or any object with `specversion`) and binary mode (`ce-` headers
around the data) are read; what is written is structured. Batches are refused: one message, one event, one reply.
Source: CloudEvents 1.0.2; JSON format 3; HTTP binding 3.1 and 3.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from engine.codecs.json.document import JsonDocument
from engine.errors import Rejected
from engine.model import Fault

REQUIRED = ("specversion", "id", "source", "type")
MAX_ATTRIBUTES = 100
"""Far more than any event has: each is checked, kept, and told where it is wrong."""
_STRUCTURED = "application/cloudevents+json"
_BATCH = "application/cloudevents-batch+json"
_HEADER = "ce-"
_NAME = re.compile(r"[a-z0-9]+")
_TIME = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d++)?"
    r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_URI_REFERENCE = re.compile(r"[^\s<>\"{}|\\^`\x00-\x1f\x7f]+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:" + _URI_REFERENCE.pattern)
_JSON_TYPE = re.compile(r"[\w.+-]+/([\w.-]+\+)?json\s*(;.*)?", re.ASCII | re.IGNORECASE)
_DATA = frozenset({"data", "data_base64"})
_Rule = tuple[Callable[[str], object], str]


def event_of(root: Any, headers: Mapping[str, str], content_type: str) -> JsonDocument:
    """Return a document of what was decoded, an event taken apart where it is one.

    Raises:
        Rejected: a CloudEvent has an attribute that is missing or wrong, data that is no JSON, or it is a batch;
            each fault names its path in the body, or the header at fault.
    """
    media = _media_type(content_type)
    if media == _BATCH or (isinstance(root, list) and root and _is_event(root[0])):
        raise _refused(
            [Fault("", "a batch of events is not accepted: send one event per message", "invalid")]
        )
    if _is_event(root) or media == _STRUCTURED:
        return _structured(root)
    if _HEADER + "specversion" in headers:
        return _binary(root, headers, content_type)
    return JsonDocument(root)


def whole_event(envelope: Mapping[str, Any], data: Any) -> dict[str, Any]:
    """Return the structured event again; no data (None) leaves `data` out, as it may be (CloudEvents 1.0.2 3.1.1)."""
    return {**envelope, "data": data} if data is not None else dict(envelope)


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _is_event(value: Any) -> bool:
    return isinstance(value, dict) and "specversion" in value


def _structured(root: Any) -> JsonDocument:
    if not isinstance(root, dict):
        raise _refused([Fault("", "a CloudEvent is a JSON object", "invalid")])
    # a null attribute counts as one that is not set (JSON format 2.2)
    envelope = {name: value for name, value in root.items() if name not in _DATA and value is not None}
    faults = _faults(envelope)
    if "data_base64" in root:
        faults.append(Fault("data_base64", "binary data is not accepted: JSON data is expected", "invalid"))
    if faults:
        raise _refused(faults)
    return JsonDocument(root.get("data"), envelope)


def _binary(root: Any, headers: Mapping[str, str], content_type: str) -> JsonDocument:
    envelope: dict[str, Any] = {
        name.removeprefix(_HEADER): unquote(value.strip())
        for name, value in headers.items()
        if name.startswith(_HEADER)
    }
    if content_type:
        envelope["datacontenttype"] = content_type
    faults = [Fault(_HEADER + fault.path, fault.text, fault.code) for fault in _faults(envelope)]
    if faults:
        raise _refused(faults)
    return JsonDocument(root, envelope)


def _faults(envelope: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with the attributes; texts name attributes of the standard and never a value."""
    if len(envelope) > MAX_ATTRIBUTES:
        return [Fault("", f"an event has at most {MAX_ATTRIBUTES} attributes", "invalid")]
    faults = [
        Fault(name, "this CloudEvents attribute is missing", "missing")
        for name in REQUIRED
        if name not in envelope
    ]
    for name, value in envelope.items():
        rule = _MUST.get(name)
        if rule is not None and type(value) is str and rule[0](value):
            continue
        wrong = _wrong(name, value)
        if wrong:
            faults.append(Fault(name, wrong, "invalid"))
    return faults


def _wrong(name: str, value: Any) -> str:
    """Say what is wrong with an attribute that keeps no rule of the standard's, "" where it needs none."""
    if name in _MUST:
        return f"must be {_MUST[name][1]}"
    if not _NAME.fullmatch(name):
        return "an attribute's name has lower-case letters and digits only"
    if not isinstance(value, str | int):  # a bool is an int here, and the standard allows it
        return "an attribute is a text, a whole number or a boolean"
    return ""


def _is_json_type(value: str) -> bool:
    return value == "application/json" or _JSON_TYPE.fullmatch(value) is not None


_SOME_TEXT: _Rule = (bool, "a text that is not empty")
_MUST: dict[str, _Rule] = {
    "specversion": ("1.0".__eq__, '"1.0"'),
    "id": _SOME_TEXT,
    "source": (_URI_REFERENCE.fullmatch, "a URI reference"),
    "type": _SOME_TEXT,
    "subject": _SOME_TEXT,
    "time": (_TIME.fullmatch, "an RFC 3339 time with its offset"),
    "dataschema": (_URI.fullmatch, "an absolute URI"),
    "datacontenttype": (_is_json_type, "a JSON media type: other data is not accepted here"),
}


def _refused(faults: list[Fault]) -> Rejected:
    first = faults[0]
    return Rejected(
        f"{first.path}: {first.text}" if first.path else first.text, faults=faults, code="invalid_event"
    )
