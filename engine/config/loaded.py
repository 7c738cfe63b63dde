"""What loading gives: the validated configuration with its routes, and where each value was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from engine.config.nodes import Location, MapNode, leaves
from engine.config.partner import PartnerConfig
from engine.config.plugins import Plugins
from engine.config.route import RouteConfig
from engine.config.settings import AppConfig
from engine.config.text import shown
from engine.config.uses import Use
from engine.errors import Problem


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one value comes from; `value` is as written, so that no secret shows."""

    file: str
    line: int
    value: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class LoadedRoute:
    """One route with its file.

    `text` is the file as it was read, kept while rows refer to this version; `version` is the hash of what the route
    comes to (`engine.config.version`); `uses` are the expressions and names that it holds.
    """

    config: RouteConfig
    path: Path
    file: str
    text: str
    version: str
    tree: MapNode
    uses: tuple[Use, ...]

    @property
    def name(self) -> str:
        return self.config.route


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can run. `root` is the folder of config.yaml, from which relative paths start.

    `secrets` holds what `${file:}` and `${cred:}` gave, so that logs can be kept clean of it. `watch_list` holds every
    file that was read and every folder that a pattern searched.
    """

    root: Path
    path: Path
    env: str | None
    app: AppConfig
    routes: tuple[LoadedRoute, ...]
    tree: MapNode
    plugins: Plugins
    warnings: tuple[Problem, ...] = ()
    watch_list: frozenset[Path] = frozenset()
    secrets: frozenset[str] = frozenset()

    @property
    def partners(self) -> Mapping[str, PartnerConfig]:
        """All partners, those of a directory too, by name."""
        return self.app.partners

    def route(self, name: str) -> LoadedRoute | None:
        """Return the route of that name, None when there is none."""
        return next((route for route in self.routes if route.name == name), None)

    @property
    def origins(self) -> Mapping[str, Origin]:
        """Where each written value comes from, by its path (`partners.clinique-abc.endpoints.emr.webhook`)."""
        found = dict(_origins(self.tree, ""))
        for route in self.routes:
            found.update(_origins(route.tree, f"routes[{route.name}]."))
        return found

    def with_route(self, route: LoadedRoute) -> Loaded:
        """Return this configuration with one route put in the place of the one from the same file or of that name."""
        others = [known for known in self.routes if known.path != route.path and known.name != route.name]
        return replace(self, routes=(*others, route))


def _origins(tree: MapNode, prefix: str) -> Iterator[tuple[str, Origin]]:
    for location, text in leaves(tree):
        if text.mark:
            yield prefix + _path(location), Origin(text.mark.source.name, text.mark.line, shown(text))


def _path(location: Location) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path
