"""Named engines elsewhere: `contexts.yaml` says address, token and trust of each, for `--context NAME`.

The file is `$PASSERELLE_CONTEXTS`, else `passerelle/contexts.yaml` in the user's configuration folder:
`prod: {url: "https://engine.example:8444", token: "${file:prod.token}", ca: ca.pem}`.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from pydantic import ConfigDict

from engine.cli.wire import RemoteAddress
from engine.config.gather import Gatherer
from engine.config.insert import Inserter
from engine.config.models import FilePath, HttpUrl, Secret, StrictModel, is_loopback
from engine.config.nodes import MapNode
from engine.config.plugins import installed
from engine.config.validate import validate
from engine.errors import ConfigurationError, NotFound, Problem


class Context(StrictModel):
    """One engine elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    url: HttpUrl
    """Where its API listens; `http` for this machine only."""

    token: Secret
    """The caller's token, by reference."""

    ca: FilePath | None = None
    """PEM file of the authority that its certificate must come from; else the system's."""

    cert: FilePath | None = None
    """PEM file of the caller's own certificate, where the engine asks for one."""

    key: FilePath | None = None
    """PEM file of the key that belongs to it."""


def contexts_file() -> Path:
    """Return where contexts are kept."""
    named = os.environ.get("PASSERELLE_CONTEXTS")
    if named:
        return Path(named)
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "passerelle" / "contexts.yaml"


def connector(name: str) -> RemoteAddress:
    """Return the way to a named engine.

    Raises:
        NotFound: there is no such context.
        ConfigurationError: the file is wrong, or the token would travel in clear.
    """
    path = contexts_file()
    if not path.is_file():
        raise NotFound(f"there is no context {name!r}: {path} does not exist")
    problems: list[Problem] = []
    inserter = Inserter(path.parent, os.environ, problems)
    tree = Gatherer(path.parent, inserter, problems).tree(path)
    node = tree.get(name) if tree is not None else None
    if tree is not None and node is None:
        raise NotFound(f"there is no context {name!r} in {path}; there are {', '.join(tree) or 'none'}")
    found = validate(Context, node, installed(), problems) if isinstance(node, MapNode) else None
    if found is None or problems:
        raise ConfigurationError(problems)
    if found.url.scheme == "http" and not is_loopback(found.url.host):
        mark = node.mark if isinstance(node, MapNode) else None
        raise ConfigurationError(
            [mark.problem("a token must not travel in clear", help="write https://")] if mark else []
        )
    return RemoteAddress(
        found.url.host,
        found.url.port or (443 if found.url.scheme == "https" else 80),
        found.token.reveal(),
        _tls(found, path.parent) if found.url.scheme == "https" else None,
    )


def _tls(context: Context, folder: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(folder / context.ca) if context.ca else None)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    if context.cert:
        made.load_cert_chain(folder / context.cert, folder / context.key if context.key else None)
    return made
