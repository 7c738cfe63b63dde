"""Who calls: on the unix socket the kernel says it, over TCP a bearer token does."""

from __future__ import annotations

import hmac
import pwd
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from engine.api.calls import ROLES
from engine.api.problems import Unauthorized
from engine.config.settings import ApiToken

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid (unix(7), SO_PEERCRED)
_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """`actor` is what the journal keeps; `roles` is what it may do."""

    actor: str
    roles: frozenset[str]


Identify = Callable[[web.Request], Caller]


def by_user_id(request: web.Request) -> Caller:
    """Name the user whose process holds the other end, `uid:1000(name)`; whoever may open the socket may do all."""
    return Caller(_actor(request), ROLES)


def by_token(tokens: Mapping[str, ApiToken]) -> Identify:
    """Return how to know a caller by its token, `token:NAME`; each is compared in constant time."""

    def identify(request: web.Request) -> Caller:
        header = request.headers.get("Authorization", "")
        if header[: len(_SCHEME)].lower() != _SCHEME:
            raise Unauthorized("a token is needed: Authorization: Bearer ...")
        given = header[len(_SCHEME) :].strip().encode()
        found = [
            name
            for name, token in tokens.items()
            if hmac.compare_digest(token.secret.reveal().encode(), given)
        ]
        if not found:
            raise Unauthorized("this token is not known")
        return Caller(f"token:{found[0]}", frozenset({tokens[found[0]].role}))

    return identify


def _actor(request: web.Request) -> str:
    peer = request.get_extra_info("socket")
    if peer is None:
        raise Unauthorized("the connection is gone")
    _, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return user(uid)


def user(uid: int) -> str:
    """Return a user id as an actor: with its name where the machine knows one."""
    try:
        return f"uid:{uid}({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return f"uid:{uid}"
