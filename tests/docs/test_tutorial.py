"""The tutorial is run, word for word, and says what it is shown to say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT, blocks
from tests.peers.ports import free_port

TUTORIAL = ROOT / "docs" / "tutorial" / "first-clinic.md"
LIMIT = 120
"""Seconds: five minutes with reading, half a minute without."""


def told_by(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the commands of the page in one shell, on ports of their own; the engine goes with the shell."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PATH": programs,
        "PASSERELLE_LISTEN": f"127.0.0.1:{free_port()}",
        "CLINIC": f"https://127.0.0.1:{free_port()}/hooks/appointments",
    }
    script = "set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "".join(blocks(TUTORIAL, "sh"))
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def test_the_tutorial_works_word_for_word(tmp_path: Path) -> None:
    told = told_by(tmp_path)

    log = tmp_path / "clinic" / "engine.log"
    assert told.returncode == 0, told.stdout + told.stderr + (log.read_text() if log.exists() else "")
    rest = told.stdout
    for line in "".join(blocks(TUTORIAL, "text")).splitlines():
        found = re.search(re.escape(line).replace("…", ".*"), rest)
        assert found, f"the tutorial shows {line!r}, what came was:\n{told.stdout}"
        rest = rest[found.end() :]
