"""Loads a configuration: reads, fills, validates and checks every file, and tells all that is wrong at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from engine.clock import SystemClock
from engine.config.check import check
from engine.config.clinics import expand_directory
from engine.config.gather import Gatherer, printed
from engine.config.insert import Inserter
from engine.config.loaded import Loaded, LoadedRoute
from engine.config.nodes import MapNode
from engine.config.plugins import Plugins, installed
from engine.config.route import RouteConfig
from engine.config.settings import AppConfig
from engine.config.step_lists import expand_steps
from engine.config.subscribers import with_subscribers
from engine.config.uses import uses
from engine.config.validate import validate
from engine.config.version import route_version
from engine.errors import ConfigurationError, Problem

ROUTES = "routes/*.yaml"
"""Where routes are where config.yaml does not say."""

_BEGIN = "`--config PATH` says where a project is, `passerelle init FOLDER` begins one"


def load_configuration(
    path: Path,
    *,
    env: str | None = None,
    environ: Mapping[str, str],
    plugins: Plugins | None = None,
    now_ms: int | None = None,
) -> Loaded:
    """Load config.yaml with everything that it leads to.

    `env` names an overlay `env/NAME.yaml` beside it; `environ` gives `${env:}` and `$CREDENTIALS_DIRECTORY`;
    `now_ms` (UTC milliseconds) is when dated exceptions are judged, now where it is not given.

    Raises:
        ConfigurationError: holding every problem found, in the order of files and lines.
    """
    if not path.exists():
        raise ConfigurationError([Problem(printed(path), 1, 1, "there is no such file", help=_BEGIN)])
    room = _Loading(path.parent, environ, plugins or installed())
    loaded = room.configuration(path, env)
    if loaded is None:
        raise ConfigurationError(_in_order(room.problems))
    room.problems += check(loaded, now_ms=_now(now_ms), unread=room.unread)
    return replace(loaded, warnings=_settled(room.problems))


def load_route(
    path: Path, loaded: Loaded, *, environ: Mapping[str, str], now_ms: int | None = None
) -> LoadedRoute:
    """Load one route file against a configuration that runs, for a reload of this route alone.

    Raises:
        ConfigurationError: holding every problem of this file.
    """
    room = _Loading(loaded.root, environ, loaded.plugins)
    route = room.route(path, loaded.tree)
    if route is None:
        raise ConfigurationError(_in_order(room.problems))
    route = with_subscribers(route, loaded.partners)
    found = check(loaded.with_route(route), now_ms=_now(now_ms))
    _settled([*room.problems, *(problem for problem in found if problem.file == route.file)])
    return route


class _Loading:
    """One load: the problems met so far, and the names of routes that could not be read."""

    def __init__(self, root: Path, environ: Mapping[str, str], plugins: Plugins) -> None:
        self.problems: list[Problem] = []
        self.unread: set[str] = set()
        self._root = root
        self._plugins = plugins
        self._inserter = Inserter(root, environ, self.problems)
        self._gatherer = Gatherer(root, self._inserter, self.problems)

    def configuration(self, path: Path, env: str | None) -> Loaded | None:
        """Return everything that could be read and validated, None where that is not enough to check names."""
        tree = self._gatherer.configuration(path, env)
        if tree is None:
            return None
        names = self._plugins.channel_names()
        table = expand_directory(
            tree, root=self._root, inserter=self._inserter, channel_names=names, problems=self.problems
        )
        app = validate(AppConfig, tree, self._plugins, self.problems)
        patterns = tree.get("routes")
        files = self._gatherer.matches(ROUTES) if patterns is None else self._gatherer.files(patterns)
        if path in files:
            told = f"{path.name} is no route, and is among them"
            self.problems.append(
                tree.keys_at["routes"].problem(told, help="keep routes in a folder: routes/*.yaml")
            )
        routes = [self.route(file, tree) for file in files if file != path]
        if app is None:
            return None
        return Loaded(
            root=self._root,
            path=path,
            env=env,
            app=app,
            routes=tuple(with_subscribers(route, app.partners) for route in routes if route is not None),
            tree=tree,
            plugins=self._plugins,
            watch_list=frozenset(
                {*self._gatherer.watched, *self._inserter.files, *([table] if table else [])}
            ),
            secrets=frozenset(self._inserter.secrets),
        )

    def route(self, path: Path, app: MapNode) -> LoadedRoute | None:
        """Return one route, None where its file could not be read or validated."""
        tree = self._gatherer.tree(path)
        if tree is None:
            return None
        lists = app.get("step_lists")
        expand_steps(tree, lists if isinstance(lists, MapNode) else MapNode(tree.mark), self.problems)
        config = validate(RouteConfig, tree, self._plugins, self.problems)
        if config is None:
            self.unread.add(str(tree.get("route", "")))
            return None
        found = tuple(uses(config))
        version = route_version(config, found, tree=tree, app=app, root=self._root)
        text = "\n".join((*tree.mark.source.lines, ""))
        return LoadedRoute(config, path, printed(path), text, version, tree, found)


def _now(now_ms: int | None) -> int:
    return SystemClock().now_ms() if now_ms is None else now_ms


def _settled(problems: list[Problem]) -> tuple[Problem, ...]:
    """Return the warnings; raises ConfigurationError with everything where there is an error."""
    ordered = _in_order(problems)
    if any(problem.severity == "error" for problem in ordered):
        raise ConfigurationError(ordered)
    return ordered


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """Return each problem once (a step list may be used by many routes), by file and line."""
    once = {(problem.file, problem.line, problem.column, problem.message): problem for problem in problems}
    return tuple(once[key] for key in sorted(once))
