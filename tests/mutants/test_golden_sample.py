"""The shipped sample as its users run it, by `passerelle test`: an engine that does not retry fails it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.mutants.mutant import ROOT

PASSERELLE = (sys.executable, "-m", "engine")


def test_a_busy_clinic_gets_its_notification_in_the_end(tmp_path: Path) -> None:
    for name in ("routes", "mappings"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "config.yaml", tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run((*PASSERELLE, "certs", "dev"), cwd=tmp_path, env=environment, check=True)

    told = subprocess.run(
        (*PASSERELLE, "test", "-k", "busy twice"),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stdout + told.stderr
    assert "1 passed, 0 failed" in told.stdout
