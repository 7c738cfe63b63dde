"""A project folder for tests: the sample files, with placeholders where keys and secrets would be."""

from __future__ import annotations

import shutil
from pathlib import Path

from engine.config.load import load_configuration
from engine.config.loaded import Loaded
from engine.errors import ConfigurationError, Problem
from tests.config.sample_plugins import plugins

SAMPLES = Path(__file__).parent / "samples"
NOW_MS = 1_798_761_600_000
"""2027-01-01T00:00:00Z: within the sample's exception."""
ENV = {"PATH": ""}


def make_project(folder: Path) -> Path:
    """Copy the samples into `folder` and return its config.yaml."""
    shutil.copytree(SAMPLES, folder, dirs_exist_ok=True)
    for name in ("engine.pem", "engine.key", "ca.pem", "clinique-abc.whsec"):
        write(folder, f"certs/{name}", f"placeholder of {name}\n")
    write(folder, "credentials/smtp", "sample-mail-password\n")
    write(folder, "credentials/nagios", "sample-token\n")
    return folder / "config.yaml"


def write(folder: Path, name: str, text: str) -> Path:
    """Write one file below `folder`."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def load(config: Path, *, env: str | None = "test", environ: dict[str, str] | None = None) -> Loaded:
    """Load with the sample channels."""
    return load_configuration(config, env=env, environ=environ or ENV, plugins=plugins(), now_ms=NOW_MS)


def problems_of(config: Path, *, env: str | None = "test") -> tuple[Problem, ...]:
    """Return what is wrong, warnings left out."""
    try:
        load(config, env=env)
    except ConfigurationError as error:
        return tuple(problem for problem in error.problems if problem.severity == "error")
    return ()
