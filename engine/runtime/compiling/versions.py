"""Every deployed version of a route, with its text: who brought it, when, and from which revision of the project.

A version is the hash of what the route comes to, with its mappers, tables and schemas and without secrets; the text
is the route's own file. Rows name the version that they were accepted under.
"""

from __future__ import annotations

import asyncio
import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.clock import Clock
from engine.config.loaded import LoadedRoute
from engine.errors import NotFound
from engine.store.protocol import Record, Records

KIND = "route-version"
RUNNING = "route-running"
"""Kind of the records that say which version of each route runs, and since when."""


@dataclass(frozen=True, slots=True)
class RouteVersion:
    """One version of one route; `deployed_ms` is when it was last put in the place of another, in UTC ms."""

    route: str
    version: str
    deployed_ms: int
    author: str
    revision: str
    file: str
    text: str
    running: bool = False


class Versions:
    """Keeps versions in the store's records."""

    def __init__(self, records: Records, clock: Clock, root: Path) -> None:
        self._records = records
        self._clock = clock
        self._root = root

    async def deployed(self, routes: Iterable[LoadedRoute], *, author: str) -> Sequence[str]:
        """Note what runs from now on; return the routes that run another version than before."""
        running = {record.name: _version_of(record) for record in await self._records.all(RUNNING)}
        changed = [route for route in routes if running.get(route.name) != route.version]
        revision = git_revision(self._root) if changed else ""
        # Together, so that they share a commit; a failure is raised as it is, once all have ended.
        noting = (self._keep(route, author, revision) for route in changed)
        for failure in await asyncio.gather(*noting, return_exceptions=True):
            if failure is not None:
                raise failure
        return [route.name for route in changed]

    async def list(self, route: str) -> Sequence[RouteVersion]:
        """Return the versions of a route, the latest first; NotFound when it never ran."""
        running = await self._records.get(RUNNING, route)
        current = _version_of(running) if running else ""
        found = [
            RouteVersion(**json.loads(record.value), running=record.name == f"{route}@{current}")
            for record in await self._records.all(KIND)
            if record.name.startswith(f"{route}@")
        ]
        if not found:
            raise NotFound(f"no version of a route {route!r} ever ran")
        return sorted(found, key=lambda version: (version.deployed_ms, version.version), reverse=True)

    async def find(self, route: str, version: str = "") -> RouteVersion:
        """Return one version by the beginning of its hash; without one, that which ran before the current.

        Raises:
            NotFound: there is none, or the beginning fits several.
        """
        known = await self.list(route)
        if version:
            fitting = [each for each in known if each.version.startswith(version)]
        else:
            fitting = [each for each in known if not each.running][:1]
        if len(fitting) != 1:
            told = f"version {version!r}" if version else "earlier version"
            raise NotFound(f"the route {route!r} has {'several' if fitting else 'no'} {told}")
        return fitting[0]

    async def diff(self, route: str, old: str, new: str) -> str:
        """Return the unified diff between the texts of two versions, "" when they are the same."""
        first, second = await self.find(route, old), await self.find(route, new)
        lines = difflib.unified_diff(
            first.text.splitlines(),
            second.text.splitlines(),
            f"{first.file} {first.version}",
            f"{second.file} {second.version}",
            lineterm="",
        )
        return "\n".join(lines)

    async def _keep(self, route: LoadedRoute, author: str, revision: str) -> None:
        now_ms = self._clock.now_ms()
        value = {
            "route": route.name,
            "version": route.version,
            "deployed_ms": now_ms,
            "author": author,
            "revision": revision,
            "file": route.file,
            "text": route.text,
        }
        name = f"{route.name}@{route.version}"
        await self._records.put(KIND, name, json.dumps(value), at_ms=now_ms, actor=author)
        running = json.dumps({"version": route.version})
        await self._records.put(
            RUNNING, route.name, running, at_ms=now_ms, actor=author, action="route-deployed"
        )


def _version_of(record: Record) -> str:
    return str(json.loads(record.value)["version"])


def git_revision(folder: Path) -> str:
    """Return the commit that the project's working copy is at, "" where it is none; reads git's files only.

    Source: gitrepository-layout(5), HEAD, refs and packed-refs.
    """
    for parent in (folder.resolve(), *folder.resolve().parents):
        git = parent / ".git"
        if git.is_dir():
            return _resolved(git)
    return ""


def _resolved(git: Path) -> str:
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return head
        if (git / name).is_file():
            return (git / name).read_text(encoding="utf-8").strip()
        for line in (git / "packed-refs").read_text(encoding="utf-8").splitlines():
            if line.endswith(f" {name}"):
                return line.split(" ")[0]
    except OSError:
        return ""
    return ""
