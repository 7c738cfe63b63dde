"""The import hook: modules of the product are loaded with their fault points marked, and one point may be armed.

Only the kit's own launcher installs it. A process is armed by its environment: `FAULT_POINT` (a point's name),
`FAULT_HIT` (at which hit it dies), `FAULT_COUNT` (a file whose size is the number of hits so far, over processes) and
`FAULT_MEDDLE` (`1`: files are replaced under the engine's hands just before it moves them).
"""

from __future__ import annotations

import builtins
import inspect
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tests.crash.points import MARK, STORED, marked, sites

FIRED = "fired"
_MEDDLED = "channels.file.handling:_move:rename"


@dataclass(slots=True)
class Armed:
    """The point at which this process dies; none at first."""

    point: str = ""
    hit: int = 0
    count: str = ""
    meddles: bool = False


armed = Armed()


def arm_from_environment() -> None:
    """Read which point is armed; called in the child, after the fork."""
    environ = os.environ
    armed.point = environ.get("FAULT_POINT", "")
    armed.hit = int(environ.get("FAULT_HIT", "0"))
    armed.count = environ.get("FAULT_COUNT", "")
    armed.meddles = environ.get("FAULT_MEDDLE") == "1"


def strike(point: str) -> None:
    """Count a hit of the armed point; at the wanted one, die as by a power switch of the process."""
    if point != armed.point:
        return
    handle = os.open(armed.count, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(handle, b".")
    if os.fstat(handle).st_size == armed.hit:
        os.rename(armed.count, f"{armed.count}.{FIRED}")
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()  # another thread may go on for a moment; this one never does
    os.close(handle)


def _point(site: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the call with its points around it; without a fault for this site, the call itself."""
    if not armed.point.startswith(f"{site}:") and not (armed.meddles and site == _MEDDLED):
        return call

    def struck(*args: Any, **kwargs: Any) -> Any:
        if armed.meddles and site == _MEDDLED:
            _meddle(args[0])
        strike(f"{site}:before")
        result = None
        try:
            result = call(*args, **kwargs)
        finally:
            if not inspect.isawaitable(result):
                strike(f"{site}:after")
        return _awaited(site, result) if inspect.isawaitable(result) else result

    return struck


async def _awaited(site: str, result: Any) -> Any:
    try:
        return await result
    finally:
        strike(f"{site}:after")


def _meddle(path: Path) -> None:
    """Replace a file that is about to be moved, as a sender that writes the same name again would."""
    fresh = path.with_name(f"{path.name}.part")
    fresh.write_bytes(path.read_bytes() + b"\n")
    fresh.rename(path)


class _Loader(SourceFileLoader):
    """Loads a module with its fault points marked, never from a cache of compiled code."""

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.get_filename(fullname))
        tree, _ = marked(fullname, source)
        return compile(tree, self.path, "exec")


class Finder(MetaPathFinder):
    """Finds the product's modules that have fault points."""

    def __init__(self) -> None:
        self.sites = sites()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self.sites:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin)
        return spec


def install() -> None:
    """Mark the product's modules from now on; none may have been imported before."""
    finder = Finder()
    early = sorted(name for name in finder.sites if name in sys.modules)
    if early:
        raise RuntimeError(f"imported before the hook was installed: {', '.join(early)}")
    setattr(builtins, MARK, _point)
    setattr(builtins, STORED, strike)
    sys.meta_path.insert(0, finder)
