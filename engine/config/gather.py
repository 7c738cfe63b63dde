"""Brings the files of a configuration together: config.yaml, its includes, an overlay, and the routes' files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from engine.config.compose import compose_file
from engine.config.insert import Inserter
from engine.config.nodes import ListNode, MapNode, Node, locate
from engine.config.suggest import hint
from engine.config.text import Mark, Text
from engine.errors import Problem

OVERLAID = ("partners", "listen", "connections", "tls")
"""What an overlay may change: who and where, never what happens to a message."""
NOT_INCLUDED = ("engine", "store", "include", "routes")
"""What only config.yaml itself may say."""
TEST_SUFFIX = ".test.yaml"


def printed(path: Path) -> str:
    """Return a path as it is printed: from the working folder where it is below that."""
    shown = os.path.relpath(path)
    return str(path) if shown.startswith("..") else shown


class Gatherer:
    """Reads files into trees; remembers every file and folder that the result depends on.

    `root` is the folder of config.yaml, from which patterns and relative paths start.
    """

    def __init__(self, root: Path, inserter: Inserter, problems: list[Problem]) -> None:
        self.watched: set[Path] = set()
        self._root = root
        self._inserter = inserter
        self._problems = problems

    def tree(self, path: Path) -> MapNode | None:
        """Read one file, insertions filled; None with a problem where it is no mapping."""
        self.watched.add(path)
        node = compose_file(path, printed(path), self._problems)
        if node is None:
            return None
        if not isinstance(node, MapNode):
            self._problems.append(
                locate(node, ()).problem("expected a mapping", help="write `key: value` lines")
            )
            return None
        for key, child in node.items():
            if key != "templates":  # filled per partner, once its columns are known
                node[key] = self._inserter.fill(child)
        return node

    def configuration(self, path: Path, env: str | None) -> MapNode | None:
        """Read config.yaml with everything it includes, and the overlay `env/NAME.yaml` beside it."""
        config = self.tree(path)
        if config is None:
            return None
        for included in self.files(config.get("include")):
            part = self.tree(included)
            if part is not None:
                self._include(config, part)
        if env is not None:
            self._overlay(config, env)
        return config

    def files(self, patterns: Node | None) -> list[Path]:
        """Return the files that one pattern or a list of patterns matches, each sorted, without `*.test.yaml`."""
        found: dict[Path, None] = {}
        for pattern in patterns if isinstance(patterns, ListNode) else [patterns]:
            if isinstance(pattern, Text) and pattern:
                matches = self.matches(pattern)
                found.update(dict.fromkeys(matches))
                if not matches and pattern.mark:
                    severity = "warning" if _is_pattern(pattern) else "error"
                    self._problems.append(pattern.mark.problem("no file matches", severity=severity))
        return list(found)

    def matches(self, pattern: str) -> Sequence[Path]:
        """Return the files that match one pattern, sorted; the folder they are in is watched for new ones."""
        if not _is_pattern(pattern):
            path = self._root / pattern
            return [path] if path.is_file() else []
        folder = Path(pattern).parent
        while _is_pattern(str(folder)):
            folder = folder.parent
        base = self._root / folder
        self.watched.add(base)
        found = base.glob(str(Path(pattern).relative_to(folder)))
        return sorted(path for path in found if path.is_file() and not path.name.endswith(TEST_SUFFIX))

    def _include(self, config: MapNode, part: MapNode) -> None:
        """Put a file's sections, or the one partner that it holds (`partner: NAME` and its keys), into `config`."""
        if "partner" in part:
            self._add_partner(config, part)
            return
        for key, node in part.items():
            at = part.keys_at[key]
            known = config.get(key)
            if key in NOT_INCLUDED:
                self._problems.append(at.problem(f'only config.yaml may say "{key}"'))
            elif known is None:
                config.put(key, at, node)
            elif isinstance(known, MapNode) and isinstance(node, MapNode):
                for name, child in node.items():
                    self._add(known, name, node.keys_at[name], child)
            else:
                self._problems.append(
                    at.problem(f'"{key}" is given in {config.keys_at[key].source.name} already')
                )

    def _add_partner(self, config: MapNode, part: MapNode) -> None:
        name, at = part.pop("partner"), part.keys_at["partner"]
        if not isinstance(name, Text) or not name:
            self._problems.append(_shown(name, at).problem("expected the partner's name"))
            return
        if "partners" not in config:
            config.put("partners", at, MapNode(part.mark))
        partners = config["partners"]
        if isinstance(partners, MapNode):
            self._add(partners, str(name), name.mark or at, part)

    def _add(self, section: MapNode, name: str, at: Mark, node: Node) -> None:
        if name in section:
            first = section.keys_at[name]
            self._problems.append(
                at.problem(
                    f'"{name}" is given twice', help=f"it is first given at {first.source.name}:{first.line}"
                )
            )
        else:
            section.put(name, at, node)

    def _overlay(self, config: MapNode, env: str) -> None:
        path = self._root / "env" / f"{env}.yaml"
        if not path.is_file():
            known = sorted(found.stem for found in (self._root / "env").glob("*.yaml"))
            self._problems.append(Problem(printed(path), 1, 1, f'no overlay "{env}"', help=hint(env, known)))
            return
        overlay = self.tree(path)
        for key, node in (overlay or {}).items():
            at = overlay.keys_at[key] if overlay else None
            if at and key not in OVERLAID:
                self._problems.append(
                    at.problem(
                        f'an overlay cannot change "{key}"', help=f"it may change {', '.join(OVERLAID)}"
                    )
                )
            elif at and (key not in config or isinstance(config[key], MapNode)):
                _lay_over(config, key, at, node)


def _lay_over(base: MapNode, key: str, at: Mark, node: Node) -> None:
    """Let `node` replace what stands at `key`; mappings are merged key by key."""
    known = base.get(key)
    if isinstance(known, MapNode) and isinstance(node, MapNode):
        for name, child in node.items():
            _lay_over(known, name, node.keys_at[name], child)
    else:
        base.put(key, at, node)


def _shown(node: Node, at: Mark) -> Mark:
    """Return where a value stands, or its key where the value is written below it or is nothing."""
    return node.mark if node.mark and (node or isinstance(node, MapNode | ListNode)) else at


def _is_pattern(text: str) -> bool:
    return any(character in text for character in "*?[")
