"""A verb's desk in a folder, and options of which nothing was said."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from engine.cli.calling import Where
from engine.cli.desk import Desk
from engine.cli.terminal import Terminal
from engine.cli.words import chosen_language

NOTHING_SAID: Final[Any] = MappingProxyType(
    {
        "ae": None,
        "calling": None,
        "tls": False,
        "tls_profile": None,
        "ca": None,
        "cert": None,
        "key": None,
    }
)


def desk_in(folder: Path) -> Desk:
    """Return the desk of a verb that prints for people."""
    where = Where(folder / "config.yaml", None, None, None)
    return Desk(where, Terminal(as_json=False, language=chosen_language("en")))
