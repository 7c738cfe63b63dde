"""Finds whom to ask: the engine of this project by its socket, a remote one by its context, else the stopped store."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.api.problems import NotRunning
from engine.cli.wire import PATIENCE, LocalSocket, Unreachable, Wire
from engine.errors import NotFound, StoreLocked

View = dict[str, Any]
CONFIG = Path("config.yaml")
DEFAULT_SOCKET = Path("var/passerelle.sock")


class Caller(Protocol):
    """Whoever answers calls of the API."""

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        *,
        patience: float = PATIENCE,
    ) -> View: ...

    def stream(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[View]: ...


@dataclass(frozen=True, slots=True)
class Where:
    """Which engine is meant: a project's configuration and overlay, an explicit socket, or a named context."""

    config: Path = CONFIG
    env: str | None = None
    socket: Path | None = None
    context: str | None = None


@contextmanager
def caller(where: Where) -> Iterator[Caller]:
    """Give whoever answers; the stopped store is opened only when nobody listens on the project's socket.

    Raises:
        Unreachable: an explicit socket or context does not answer.
        ConfigurationError: the store has to be found and the configuration is wrong.
        NotFound: there is neither an engine nor a store.
        StoreLocked: an engine runs but does not listen where the configuration says.
    """
    if where.context is not None:
        from engine.cli.contexts import connector

        yield Wire(connector(where.context))
        return
    if where.socket is not None:
        yield Wire(LocalSocket(where.socket))
        return
    usual = where.config.parent / DEFAULT_SOCKET
    if _answers(usual):
        yield Wire(LocalSocket(usual))
        return
    path, url = _configured(where)
    if path != usual and _answers(path):
        yield Wire(LocalSocket(path))
        return
    from engine.cli.stopped import StoppedStore

    with ExitStack() as stack:
        try:
            store = stack.enter_context(StoppedStore(url))
        except StoreLocked as error:
            told = f"{error}, and no engine answers at {path}: it starts or stops just now, or is of another project"
            raise StoreLocked(told) from error
        yield store


@contextmanager
def running_engine(where: Where) -> Iterator[Caller]:
    """Give a running engine; NotRunning on a stopped store, before anything is opened."""
    with caller(where) as found:
        if not isinstance(found, Wire):
            raise NotRunning("the engine is not running: start it with `passerelle run`")
        yield found


def _answers(path: Path) -> bool:
    """Say whether somebody listens; a socket that may not be opened is somebody's, and told."""
    try:
        LocalSocket(path).connect(2.0).close()
    except PermissionError as error:
        raise Unreachable(f"{path} belongs to another user: call as that user, or over TCP") from error
    except OSError:
        return False
    return True


def _configured(where: Where) -> tuple[Path, str]:
    """Return the socket and the store's URL that the configuration names."""
    if not where.config.is_file():
        raise NotFound(f"there is no {where.config} here: go to the project's folder, or say --config")
    from engine.config.load import load_configuration

    loaded = load_configuration(where.config, env=where.env, environ=os.environ)
    database = loaded.root / loaded.app.store.path
    return loaded.root / loaded.app.api.socket, f"sqlite:{database}"
