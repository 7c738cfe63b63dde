"""Which content types a listener takes, and which codec reads them.

Source: HL7 over HTTP (draft of the HAPI project) 2.4;
RFC 9110 8.3, 15.5.16 (415); RFC 8259 8.1 (JSON is UTF-8); CloudEvents HTTP binding 1.0.2, 3.1 and 3.2.
"""

from __future__ import annotations

import re
from functools import lru_cache

from channels._hl7 import ER7, MEDIA_TYPES
from channels._http.replies import Answer, problem

_JSON = re.compile(r"application/([a-z0-9!#$&^_.+-]+\+)?json", re.ASCII)
_TAKEN = f"accept-post: application/json, application/cloudevents+json, {ER7}\r\n".encode()
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s";]+)', re.ASCII | re.IGNORECASE)


@lru_cache(maxsize=256)
def codec_of(header: bytes) -> str | Answer:
    """Return the name of the codec that reads bodies of this type, or the refusal: 415 with what is taken."""
    content_type = header.decode("latin-1")
    kind = content_type.partition(";")[0].strip().lower()
    if not kind:
        return _refused("The Content-Type header is missing.")
    if kind in MEDIA_TYPES:
        return "hl7v2"
    if not _JSON.fullmatch(kind):
        return _refused("Only JSON, CloudEvents in JSON and HL7 v2 in ER7 are taken here.")
    if kind == "application/cloudevents-batch+json":
        return _refused("Batches of CloudEvents are not taken: send one event per request.")
    charset = _CHARSET.search(content_type)
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        return _refused("JSON is UTF-8.")
    return "json"


def _refused(detail: str) -> Answer:
    return problem(415, detail, lines=_TAKEN)
