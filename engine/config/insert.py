"""Fills `${env:VAR:-default}`, `${file:path}` and `${cred:name}` in the scalars of a tree, after it was parsed.

What files and credentials give is secret: it is never printed, and `${env:}` is printed as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from engine.config.nodes import ListNode, MapNode, Node
from engine.config.suggest import did_you_mean
from engine.config.text import Filling, Text
from engine.errors import Problem

MAX_SECRET_BYTES = 64 * 1024
"""Largest file that may be inserted."""

_INSERTION = re.compile(r"\$\{([^}]*)\}?")
_KINDS = ("env", "file", "cred")


class Inserter:
    """Fills insertions; one per load, so that it knows every secret and every file that was read.

    `root` is what relative paths start from. Credentials are files in `$CREDENTIALS_DIRECTORY` (systemd) or, where
    that is not set, in the folder `credentials` below `root`.
    """

    def __init__(self, root: Path, environ: Mapping[str, str], problems: list[Problem]) -> None:
        self.secrets: set[str] = set()
        self.files: set[Path] = set()
        self._root = root
        self._environ = environ
        self._problems = problems

    def fill(self, node: Node) -> Node:
        """Return the tree with every insertion filled; one that cannot be is a problem at its own place."""
        if isinstance(node, MapNode):
            for key, child in node.items():
                node[key] = self.fill(child)
            return node
        if isinstance(node, ListNode):
            node[:] = [self.fill(child) for child in node]
            return node
        return self._fill_text(node) if "${" in node else node

    def _fill_text(self, text: Text) -> Text:
        filled: list[str] = []
        public: list[str] = []
        at = 0
        known = len(self._problems)
        for found in _INSERTION.finditer(text):
            before = text[at : found.start()]
            at = found.end()
            if before.endswith("$"):  # $${ is a literal ${
                value, shown = found[0], found[0]
                before = before[:-1]
            else:
                value, shown = self._value(text, found)
            filled += before, value
            public += before, shown
        filled.append(text[at:])
        public.append(text[at:])
        return Text(
            "".join(filled), text.mark, Filling(str(text), "".join(public), len(self._problems) > known)
        )

    def _value(self, text: Text, found: re.Match[str]) -> tuple[str, str]:
        """Return what one insertion stands for, and how that may be shown."""
        kind, colon, argument = found[1].partition(":")
        try:
            if not found[0].endswith("}"):
                raise _Unfilled('"${" is never closed', "write ${env:VAR}; $${ is a literal ${")
            if kind not in _KINDS or not colon or not argument:
                meant = did_you_mean(kind, _KINDS)
                help = (
                    f'did you mean "{meant}"?'
                    if meant and meant != kind
                    else "write ${env:VAR}, ${file:path} or ${cred:name}"
                )
                raise _Unfilled(f'"{found[0]}" cannot be inserted', help)
            if kind == "env":
                value = self._variable(argument)
                return value, value
            secret = self._file(argument) if kind == "file" else self._credential(argument)
        except _Unfilled as error:
            if text.mark:
                place = text.mark.inside(found.start(), len(found[0]))
                self._problems.append(place.problem(error.message, help=error.help))
            return "", found[0]
        if secret:
            self.secrets.add(secret)
        return secret, found[0]

    def _variable(self, argument: str) -> str:
        name, has_default, default = argument.partition(":-")
        value = self._environ.get(name, "")
        if value or has_default:
            return value or default
        raise _Unfilled(
            f"the variable {name} is not set", f"set it, or give a default: ${{env:{name}:-default}}"
        )

    def _file(self, argument: str) -> str:
        local = "`passerelle certs dev` makes local ones"
        help = local if argument.startswith("certs/") else "the path starts from the folder of config.yaml"
        return self._read(self._root / argument, f'"{argument}"', help)

    def _credential(self, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
            raise _Unfilled(f'"{name}" is not the name of a credential', "use letters, digits, -, _ and .")
        folder = self._environ.get("CREDENTIALS_DIRECTORY", "")
        path = (Path(folder) if folder else self._root / "credentials") / name
        where = "$CREDENTIALS_DIRECTORY" if folder else "the folder credentials/ beside config.yaml"
        return self._read(path, f'the credential "{name}"', f"put it into {where}")

    def _read(self, path: Path, what: str, help: str) -> str:
        self.files.add(path)
        try:
            with path.open("rb") as file:
                data = file.read(MAX_SECRET_BYTES + 1)
        except OSError as error:
            raise _Unfilled(f"{what} cannot be read: {error.strerror}", help) from None
        if len(data) > MAX_SECRET_BYTES:
            raise _Unfilled(f"{what} is larger than {MAX_SECRET_BYTES} bytes", help)
        try:
            return data.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise _Unfilled(f"{what} is not UTF-8 text", help) from None


class _Unfilled(Exception):
    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
