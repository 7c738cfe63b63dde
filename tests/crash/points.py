"""Fault points, derived from the code: every call of engine/ and channels/ that a crash must not tear from its effect.

A point is named `module:function:kind:before` or `:after`, with `#2`, `#3` behind the kind where there are several.
`before`: the arguments stand and nothing was done; `after`: the call returned, or failed.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ROOMS = ("engine", "channels")
MARK = "__fault_point__"
STORED = "__fault_stored__"

NOT_THE_ENGINE = ("engine.testing.", "engine.cli.hl7.", "engine.cli.new.")
"""The shipped test kit, the HL7 tools of the command line, and what begins a mapper's files: they touch no store."""

TORN_ELSEWHERE = ("channels.file.batching.",)
"""Whose files are torn between any two of its calls by `tests/channels/file/test_batches_out.py`."""

_SYNCS = {"fsync", "fdatasync"}
_RENAMES = {"rename", "replace", "link"}
_UNLINKS = {"unlink", "remove"}
_SENDS = {
    "sendall",
    "send_all",
    "basic_publish",
    "basic_ack",
    "basic_nack",
    "basic_reject",
    "sendmail",
    "send_message",
    "execute_command",
}
_WRITERS = {"transport", "_transport", "response", "_back", "writer", "_writer", "protocol", "_protocol"}
_NO_PATHS = {"self", "outbounds", "_outbounds"}
"""Whose `replace` is no file's: an endpoint's connections are."""


_WORDS = {"COMMIT", "commit", "write", "data(", "pack_into", "_map", *_SYNCS, *_RENAMES, *_UNLINKS, *_SENDS}
"""A module without any of these has no fault point."""


def kind_of(call: ast.Call) -> str:
    """Return a call's kind, "" where it is no fault point."""
    if not isinstance(call.func, ast.Attribute):
        return ""
    name, owner = call.func.attr, _last(call.func.value)
    if name == "execute" and _is_text(call, "COMMIT"):
        return "commit"
    if owner == "os" and name in _SYNCS:
        return "fsync"
    if _moves(call, name, owner):
        return "rename"
    if name in _UNLINKS and (owner == "os" or not call.args):
        return "unlink"
    if name in _SENDS or (name in ("write", "writelines") and owner in _WRITERS):
        return "send"
    if name == "data" and owner == "client":  # SMTP's DATA, after which the relay answers for the mail
        return "send"
    return "flight" if name == "pack_into" else ""


def _moves(call: ast.Call, name: str, owner: str) -> bool:
    if owner == "os":
        return name in _RENAMES
    one = len(call.args) == 1 and not call.keywords
    return name in ("rename", "replace") and one and owner not in _NO_PATHS


def _is_text(call: ast.Call, text: str) -> bool:
    first = call.args[0] if call.args else None
    return isinstance(first, ast.Constant) and str(first.value).upper().startswith(text)


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


class Marking(ast.NodeTransformer):
    """Lets every fault point of one module call the kit; `sites` holds their names without before and after.

    `lines` holds the lines of the module that a point covers.
    """

    def __init__(self, module: str) -> None:
        self.sites: list[str] = []
        self.lines: set[int] = set()
        self._module = module
        self._function: list[str] = []
        self._seen: Counter[str] = Counter()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._within(node.name, node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._within(node.name, node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._within(node.name, node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        kind = kind_of(node)
        if kind:
            self.lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            marked = ast.Call(ast.Name(MARK, ast.Load()), [ast.Constant(self._site(kind)), node.func], [])
            node.func = ast.copy_location(marked, node.func)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        """The flight file is also written by `map[a:b] = bytes`."""
        self.generic_visit(node)
        target = node.targets[0]
        if not (isinstance(target, ast.Subscript) and _last(target.value) == "_map"):
            return node
        self.lines.add(node.lineno)
        site = self._site("flight")
        around = [
            ast.Expr(ast.Call(ast.Name(STORED, ast.Load()), [ast.Constant(f"{site}:{when}")], []))
            for when in ("before", "after")
        ]
        return [ast.copy_location(around[0], node), node, ast.copy_location(around[1], node)]

    def _within(self, name: str, node: ast.AST) -> ast.AST:
        self._function.append(name)
        self.generic_visit(node)
        self._function.pop()
        return node

    def _site(self, kind: str) -> str:
        plain = f"{self._module}:{'.'.join(self._function) or 'module'}:{kind}"
        self._seen[plain] += 1
        site = plain if self._seen[plain] == 1 else f"{plain}#{self._seen[plain]}"
        self.sites.append(site)
        return site


def marked(module: str, source: str | bytes) -> tuple[ast.Module, Marking]:
    """Return a module's syntax tree with its fault points marked, and what was marked."""
    marking = Marking(module)
    tree = marking.visit(ast.parse(source))
    return ast.fix_missing_locations(tree), marking


def modules() -> Iterator[tuple[str, Path]]:
    """Yield every module of the product with its file."""
    for room in ROOMS:
        for path in sorted((REPOSITORY / room).rglob("*.py")):
            name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
            if not f"{name}.".startswith((*NOT_THE_ENGINE, *TORN_ELSEWHERE)):
                yield name, path


@cache
def sites() -> Mapping[str, list[str]]:
    """Return the sites of each module that has any."""
    found = {}
    for name, path in modules():
        source = path.read_text(encoding="utf-8")
        if any(word in source for word in _WORDS):  # parsing what cannot have any would take most of the time
            found[name] = marked(name, source)[1].sites
    return {name: each for name, each in found.items() if each}


SQLITE = tuple(
    f"sqlite:{file}:{kind}" for file in ("wal", "database") for kind in ("write", "fsync")
)  # fmt: skip
"""Sites within SQLite, struck by the system-call shim."""


def points(belongs: Callable[[str], bool] = lambda site: True) -> list[str]:
    """Return all points in order: those of the code, then those within SQLite."""
    found = [site for each in sites().values() for site in each]
    return [f"{site}:{when}" for site in (*found, *SQLITE) if belongs(site) for when in ("before", "after")]
