"""Functions that encode texts for places with rules of their own."""

from __future__ import annotations

import base64 as codec
import binascii
import hashlib
from typing import Any
from urllib.parse import quote

from engine.expressions.function import Function, Unsuited
from engine.expressions.kinds import as_text, bounded


def url(value: Any) -> str:
    """Return the text for one segment or parameter of a URL: all but letters, digits and `-._~` as `%XX`.

    Source: RFC 3986 2.1 and 2.3.
    """
    return bounded(quote(as_text(value), safe=""))


def sha256(value: Any) -> str:
    """Return the SHA-256 of the text in UTF-8, in hex. It hides nothing that can be guessed, such as a card number."""
    return hashlib.sha256(as_text(value).encode()).hexdigest()


def base64(value: Any) -> str:
    """Return the text in UTF-8 as base64 (RFC 4648 4)."""
    return bounded(codec.b64encode(as_text(value).encode()).decode())


def unbase64(value: Any) -> str:
    """Return the UTF-8 text that base64 encodes; line ends in it are skipped, anything else refuses the message."""
    try:
        return codec.b64decode("".join(as_text(value).split()), validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unsuited("this is no base64 of a text in UTF-8") from None


FUNCTIONS = (
    Function("url", url),
    Function("sha256", sha256),
    Function("base64", base64),
    Function("unbase64", unbase64),
)
