"""Scalars that are words: names, secrets, expressions and templates; they keep their place in the file."""

from __future__ import annotations

from typing import Annotated

from engine.config.reading import Reading, matching
from engine.config.text import Text
from engine.security import secrets

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"


Name = Annotated[str, matching("a name", "use letters, digits, - and _", _NAME)]
EndpointName = Annotated[str, matching("an endpoint", "write partner.endpoint", rf"{_NAME}\.{_NAME}")]
Locale = Annotated[str, matching("a locale", "write fr-CA", r"[a-z]{2,3}(-[A-Z]{2})?")]
MailAddress = Annotated[str, matching("a mail address", "write name@example.org", r"[^\s@<>]+@[^\s@<>]+")]
Sha256 = Annotated[str, matching("a SHA-256 in hex", "write its 64 digits", r"[0-9A-Fa-f]{64}")]


def read_secret(text: str) -> secrets.Secret:
    """Read a secret, which a file may only refer to; ValueError when it stands there in clear."""
    if not text:
        raise ValueError
    if isinstance(text, Text) and text.filling is None:
        raise ValueError("a secret stands here in clear")
    return secrets.Secret(str(text))


Secret = Annotated[
    secrets.Secret,
    Reading(
        "a secret",
        "refer to it: ${cred:name}, ${file:path} or ${env:VAR}",
        secrets.Secret,
        read_secret,
        {"type": "string", "pattern": r"^\$\{"},
    ),
]


class Expression(Text):
    """A bare expression (`msg.appointment.id`), compiled by the runtime and by `check`."""

    __slots__ = ()


class Template(Text):
    """Text in which `{expression}` is filled per message; `{{` is a literal brace."""

    __slots__ = ()


def _expression(text: str) -> Expression:
    if not text.strip():
        raise ValueError
    return Expression.retell(text)


def _template(text: str) -> Template:
    return Template.retell(text)


Expr = Annotated[
    Expression, Reading("an expression", 'write one, for example msg.PV1-2 == "I"', Expression, _expression)
]
TemplateText = Annotated[Template, Reading("text", "quote it", Template, _template)]
