"""Puts a changed configuration in the place of the running one, as a whole or one route at a time.

Everything is loaded and compiled first, in a thread, beside the running one. Only what compiled is swapped in, by one
assignment: a message is decided upon by the old or by the new, never by a mixture. What fails changes nothing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
from anyio.to_thread import run_sync

from engine.config.loaded import Loaded, LoadedRoute
from engine.errors import ConfigurationError, Conflict, NotFound
from engine.runtime.compiling.assembling import Assembled, assemble
from engine.runtime.compiling.versions import Versions
from engine.runtime.routing.board import Current
from engine.store.protocol import Roster

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Difference:
    """Names that are new, gone, or mean something else than before."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reload changed; listeners whose routes alone changed are not among `listeners`.

    `selectors` are listeners at which routes now listen at other selectors than before.
    """

    listeners: Difference
    endpoints: Difference
    routes: Difference
    selectors: tuple[str, ...] = ()

    @property
    def renewed(self) -> tuple[str, ...]:
        """Listeners to stop and to start anew, each once: its routes may have changed together with itself."""
        return tuple(dict.fromkeys((*self.listeners.changed, *self.selectors)))


Applied = Callable[[Loaded, Changes], Awaitable[None]]
"""Makes listeners and sending halves follow a configuration that is current already."""


class Reloader:
    """Holds the running configuration; one reload at a time.

    `read` loads everything from the files, `read_route` one route against a configuration that runs; both may block.
    """

    def __init__(
        self,
        assembled: Assembled,
        *,
        current: Current,
        versions: Versions,
        roster: Roster,
        read: Callable[[], Loaded],
        read_route: Callable[[Path, Loaded], LoadedRoute],
        applied: Applied,
    ) -> None:
        self._assembled = assembled
        self._current = current
        self._versions = versions
        self._roster = roster
        self._read = read
        self._read_route = read_route
        self._applied = applied
        self._lock = anyio.Lock()

    @property
    def loaded(self) -> Loaded:
        """The configuration that runs."""
        return self._assembled.loaded

    async def begin(self, *, author: str) -> None:
        """Make the names and versions of what the engine starts with known to the store."""
        await self._announce(self._assembled.loaded, author)

    async def reload(self, *, author: str) -> Changes:
        """Load everything anew and put it in place.

        Raises:
            ConfigurationError: it cannot run; the running one stays.
        """
        async with self._lock:
            loaded = await run_sync(self._read)
            return await self._put_in_place(await run_sync(partial(assemble, loaded)), author)

    async def reload_route(self, name: str, *, author: str, path: Path | None = None) -> Changes:
        """Load one route anew, from its file or from `path`, and leave all others alone, broken files too.

        Raises:
            NotFound: there is no route of that name, and no path says where it is.
            ConfigurationError: it cannot run; the running one stays.
        """
        async with self._lock:
            return await self._reload_route(name, author, path)

    async def roll_back(self, name: str, version: str = "", *, author: str) -> Changes:
        """Put an earlier text of a route back into its file, and load it; without `version` that before the current.

        Mappers and tables are as they are now. Where the text cannot run any more, the file stays as it was.

        Raises:
            NotFound: there is no such route or version.
            ConfigurationError: that text does not run with what is there now.
            Conflict: the file cannot be written.
        """
        async with self._lock:
            wanted = await self._versions.find(name, version)
            route = self._route(name)
            await run_sync(_write, route.path, wanted.text)
            try:
                return await self._reload_route(name, author, None)
            except BaseException:
                _write(route.path, route.text)
                raise

    # ------------------------------------------------------------- inside

    async def _reload_route(self, name: str, author: str, path: Path | None) -> Changes:
        before = self._assembled
        file = path or self._route(name).path
        route = await run_sync(self._read_route, file, before.loaded)
        if route.name != name:
            told = f'this file is the route "{route.name}" now'
            raise ConfigurationError([route.tree.keys_at["route"].problem(told, help="reload everything")])
        after = await run_sync(partial(assemble, before.loaded.with_route(route), like=before))
        return await self._put_in_place(after, author)

    async def _put_in_place(self, after: Assembled, author: str) -> Changes:
        before = self._assembled
        await self._announce(after.loaded, author)
        changes = changes_between(before.loaded, after.loaded)
        self._assembled = after
        self._current.board = after.board
        _log.info("configuration in place", extra={"action": "reload", "count": len(after.loaded.routes)})
        await self._applied(after.loaded, changes)
        return changes

    async def _announce(self, loaded: Loaded, author: str) -> None:
        for kind, names in _names(loaded).items():
            await self._roster.enrol(kind, names)
        await self._versions.deployed(loaded.routes, author=author)

    def _route(self, name: str) -> LoadedRoute:
        route = self._assembled.loaded.route(name)
        if route is None:
            raise NotFound(f"there is no route {name!r}")
        return route


def changes_between(before: Loaded, after: Loaded) -> Changes:
    """Compare two configurations, by what they mean and not by how they are written."""
    return Changes(
        listeners=_difference(_listeners(before), _listeners(after)),
        endpoints=_difference(_endpoints(before), _endpoints(after)),
        routes=_difference(
            {route.name: route.version for route in before.routes},
            {route.name: route.version for route in after.routes},
        ),
        selectors=_difference(_selectors(before), _selectors(after)).changed,
    )


def _difference(before: Mapping[str, _T], after: Mapping[str, _T]) -> Difference:
    return Difference(
        added=tuple(sorted(set(after) - set(before))),
        removed=tuple(sorted(set(before) - set(after))),
        changed=tuple(sorted(name for name in after if name in before and after[name] != before[name])),
    )


def _listeners(loaded: Loaded) -> dict[str, object]:
    app = loaded.app
    surroundings = (loaded.root, app.engine.zone, app.engine.locale, app.engine.var)
    return {
        name: (listener, app.tls.get(listener.tls or ""), *surroundings)
        for name, listener in app.listen.items()
    }


def _endpoints(loaded: Loaded) -> dict[str, object]:
    """Return for each endpoint all that its sending half is made from: itself, its TLS profile, its connections."""
    app = loaded.app
    found: dict[str, object] = {}
    for name, partner in loaded.partners.items():
        for short, endpoint in partner.endpoints.items():
            ways = [way for way in app.connections.values() if way.type == endpoint.type]
            profiles = [app.tls.get(tls or "") for tls in (endpoint.tls, *(way.tls for way in ways))]
            found[f"{name}.{short}"] = (endpoint, ways, profiles, loaded.root, app.engine.var)
    return found


def _selectors(loaded: Loaded) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(
            door.selector for route in loaded.routes for door in route.config.doors if door.listener == name
        )
        for name in loaded.app.listen
    }


def _names(loaded: Loaded) -> dict[str, dict[str, Sequence[str]]]:
    """Return the names of each kind that the store has integers for, with their former ones."""
    endpoints: dict[str, Sequence[str]] = {}
    for name, partner in loaded.partners.items():
        for short, endpoint in partner.endpoints.items():
            former = [
                f"{one}.{two}" for one in (name, *partner.formerly) for two in (short, *endpoint.formerly)
            ]
            endpoints[f"{name}.{short}"] = former[1:]
    return {
        "listener": {name: listener.formerly for name, listener in loaded.app.listen.items()},
        "partner": {name: partner.formerly for name, partner in loaded.partners.items()},
        "endpoint": endpoints,
        "route": {route.name: route.config.formerly for route in loaded.routes},
    }


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole: a reader sees the old or the new text."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, path)
    except OSError as error:
        raise Conflict(f"{path.name} cannot be written: {error.strerror}") from error
