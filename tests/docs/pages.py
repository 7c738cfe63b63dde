"""Pages of the documentation, as tests read them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def written_pages() -> list[Path]:
    """Return the pages that people wrote: the reference is made from the models and has tests of its own."""
    pages = [path for path in (ROOT / "docs").rglob("*.md") if "reference" not in path.parts]
    return sorted([*pages, ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
