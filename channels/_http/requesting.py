"""What channels that send by HTTP have in common: where to connect, the head of a request, the headers people may add.

Source: RFC 9110 5.5, 7.2; RFC 9112 3; W3C Trace Context 3.2.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from channels._tcp.dial import Destination
from channels._tcp.dial import Network as DialledNetwork
from engine import __version__
from engine.config.models import PlaintextException, Reading, Url
from engine.security.secrets import Secret
from engine.security.tls import TlsFiles, client_context

_OURS = frozenset(
    {
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "keep-alive",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)


def _header_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", text):
        raise ValueError
    if text.lower() in _OURS:
        raise ValueError(f"the header {text} is written by the engine")
    return text


def _header_value(text: str) -> Secret:
    if not re.fullmatch(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?", text):
        raise ValueError("a header's value is visible ASCII")
    return Secret(str(text))


HeaderName = Annotated[
    str,
    Reading(
        "a header's name",
        "write x-tenant",
        (),
        _header_name,
        {"type": "string", "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"},
    ),
]
HeaderValue = Annotated[
    Secret,
    Reading("a header's value", "write text, or refer to a secret: ${cred:name}", Secret, _header_value),
]

_FIELD = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def plain_url(value: Url) -> Url:
    """Return a URL that can stand in a request; ValueError says what does not belong in it."""
    rest = value.partition("://")[2]
    if "@" in rest.partition("/")[0]:
        raise ValueError("no user or password belongs in a URL: use headers")
    if "#" in value or not value.isascii():
        raise ValueError("the URL of an endpoint is ASCII and has no fragment")
    return value


def destination_of(
    url: str,
    tls: ssl.SSLContext | None,
    *,
    allowed: tuple[DialledNetwork, ...],
    plaintext: PlaintextException | None,
) -> Destination:
    """Return where to connect; without a TLS profile `https` shows no certificate and trusts the system's roots."""
    parts = urlsplit(url)
    secured = parts.scheme == "https"
    if secured and tls is None:
        tls = client_context(TlsFiles())
    return Destination(
        host=parts.hostname or "",
        port=parts.port or (443 if secured else 80),
        tls=tls if secured else None,
        allowed=allowed,
        plaintext=plaintext.allow if plaintext else (),
    )


def request_head(method: str, url: str, headers: Mapping[str, Secret]) -> bytes:
    """Return the lines that are the same for every attempt."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.removesuffix(":443" if parts.scheme == "https" else ":80")
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}", f"user-agent: passerelle/{__version__}"]
    lines += [f"{name.lower()}: {value.reveal()}" for name, value in headers.items()]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


def is_field(text: str) -> bool:
    """Tell whether text can be a header's value as it is."""
    return _FIELD.fullmatch(text) is not None


def trace_lines(headers: Mapping[str, str]) -> str:
    """Return the header lines of the trace context, where it is one; a tracestate alone means nothing."""
    parent, state = headers.get("traceparent", ""), headers.get("tracestate", "")
    if not _TRACEPARENT.fullmatch(parent):
        return ""
    lines = f"traceparent: {parent}\r\n"
    return lines + f"tracestate: {state}\r\n" if is_field(state) else lines
