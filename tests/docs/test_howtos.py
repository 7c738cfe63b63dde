"""The commands of the how-to guides are run as they stand, in a small project whose engine runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.peers.ports import free_port

GUIDES = sorted(page for page in (ROOT / "docs" / "howto").glob("*.md") if blocks(page, "sh"))
ELSEWHERE = {"add-a-channel.md", "run-the-crash-test.md"}
"""Guides for those who change Passerelle itself; their examples have tests of their own."""
LIMIT = 90

BEFORE = """set -e
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
passerelle init clinic
cd clinic
passerelle certs dev
PREPARE
passerelle run 2> engine.log &
until passerelle status > status.txt 2>&1; do sleep 0.1; done
"""
A_DEAD_LETTER = """
passerelle inject appointments routes/samples/booked.json
until passerelle dead list > dead.txt; do sleep 0.1; done
"""
NO_FALLBACK = """
sed -i '/fallback:/d' routes/appointments.yaml
sed -i 's/retry: {backoff.*for: 1m}/retry: none/' config.yaml
"""


@pytest.mark.parametrize(
    "guide", [page for page in GUIDES if page.name not in ELSEWHERE], ids=lambda page: page.stem
)
def test_its_commands_work(guide: Path, tmp_path: Path, programs: Path) -> None:
    about_death = guide.stem == "read-a-dead-letter"
    script = BEFORE.replace("PREPARE", NO_FALLBACK if about_death else "")
    script += (A_DEAD_LETTER if about_death else "") + "".join(blocks(guide, "sh"))
    environment = {
        **os.environ,
        "PATH": os.pathsep.join((str(programs), str(Path(sys.executable).parent), os.environ["PATH"])),
        "PASSERELLE_LISTEN": f"127.0.0.1:{free_port()}",
        "CLINIC": f"https://127.0.0.1:{free_port()}/hooks/appointments",
    }

    told = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )

    assert told.returncode == 0, told.stdout + told.stderr
    for line in "".join(blocks(guide, "text")).splitlines():
        assert re.search(re.escape(line).replace("…", ".*"), told.stdout), told.stdout
